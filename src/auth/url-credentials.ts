import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { isHandshake } from '../upgrade/handshake.js'
import { decodeBytes, decodeUtf8, mayBeAt, type PathOf } from '../upgrade/path.js'
import type { ServerListeners } from '../upgrade/server-listeners.js'

// Where an address can have a credential: a token (RFC 6750 section 2.3), or a ticket.
const parameters = { query: 'access_token', ticket: 'ticket' } as const

// Each character may be percent-encoded.
const LONGEST_NAME = 3 * parameters.query.length

// What is not right once is not right several times: this is no token.
const SEVERAL = 'several'

const kCredentials = Symbol('fastify-socket-route.credentials')
type Request = IncomingMessage & { [kCredentials]?: Map<string, string>, originalUrl?: string }

const PATH_HEADER = ':path'

// One parameter, and what follows it: a parser of the app's own may take a semicolon for `&`.
const PAIR = /([^&;#]*)([&;#]|$)/g

/**
 * Takes credentials out of the address of a request before anything else sees it: Fastify logs the address of each request, and so may
 * any hook.
 */
export class UrlCredentials {
  readonly #names = new Set<string>()
  readonly #patterns: RegExp[] = []
  readonly #pathOf: PathOf

  constructor (pathOf: PathOf) {
    this.#pathOf = pathOf
  }

  /** Looks at the requests of a server. */
  watch (server: EventEmitter, listeners: ServerListeners): void {
    listeners.prepend(server, 'request', (request: Request) => { this.takeFrom(request) })
  }

  /** From now on credentials of this kind are looked for, whichever route a request is for. */
  expect (source: keyof typeof parameters): void {
    this.#names.add(parameters[source])
  }

  /** Looks also at plain requests for these paths. */
  expectAt (pattern: RegExp): void {
    this.#patterns.push(pattern)
  }

  /** Takes them from the address of one request: an upgrade is in no event `request`. */
  takeFrom (request: Request): void {
    if (this.#names.size === 0) return
    // A proxy that does not know WebSocket takes `Upgrade` away and leaves the key. No request to REST has either.
    const isUpgrade = request.headers.upgrade !== undefined || isHandshake(request.headers)
    const first = this.#read(request.url!)
    if (!isUpgrade && first.found.length === 0) return
    let isOurs = isUpgrade || mayBeAt(this.#patterns, first.path)
    let url = request.url!
    // Not once, as `rewriteUrl` of the app may set another: one that is a route's, or that has the credential.
    const set = (address: string, { path, cleaned, found } = this.#read(address)) => {
      isOurs ||= mayBeAt(this.#patterns, path)
      url = isOurs ? cleaned : address
      if (!isOurs) return
      for (const [name, credential] of found) keep(request, name, credential)
      if (request.originalUrl !== undefined) request.originalUrl = this.#read(request.originalUrl).cleaned
      rewriteHeader(request, url)
    }
    set(url, first)
    Object.defineProperty(request, 'url', { configurable: true, enumerable: true, get: () => url, set })
  }

  // An address without its credentials, and those.
  #read (address: string): { path: string, cleaned: string, found: ReadonlyArray<[name: string, credential: string]> } {
    const path = this.#pathOf(address)
    const found: Array<[string, string]> = []
    const others = address.slice(path.length + 1).replace(PAIR, (pair, parameter: string) => {
      const [name, value = ''] = split(parameter)
      const known = nameOf(name)
      if (!this.#names.has(known)) return pair
      found.push([known, decodeUtf8(value)])
      return ''
    }).replace(/[&;#]$/, '')
    if (found.length === 0) return { path, cleaned: address, found }
    return { path, cleaned: others === '' ? path : path + address[path.length]! + others, found }
  }
}

function keep (request: Request, name: string, credential: string): void {
  const credentials = request[kCredentials] ??= new Map()
  credentials.set(name, credentials.has(name) ? SEVERAL : credential)
}

// HTTP/2 has the address among the headers (RFC 9113 section 8.3.1).
function rewriteHeader ({ headers, rawHeaders }: Request, url: string): void {
  if (headers[PATH_HEADER] === undefined) return
  headers[PATH_HEADER] = url
  rawHeaders[rawHeaders.indexOf(PATH_HEADER) + 1] = url
}

/** The credential that was in the address of a request. */
export function credentialOf (request: Request, source: keyof typeof parameters): undefined | string {
  return request[kCredentials]?.get(parameters[source])
}

function split (parameter: string): [string, string?] {
  const at = parameter.indexOf('=')
  return at === -1 ? [parameter] : [parameter.slice(0, at), parameter.slice(at + 1)]
}

// Never throws: a query can hold thousands of names, each of which would cost a stack.
function nameOf (encoded: string): string {
  if (encoded.length > LONGEST_NAME) return ''
  return decodeBytes(encoded)
}
