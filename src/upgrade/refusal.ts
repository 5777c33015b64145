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

/** Answers an upgrade of which Fastify has made nothing, as Fastify would; then its connection ends. */
export function refuseAsFailed (response: ServerResponse): void {
  if (response.headersSent) {
    response.end()
    return
  }
  const body = JSON.stringify({ statusCode: 500, error: 'Internal Server Error', message: 'The upgrade has failed' })
  response.writeHead(500, { 'content-length': Buffer.byteLength(body), 'content-type': 'application/json; charset=utf-8' })
  response.end(body)
}

/**
 * Has the answer to a refused upgrade say that its connection ends (RFC 9112 section 9.6), whatever hooks of the app say: nothing reads
 * the connection any more.
 */
export function sayLast (response: ServerResponse): void {
  response.shouldKeepAlive = false
  response.writeHead = writeLastHead as ServerResponse['writeHead']
}

// Node writes each head by it, also where it is not called.
function writeLastHead (this: ServerResponse, status: number, ...rest: unknown[]): ServerResponse {
  // A hook of onSend has thrown nothing, which Fastify takes for no failure.
  if (status === 101) throw new errors.NotAnError()
  const reason = typeof rest[0] === 'string' ? [rest[0]] : []
  const headers = pairsOf(rest[reason.length])
  const kept = headers.filter(([name]) => !/^(?:connection|keep-alive)$/i.test(name))
  const options = headers.filter(([name]) => /^connection$/i.test(name)).map(([, value]) => value)
  const connection = [...optionsOf([this.getHeader('connection'), ...options]), 'close'].join(', ')
  this.removeHeader('keep-alive')
  if (this.hasHeader('connection')) this.setHeader('connection', connection)
  return Reflect.apply(ServerResponse.prototype.writeHead, this, [status, ...reason, [...kept, ['connection', connection]].flat()])
}

// As Node takes them: an object, names and values in turn, or pairs.
function pairsOf (headers: unknown): ReadonlyArray<readonly [name: string, value: unknown]> {
  if (!Array.isArray(headers)) return Object.entries(headers ?? {})
  if (Array.isArray(headers[0])) return headers
  return headers.flatMap((name, at) => at % 2 === 0 ? [[name, headers[at + 1]]] : [])
}

// What a Connection header has besides what becomes of the connection: `upgrade`, for instance.
function optionsOf (values: readonly unknown[]): readonly string[] {
  const options = values.flatMap((value) => String(value ?? '').toLowerCase().split(',')).map((option) => option.trim())
  return [...new Set(options)].filter((option) => !['', 'keep-alive', 'close'].includes(option))
}
