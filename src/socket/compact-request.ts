import { IncomingMessage, type IncomingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { flatText } from '../message/flat-text.js'
import { replaceRaw } from '../host/fastify-internals.js'
import { upgradeSymbols } from '../host/fastify-websocket-internals.js'
import { emptyStream } from './response-release.js'

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

// Headers with the same value for all visitors with the same browser: stored once for all of them.
// All other headers are stored per connection.
const shared = new Set([
  'accept', 'accept-encoding', 'accept-language', 'cache-control', 'connection', 'dnt', 'host',
  'origin', 'pragma', 'sec-fetch-dest', 'sec-fetch-mode', 'sec-fetch-site', 'sec-gpc',
  'sec-websocket-extensions', 'sec-websocket-protocol', 'sec-websocket-version', 'upgrade',
  'user-agent', 'via', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto'
])

// Bounds of the shared outlines, as clients choose what they send: their number, after which all
// are cleared, and their length in characters.
const MOST = 1_000
const LONGEST = 2_048

/** The shared outlines. Exported so that a test can check their bounds. @internal */
export const outlines = new Map<string, string>()

/** The headers of one request in little memory. */
export class CompactHeaders {
  // All headers as JSON, with null in place of values that are stored per connection.
  readonly #outline: string
  readonly #own: readonly string[]

  constructor (outline: string, own: readonly string[]) {
    this.#outline = outline
    this.#own = own
  }

  /** Returns the headers as an object, in their original order. */
  restore (): IncomingHttpHeaders {
    const headers = JSON.parse(this.#outline) as IncomingHttpHeaders
    let count = 0
    for (const name in headers) headers[name] ??= this.#own[count++]
    return headers
  }
}

/**
 * Compacts headers. Returns `undefined` if a schema or a hook has turned a value into something
 * other than text.
 */
export function compactHeaders (headers: IncomingHttpHeaders): undefined | CompactHeaders {
  const outline: Record<string, null | string> = {}
  const own: string[] = []
  for (const name in headers) {
    const value = headers[name]
    if (typeof value !== 'string') return
    if (shared.has(name)) {
      outline[name] = value
    } else {
      outline[name] = null
      own.push(flatText(value))
    }
  }
  // slice() returns an array without spare capacity.
  return new CompactHeaders(share(JSON.stringify(outline)), own.slice())
}

function share (outline: string): string {
  const known = outlines.get(outline)
  if (known !== undefined) return known
  const flat = flatText(outline)
  if (flat.length > LONGEST) return flat
  if (outlines.size === MOST) outlines.clear()
  outlines.set(flat, flat)
  return flat
}
