import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'

// Where an address can have a credential: a token (RFC 6750 section 2.3), or a ticket.
const parameters = { query: 'access_token', ticket: 'ticket' } as const

const kCredentials = Symbol('fastify-socket-route.credentials')
type Request = IncomingMessage & { [kCredentials]?: ReadonlyMap<string, string> }

/**
 * Takes credentials out of the address of a request before anything else sees it: Fastify logs the address of each request, and so may
 * any hook.
 */
export class QueryCredentials {
  readonly #names = new Set<string>()

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

  #takeFrom (request: Request): void {
    // A proxy that does not know WebSocket takes `Upgrade` away and leaves the key. No other request has one.
    if (this.#names.size === 0 || request.headers['sec-websocket-key'] === undefined) return
    const [path, query] = split(request.url!, '?')
    if (query === undefined) return
    const credentials = new Map<string, string>()
    const others = query.split('&').filter((pair) => {
      const [name, value = ''] = split(pair, '=').map(decode) as [string, string?]
      if (!this.#names.has(name)) return true
      // Of two none is right: together they are no token.
      credentials.set(name, credentials.has(name) ? `${credentials.get(name)}&${value}` : value)
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

function decode (text: undefined | string): undefined | string {
  try {
    return text && decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}
