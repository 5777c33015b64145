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
  readonly #server: EventEmitter
  readonly #names = new Set<string>()

  constructor (server: EventEmitter) {
    this.#server = server
  }

  /** From now on credentials of this kind are looked for, whichever route the request is for. */
  expect (source: keyof typeof parameters): void {
    if (this.#names.size === 0) {
      for (const event of ['request', 'upgrade']) this.#server.prependListener(event, (request: Request) => { this.#takeFrom(request) })
    }
    this.#names.add(parameters[source])
  }

  #takeFrom (request: Request): void {
    // A proxy that does not know WebSocket takes `Upgrade` away and leaves the key. No other request has one.
    if (request.headers['sec-websocket-key'] === undefined) return
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
