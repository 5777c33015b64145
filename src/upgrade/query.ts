import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'

// Where an address can have a credential: a token (RFC 6750 section 2.3), or a ticket.
const parameters = { query: 'access_token', ticket: 'ticket' } as const

// Each character may be percent-encoded.
const LONGEST_NAME = 3 * parameters.query.length

// What is not right once is not right several times: this is no token.
const SEVERAL = 'several'

const kCredentials = Symbol('fastify-socket-route.credentials')
type Request = IncomingMessage & { [kCredentials]?: ReadonlyMap<string, string> }

/**
 * Takes credentials out of the address of a request before anything else sees it: Fastify logs the address of each request, and so may
 * any hook.
 */
export class QueryCredentials {
  readonly #names = new Set<string>()
  readonly #patterns: RegExp[] = []

  constructor (server: EventEmitter) {
    this.watch(server)
    server.prependListener('upgrade', (request: Request) => { this.#takeFrom(request) })
  }

  /** Looks at the requests of a server; its upgrades have to be emitted by the first one. */
  watch (server: EventEmitter): void {
    server.prependListener('request', (request: Request) => { this.#takeFrom(request) })
  }

  /** From now on credentials of this kind are looked for, whichever route a request is for. */
  expect (source: keyof typeof parameters): void {
    this.#names.add(parameters[source])
  }

  /** Looks also at plain requests for these paths. */
  expectAt (pattern: RegExp): void {
    this.#patterns.push(pattern)
  }

  #takeFrom (request: Request): void {
    if (this.#names.size === 0) return
    const [path, query] = split(request.url!, '?')
    if (query === undefined) return
    // A proxy that does not know WebSocket takes `Upgrade` away and leaves the key. No request to REST has either.
    const { upgrade, 'sec-websocket-key': key } = request.headers
    if ((upgrade ?? key) === undefined && !this.#patterns.some((pattern) => pattern.test(ascii(path)))) return
    const credentials = new Map<string, string>()
    const others = query.split('&').filter((pair) => {
      const [name, value = ''] = split(pair, '=')
      const known = nameOf(name)
      if (!this.#names.has(known)) return true
      credentials.set(known, credentials.has(known) ? SEVERAL : decode(value))
      return false
    })
    if (credentials.size === 0) return
    request[kCredentials] = credentials
    request.url = others.length === 0 ? path : `${path}?${others.join('&')}`
  }
}

/** The credential that was in the address of a request. */
export function credentialOf (request: Request, source: keyof typeof parameters): undefined | string {
  return request[kCredentials]?.get(parameters[source])
}

function split (text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator)
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

// Never throws: a query can hold thousands of names, each of which would cost a stack.
function nameOf (encoded: string): string {
  if (encoded.length > LONGEST_NAME) return ''
  return ascii(encoded)
}

function ascii (encoded: string): string {
  return encoded.replace(/%([0-9a-f]{2})/gi, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}

function decode (value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
