import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { isHandshake } from '../upgrade/handshake.js'
import { decodeBytes, decodeUtf8, mayBeAt, type PathOf } from '../upgrade/path-template.js'
import type { ServerListeners } from '../upgrade/listener-registry.js'

// The query parameters of credentials: a token (RFC 6750 section 2.3) or a ticket.
const parameters = { query: 'access_token', ticket: 'ticket' } as const

// Each character may be percent-encoded.
const LONGEST_NAME = 3 * parameters.query.length

// A repeated parameter is rejected as an invalid token.
const SEVERAL = 'several'

const kCredentials = Symbol('fastify-socket-route.credentials')
type Request = IncomingMessage & { [kCredentials]?: Map<string, string>, originalUrl?: string }

const PATH_HEADER = ':path'

// One parameter and its separator. A query parser of the app may read a semicolon as `&`.
const PAIR = /([^&;#]*)([&;#]|$)/g

/**
 * Removes credentials from the URL of a request before other code reads it: Fastify logs the URL of
 * each request, and hooks may do so too.
 */
export class UrlCredentials {
  readonly #names = new Set<string>()
  readonly #patterns: RegExp[] = []
  readonly #pathOf: PathOf

  constructor (pathOf: PathOf) {
    this.#pathOf = pathOf
  }

  /** Watches the requests of a server. */
  watch (server: EventEmitter, listeners: ServerListeners): void {
    listeners.prepend(server, 'request', (request: Request) => { this.takeFrom(request) })
  }

  /** Adds a kind of credential to be removed, from requests for any route. */
  expect (source: keyof typeof parameters): void {
    this.#names.add(parameters[source])
  }

  /** Adds paths for which credentials are removed from plain requests too. */
  expectAt (pattern: RegExp): void {
    this.#patterns.push(pattern)
  }

  /** Removes the credentials of one request. It is public as upgrades emit no `request` event. */
  takeFrom (request: Request): void {
    if (this.#names.size === 0) return
    // A proxy without WebSocket support removes `Upgrade` and leaves the key. A REST request has
    // neither.
    const isUpgrade = request.headers.upgrade !== undefined || isHandshake(request.headers)
    const first = this.#read(request.url!)
    if (!isUpgrade && first.found.length === 0) return
    let isOurs = isUpgrade || mayBeAt(this.#patterns, first.path)
    let url = request.url!
    // A setter, as `rewriteUrl` of the app may set another URL: that of a route, or one with
    // credentials.
    const set = (address: string, { path, cleaned, found } = this.#read(address)) => {
      isOurs ||= mayBeAt(this.#patterns, path)
      url = isOurs ? cleaned : address
      if (!isOurs) return
      for (const [name, credential] of found) keep(request, name, credential)
      if (request.originalUrl !== undefined) {
        request.originalUrl = this.#read(request.originalUrl).cleaned
      }
      rewriteHeader(request, url)
    }
    set(url, first)
    const property = { configurable: true, enumerable: true, get: () => url, set }
    Object.defineProperty(request, 'url', property)
  }

  // Splits a URL into the URL without credentials and its credentials.
  #read (address: string): {
    path: string
    cleaned: string
    found: ReadonlyArray<[name: string, credential: string]>
  } {
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
    const cleaned = others === '' ? path : path + address[path.length]! + others
    return { path, cleaned, found }
  }
}

function keep (request: Request, name: string, credential: string): void {
  const credentials = request[kCredentials] ??= new Map()
  credentials.set(name, credentials.has(name) ? SEVERAL : credential)
}

// HTTP/2 has the URL among the headers (RFC 9113 section 8.3.1).
function rewriteHeader ({ headers, rawHeaders }: Request, url: string): void {
  if (headers[PATH_HEADER] === undefined) return
  headers[PATH_HEADER] = url
  rawHeaders[rawHeaders.indexOf(PATH_HEADER) + 1] = url
}

/** Returns the credential that was in the URL of a request. */
export function credentialOf (
  request: Request,
  source: keyof typeof parameters
): undefined | string {
  return request[kCredentials]?.get(parameters[source])
}

function split (parameter: string): [string, string?] {
  const at = parameter.indexOf('=')
  return at === -1 ? [parameter] : [parameter.slice(0, at), parameter.slice(at + 1)]
}

// decodeBytes never throws: a query can have thousands of names, and each error would cost a stack.
function nameOf (encoded: string): string {
  if (encoded.length > LONGEST_NAME) return ''
  return decodeBytes(encoded)
}
