import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { errors } from '../errors.js'
import { isFree } from './plain-request.js'

/** When a refused client is told to come again, in seconds (RFC 9110 section 10.2.3). Nobody knows when there is room again. */
export const RETRY_AFTER = 5

/** Answers an upgrade request with 503 while the app closes; then ends its connection. */
export function refuseAsClosing (request: IncomingMessage, socket: Duplex): void {
  if (!isFree(request, socket)) {
    socket.destroy()
    return
  }
  const { statusCode, code, message } = new errors.Closing()
  const body = JSON.stringify({ statusCode, code, error: 'Service Unavailable', message })
  // Node has taken its own listener away.
  socket.on('error', socket.destroy)
  const response = new ServerResponse(request)
  // A stream of injectWS will do as well: that is how @fastify/websocket answers.
  response.assignSocket(socket as Socket)
  response.writeHead(503, {
    connection: 'close',
    'content-length': Buffer.byteLength(body),
    'content-type': 'application/json; charset=utf-8',
    'retry-after': String(RETRY_AFTER)
  })
  response.end(body, () => { socket.destroy() })
}
