import type { TokenSource } from '../../auth/token-source.js'
import type { Reference } from './document.js'
import type { RouteProperties } from './route-metadata.js'
import { UniqueKeys } from './unique-keys.js'

type Scheme = Readonly<Record<string, string>>

/** The security schemes of all routes: the ways to send a token. */
export class SecuritySchemes {
  readonly #keys = new UniqueKeys()
  readonly #schemes = new Map<string, Scheme>()

  /** By key. */
  get components (): Readonly<Record<string, Scheme>> {
    return Object.fromEntries(this.#schemes)
  }

  /** Returns the schemes of a route, any of which is enough. */
  of ({ sources, cookie }: RouteProperties): Reference[] {
    return sources.map((source) => {
      const scheme = schemeOf(source, cookie)
      const key = this.#keys.take(source, JSON.stringify(scheme))
      this.#schemes.set(key, scheme)
      return { $ref: `#/components/securitySchemes/${key}` }
    })
  }
}

function schemeOf (source: TokenSource, cookie: undefined | string): Scheme {
  switch (source) {
    case 'header':
      return { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }
    case 'protocol':
      return {
        type: 'httpApiKey',
        name: 'Sec-WebSocket-Protocol',
        in: 'header',
        description:
          "The token as the sub-protocol after `bearer`: `new WebSocket(url, ['bearer', token])`."
      }
    case 'cookie':
      return { type: 'httpApiKey', name: cookie!, in: 'cookie' }
    case 'query':
      return { type: 'httpApiKey', name: 'access_token', in: 'query' }
    case 'ticket':
      return {
        type: 'httpApiKey',
        name: 'ticket',
        in: 'query',
        description: 'A ticket, which is issued over HTTP and is valid for one connection.'
      }
    // AsyncAPI has no scheme for this. `apiKey` in `password` is the closest: a credential sent
    // over the connection, without a user name.
    case 'message':
      return {
        type: 'apiKey',
        in: 'password',
        description: 'The token as the first message, which is text.'
      }
  }
}
