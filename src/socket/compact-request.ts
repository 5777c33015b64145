import { IncomingMessage, type IncomingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { compactHeaders, CompactHeaders } from './compact-headers.js'
import { emptyStream } from './upgraded.js'

// What Node puts on every message, and what it, @fastify/websocket and this plugin add to one that asks for an upgrade: nobody needs
// any of that after it.
const known = new Set([...Reflect.ownKeys(new IncomingMessage(new Socket())), 'parser'])
const added = /^(?:ws-socket|ws-head|fastify-socket-route\..*)$/

/**
 * Puts a compact message in the place of `request.raw`, which keeps three kilobytes of streams, buffers and texts. The request itself
 * and all that hooks have put on it stay. A message that somebody listens to, or has put something on, stays as well.
 */
export function compactRequest (request: FastifyRequest): void {
  const { raw } = request
  // One of injectWS has headers of its own, and nothing yet of what emits events.
  if (!(raw instanceof IncomingMessage) || !Reflect.ownKeys(raw).every(isKnown) || raw.eventNames().length > 0) return
  const headers = compactHeaders(raw.headers)
  if (headers === undefined) return
  const kept = new CompactRequest(raw, headers)
  const properties = request as unknown as Record<PropertyKey, unknown>
  properties['raw'] = kept
  // Fastify has it under a symbol as well, for a body.
  for (const key of Object.getOwnPropertySymbols(request)) if (properties[key] === raw) properties[key] = kept
}

/** What is left of the message that asked for an upgrade. To others it is an `IncomingMessage` that has been read to its end. */
class CompactRequest {
  readonly url: undefined | string
  readonly socket: Socket
  #headers: CompactHeaders | IncomingHttpHeaders

  constructor ({ url, socket }: IncomingMessage, headers: CompactHeaders) {
    this.url = url
    this.socket = socket
    this.#headers = headers
  }

  /** Always the same object from when somebody first asks. */
  get headers (): IncomingHttpHeaders {
    if (this.#headers instanceof CompactHeaders) this.#headers = this.#headers.restore()
    return this.#headers
  }

  get rawHeaders (): string[] {
    return Object.entries(this.headers).flatMap(([name, value]) => [name, String(value)])
  }
}

Object.setPrototypeOf(CompactRequest.prototype, IncomingMessage.prototype)
// No other is upgraded.
Object.assign(CompactRequest.prototype, {
  method: 'GET', httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1, complete: true, aborted: false, upgrade: true, rawTrailers: []
})
emptyStream(CompactRequest.prototype)

function isKnown (key: string | symbol): boolean {
  if (known.has(key)) return true
  if (typeof key === 'string' || !added.test(key.description!)) return false
  known.add(key)
  return true
}
