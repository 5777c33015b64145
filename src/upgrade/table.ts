import { inspect } from 'node:util'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { errors } from '../errors.js'
import { isHandshake, isWebsocketUpgrade } from './handshake.js'
import { joinPath, slashVariants } from './path.js'
import type { Route } from './route.js'

// The constraint that tells upgrade requests from others where a socket route and a REST route share a path.
const UPGRADE = 'socketUpgrade'

/** A route that is none of ours: one of `@fastify/websocket`, or REST. */
interface Other {
  readonly kind: 'websocket' | 'rest'
  readonly path: string
}

const isSocket = (owner: Route | Other): boolean => !('kind' in owner) || owner.kind === 'websocket'

/** The socket routes of an app, and how they get along with its other routes. */
export class RouteTable {
  /** By name, in the order of registration. */
  readonly byName = new Map<string, Route>()
  readonly #fastify: FastifyInstance
  // Who has a path.
  readonly #owners = new Map<string, Route | Other>()
  #adding: undefined | Route

  /** @throws `FSR_ERR_ALREADY_REGISTERED` if the app has a table already, in whatever scope: upgrades of a server are handled once. */
  constructor (fastify: FastifyInstance) {
    if (fastify.hasConstraintStrategy(UPGRADE)) throw new errors.AlreadyRegistered()
    this.#fastify = fastify
    fastify.addConstraintStrategy({
      name: UPGRADE,
      storage: () => new Map() as never,
      deriveConstraint: (request) => isHandshake(request.headers) ? 'websocket' : 'none',
      validate: () => {},
      mustMatchWhenDerived: false
    })
  }

  /** Looks at all routes to come, behind the hook of `@fastify/websocket`, which makes a handler of its own of each. */
  watch (): void {
    this.#fastify.addHook('onRoute', (options) => {
      if (this.#adding === undefined) this.#meet(options)
      else options.handler = this.#adding.answerFirst(options.handler)
    })
  }

  /**
   * Registers a route in a scope, with and without a slash at the end of its path.
   *
   * @throws `FSR_ERR_NAME_DUPLICATE`, `FSR_ERR_PATH_DUPLICATE`, `FSR_ERR_PATH_INVALID`.
   */
  add (fastify: FastifyInstance, path: string, constraints: RouteOptions['constraints'], route: Route): void {
    const { ignoreTrailingSlash, routerOptions } = fastify.initialConfig
    const isLenient = ignoreTrailingSlash === true || routerOptions?.ignoreTrailingSlash === true
    const variants = slashVariants(path, fastify.prefix)
    const urls = (isLenient ? variants.slice(0, 1) : variants).map((url) => ({ url, key: keyOf(joinPath(fastify.prefix, url), constraints) }))
    for (const { key } of urls) {
      const owner = this.#owners.get(key)
      if (owner !== undefined && isSocket(owner)) throw new errors.PathDuplicate(owner.path, route.path)
    }
    if (this.byName.has(route.name)) throw new errors.NameDuplicate(route.name)
    for (const { url, key } of urls) {
      const isShared = this.#owners.has(key) || this.#fastify.hasRoute({ method: 'GET', url: joinPath(fastify.prefix, url), constraints: constraints ?? {} })
      this.#owners.set(key, route)
      if (isShared) route.isShared = true
      this.#adding = route
      try {
        fastify.route(route.toRouteOptions(url, isShared ? { ...constraints, [UPGRADE]: 'websocket' } : constraints))
      } finally {
        this.#adding = undefined
      }
    }
    this.byName.set(route.name, route)
  }

  // Another route of the app.
  #meet (options: RouteOptions): void {
    const isWebsocket = options.websocket === true || options.wsHandler !== undefined
    const isGet = [options.method].flat().includes('GET')
    if (isGet) {
      const key = keyOf(options.url, options.constraints)
      const owner = this.#owners.get(key)
      if (owner === undefined || 'kind' in owner) {
        this.#owners.set(key, { kind: isWebsocket ? 'websocket' : 'rest', path: options.url })
      } else {
        if (isWebsocket) throw new errors.PathDuplicate(owner.path, options.url)
        owner.isShared = true
        options.constraints = { ...options.constraints, [UPGRADE]: 'none' }
      }
    }
    // @fastify/websocket would upgrade it, only to close.
    if (!isWebsocket) options.onRequest = [refuseUpgrade, ...[options.onRequest ?? []].flat()]
  }
}

async function refuseUpgrade (request: FastifyRequest, reply: FastifyReply): Promise<undefined | FastifyReply> {
  if (!request.ws) return
  reply.header('connection', 'close')
  // Node hands over every request with an Upgrade header, though a server may ignore it (RFC 9110 section 7.8).
  if (!isWebsocketUpgrade(request.headers)) throw new errors.HandshakeInvalid('this server upgrades to WebSocket only')
  reply.callNotFound()
  return reply
}

// The names of parameters do not make a path another one.
function keyOf (url: string, constraints: RouteOptions['constraints']): string {
  const shape = url.replace(/:\w+/g, ':')
  return constraints === undefined || Object.keys(constraints).length === 0 ? shape : `${shape} ${inspect(constraints)}`
}
