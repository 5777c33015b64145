import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { errors } from '../errors.js'
import { isFree } from './ignored-upgrade.js'

/**
 * The `Retry-After` of a refused client in seconds (RFC 9110 section 10.2.3). It is a guess, as the
 * time when there is room again is unknown.
 */
export const RETRY_AFTER = 5

/** Replies to an upgrade request with 503 while the app is closing, and ends the connection. */
export function refuseAsClosing (request: IncomingMessage, socket: Duplex): void {
  if (!isFree(request, socket)) {
    socket.destroy()
    return
  }
  const { statusCode, code, message } = new errors.Closing()
  const body = JSON.stringify({ statusCode, code, error: 'Service Unavailable', message })
  // Node has removed its own error listener.
  socket.on('error', socket.destroy)
  const response = new ServerResponse(request)
  // A stream of injectWS works as well: @fastify/websocket does the same.
  response.assignSocket(socket as Socket)
  response.writeHead(503, {
    connection: 'close',
    'content-length': Buffer.byteLength(body),
    'content-type': 'application/json; charset=utf-8',
    'retry-after': String(RETRY_AFTER)
  })
  response.end(body, () => { socket.destroy() })
}

/** Replies to an upgrade that failed in Fastify with 500, in the form of Fastify's errors. */
export function refuseAsFailed (response: ServerResponse): void {
  if (response.headersSent) {
    response.end()
    return
  }
  const body = JSON.stringify({
    statusCode: 500,
    error: 'Internal Server Error',
    message: 'The upgrade has failed'
  })
  response.writeHead(500, {
    'content-length': Buffer.byteLength(body),
    'content-type': 'application/json; charset=utf-8'
  })
  response.end(body)
}

/**
 * Adds `Connection: close` to the response of a refused upgrade (RFC 9112 section 9.6), even if
 * hooks of the app set another value: nothing reads the connection any more.
 */
export function sayLast (response: ServerResponse): void {
  response.shouldKeepAlive = false
  response.writeHead = writeLastHead as ServerResponse['writeHead']
}

// Node writes every head by `writeHead`, also an implicit one.
function writeLastHead (this: ServerResponse, status: number, ...rest: unknown[]): ServerResponse {
  // An onSend hook threw undefined or null, which Fastify does not treat as a failure.
  if (status === 101) throw new errors.NotAnError()
  const reason = typeof rest[0] === 'string' ? [rest[0]] : []
  const headers = pairsOf(rest[reason.length])
  const kept = headers.filter(([name]) => !/^(?:connection|keep-alive)$/i.test(name))
  const options = headers.filter(([name]) => /^connection$/i.test(name)).map(([, value]) => value)
  const connection = [...optionsOf([this.getHeader('connection'), ...options]), 'close'].join(', ')
  this.removeHeader('keep-alive')
  if (this.hasHeader('connection')) this.setHeader('connection', connection)
  const written = [...kept, ['connection', connection]].flat()
  return Reflect.apply(ServerResponse.prototype.writeHead, this, [status, ...reason, written])
}

// Converts headers from any form that Node accepts: an object, a flat list, or pairs.
function pairsOf (headers: unknown): ReadonlyArray<readonly [name: string, value: unknown]> {
  if (!Array.isArray(headers)) return Object.entries(headers ?? {})
  if (Array.isArray(headers[0])) return headers
  return headers.flatMap((name, at) => at % 2 === 0 ? [[name, headers[at + 1]]] : [])
}

// The options of Connection headers besides `close` and `keep-alive`, such as `upgrade`.
function optionsOf (values: readonly unknown[]): readonly string[] {
  const options = values
    .flatMap((value) => String(value ?? '').toLowerCase().split(','))
    .map((option) => option.trim())
  return [...new Set(options)].filter((option) => !['', 'keep-alive', 'close'].includes(option))
}
