import { IncomingMessage, type IncomingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { replaceRaw } from '../host/fastify-internals.js'
import { upgradeSymbols } from '../host/websocket-internals.js'
import { compactHeaders, CompactHeaders } from './compact-headers.js'
import { emptyStream } from './upgraded.js'

// The properties that Node sets on every request, and those that Node, @fastify/websocket and this
// plugin add for an upgrade. None is needed afterwards.
const known = new Set([...Reflect.ownKeys(new IncomingMessage(new Socket())), 'parser'])

/**
 * Replaces `request.raw`, which keeps three kilobytes of streams, buffers and texts, by a compact
 * object. The request itself and its properties of hooks stay. A raw request with listeners or
 * further properties stays as well, and with a version of Fastify that does not let it be replaced.
 */
export function compactRequest (request: FastifyRequest): void {
  const { raw } = request
  // The raw request of injectWS has an own property for its headers, and has not yet been set up as
  // an event emitter.
  if (!(raw instanceof IncomingMessage) || !Reflect.ownKeys(raw).every(isKnown) ||
    raw.eventNames().length > 0) return
  const headers = compactHeaders(raw.headers)
  if (headers === undefined) return
  replaceRaw(request, new CompactRequest(raw, headers))
}

/**
 * The compact form of an upgrade request. It looks like an `IncomingMessage` that has been read to
 * its end.
 */
class CompactRequest {
  readonly url: undefined | string
  readonly socket: Socket
  #headers: CompactHeaders | IncomingHttpHeaders

  constructor ({ url, socket }: IncomingMessage, headers: CompactHeaders) {
    this.url = url
    this.socket = socket
    this.#headers = headers
  }

  /** The headers, restored on first access and then cached. */
  get headers (): IncomingHttpHeaders {
    if (this.#headers instanceof CompactHeaders) this.#headers = this.#headers.restore()
    return this.#headers
  }

  get rawHeaders (): string[] {
    return Object.entries(this.headers).flatMap(([name, value]) => [name, String(value)])
  }
}

Object.setPrototypeOf(CompactRequest.prototype, IncomingMessage.prototype)
// Every upgraded request is a GET of HTTP/1.1.
Object.assign(CompactRequest.prototype, {
  method: 'GET',
  httpVersion: '1.1',
  httpVersionMajor: 1,
  httpVersionMinor: 1,
  complete: true,
  aborted: false,
  upgrade: true,
  rawTrailers: []
})
emptyStream(CompactRequest.prototype)

function isKnown (key: string | symbol): boolean {
  if (known.has(key)) return true
  if (typeof key === 'string') return false
  const name = key.description!
  if (!upgradeSymbols.includes(name) && !name.startsWith('fastify-socket-route.')) return false
  known.add(key)
  return true
}
