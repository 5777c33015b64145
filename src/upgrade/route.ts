import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, RouteOptions } from 'fastify'
import type { WebSocket } from 'ws'
import type { Room, WsConnection } from '../connection/connection.js'
import type { Budget } from '../connection/budget.js'
import type { Identity } from '../connection/identity.js'
import type { Clocks } from '../controller/clocks.js'
import type { SocketController } from '../controller/controller.js'
import { Dispatch, type DispatchRoute, type LiveDispatches } from '../controller/dispatch.js'
import { errors } from '../errors.js'
import type { Sendable } from '../message/outbound.js'
import { ClientSet, type BroadcastOptions, type Clients } from '../room/clients.js'
import type { ConnectionCounts } from '../room/counts.js'
import { Rooms } from '../room/rooms.js'
import { refuseByCaps } from './caps.js'
import { createGuard } from './grant.js'
import { agreeOnProtocol, checkHandshake, upgradeRequired } from './handshake.js'
import type { Handshakes } from './handshakes.js'
import { checkName, checkProtocols, checkSchema, type SocketRouteOptions } from './options.js'
import { originOf } from './origin.js'
import { fillPath } from './path.js'
import { isRevoked, type RevocationStore } from './revocation.js'
import type { InForce } from './scope.js'
import { createAuthenticator, jwtOf, userOf, type Authenticator } from './token.js'

/**
 * What `socketRoute` returns, and `fastify.socketRoutes` has by name: the way from anywhere in the app to the clients of a route.
 *
 * @typeParam Connection the connections of the route.
 */
export interface SocketRouteHandle<Connection = WsConnection> {
  readonly name: string
  /** The path with the prefixes of its scopes, as it was written: `/v1/chat/:room`. */
  readonly path: string
  readonly clients: Clients<Connection>
  /**
   * The path with its parameters filled in and encoded.
   *
   * @throws `FSR_ERR_URL_PARAM_MISSING`.
   */
  url (params?: Readonly<Record<string, string | number>>): string
  /**
   * Sends to every client of the route; the message is encoded once.
   *
   * @throws `FSR_ERR_NOT_SENDABLE`, `FSR_ERR_NOT_JSON`.
   */
  broadcast (message: Sendable, options?: BroadcastOptions): void
  /** A room of the route; it need not have members. */
  to (room: string): Room<Connection>
}

// When a refused client is told to come again, in seconds (RFC 9110 section 10.2.3). Nobody knows when somebody leaves.
const RETRY_AFTER = 5

/** What a request brings along from the first check to the upgrade. */
export const kUpgrade = Symbol('fastify-socket-route.upgrade')
interface Upgrade {
  readonly token: undefined | string
  identity?: Identity
}
type UpgradeRequest = FastifyRequest & { [kUpgrade]: null | Upgrade }

/** The connections of all routes of an app, and whether there are to be more. */
export interface LiveConnections extends LiveDispatches {
  readonly isClosing: boolean
}

/** What all routes of an app share. */
export interface Server {
  readonly live: LiveConnections
  readonly clocks: Clocks
  readonly counts: ConnectionCounts
  readonly budget: Budget
  readonly handshakes: Handshakes
  readonly revocations: RevocationStore
}

/** One socket route. */
export class Route implements SocketRouteHandle {
  readonly name: string
  readonly path: string
  readonly clients = new ClientSet()
  /** What holds for this route. @internal */
  readonly inForce: InForce
  readonly #server: Server
  readonly #fastify: FastifyInstance
  readonly #given: SocketRouteOptions
  readonly #protocols: undefined | readonly string[]
  readonly #dispatched: DispatchRoute
  readonly #isAdmitted: ReturnType<typeof createGuard>
  #authenticator: undefined | Authenticator

  constructor (server: Server, fastify: FastifyInstance, path: string, controller: SocketController, given: SocketRouteOptions, inForce: InForce) {
    this.path = path
    this.name = checkName(given.name) ?? path
    this.inForce = inForce
    this.#server = server
    this.#fastify = fastify
    this.#given = given
    this.#protocols = checkProtocols(given.protocols)
    checkSchema(given.schema)
    const { options, grants } = inForce
    this.#isAdmitted = createGuard(grants)
    this.#dispatched = {
      controller,
      clients: this.clients,
      counts: server.counts,
      rooms: new Rooms(),
      live: server.live,
      closing: server.clocks.closing(options.closeTimeout),
      heartbeat: server.clocks.heartbeat(options.heartbeat),
      expiry: server.clocks.expiry,
      renew: this.#renew,
      concurrency: options.concurrency,
      rate: options.rate,
      windows: options.rate && server.clocks.windows(options.rate.per),
      maxPayload: options.maxPayload,
      outbox: { limit: options.outboxLimit, overflow: options.overflow, budget: server.budget },
      roomsPerConnection: options.roomsPerConnection
    }
  }

  url (params: Readonly<Record<string, string | number>> = {}): string {
    return fillPath(this.path, params)
  }

  broadcast (message: Sendable, options?: BroadcastOptions): void {
    this.clients.broadcast(message, options)
  }

  to (room: string): Room {
    return this.#dispatched.rooms.room(room)
  }

  /**
   * Looks for what the guard needs, once all plugins are loaded.
   *
   * @throws `FSR_ERR_JWT_MISSING`.
   */
  ready (): void {
    const { grants, options } = this.inForce
    const jwt = jwtOf(this.#fastify)
    if (grants.length > 0 && jwt === undefined && options.tokenFrom.length > 0) throw new errors.JwtMissing(this.path)
    this.#authenticator = createAuthenticator(jwt, options.tokenFrom, options.requireExpiry)
  }

  /** The route as Fastify takes it, for one spelling of the path. */
  toRouteOptions (url: string, constraints: undefined | RouteOptions['constraints']): RouteOptions {
    const { schema, config, logLevel, onRequest, preValidation, preHandler } = this.#given
    return {
      method: 'GET',
      url,
      exposeHeadRoute: false,
      prefixTrailingSlash: 'slash',
      // For @fastify/swagger, which would otherwise describe a GET that does not exist.
      schema: { ...schema, hide: true } as FastifySchema,
      ...(config === undefined ? undefined : { config }),
      ...(logLevel === undefined ? undefined : { logLevel }),
      ...(constraints === undefined ? undefined : { constraints }),
      onRequest: [this.#checkRequest, ...asArray(onRequest)],
      // After the app's own, which may have found out who the user is.
      preValidation: [...asArray(preValidation), this.#createAdmission()],
      preHandler: [...asArray(preHandler), this.#checkCaps],
      handler: async (_request, reply) => { throw upgradeRequired(reply) },
      wsHandler: (socket: WebSocket, request) => { this.#open(socket, request as UpgradeRequest) }
    }
  }

  readonly #checkRequest = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (!asksForUpgrade(request)) return
    // A refused client is not to go on on this connection: it has sent more than one request's worth.
    reply.header('connection', 'close')
    checkHandshake(request, reply)
    const { isOriginAllowed } = this.inForce.options
    if (!await isOriginAllowed(request)) {
      request.log.info({ origin: request.headers.origin, own: originOf(request) }, 'an origin was refused; behind a proxy that ends TLS, set trustProxy')
      throw new errors.OriginRefused()
    }
    const token = agreeOnProtocol(request.raw.headers, this.#protocols, this.inForce.options.tokenFrom.includes('protocol'));
    (request as UpgradeRequest)[kUpgrade] = { token }
  }

  // The same questions for a token that comes while connected, which must be for the same subject.
  readonly #renew = async (request: FastifyRequest, token: string, before: Identity): Promise<Identity> => {
    const identity = await this.#authenticator!.verify(request, token)
    if (identity.sub !== before.sub || await this.#isRevoked(identity)) throw new errors.TokenInvalid()
    if (!await this.#isAdmitted(identity.user, request)) throw new errors.NotGranted()
    return identity
  }

  async #isRevoked (identity: Identity): Promise<boolean> {
    return identity.sub !== undefined && isRevoked(identity, await this.#server.revocations.revokedBefore(identity.sub))
  }

  #createAdmission () {
    const { grants } = this.inForce
    return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      if (grants.length === 0) return
      const upgrade = (request as UpgradeRequest)[kUpgrade] ??= { token: undefined }
      upgrade.identity = await this.#authenticator!.authenticate(request, reply, upgrade.token)
      if (await this.#isRevoked(upgrade.identity)) {
        reply.header('www-authenticate', 'Bearer error="invalid_token"')
        throw new errors.TokenInvalid()
      }
      if (await this.#isAdmitted(upgrade.identity.user, request)) return
      reply.header('www-authenticate', 'Bearer error="insufficient_scope"')
      throw new errors.NotGranted()
    }
  }

  // The last question. Not async, so that nobody else is let in between it and the upgrade.
  readonly #checkCaps = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    let refusal: undefined | Error
    if (asksForUpgrade(request)) {
      const sub = (request as UpgradeRequest)[kUpgrade]?.identity?.sub
      refusal = this.#server.live.isClosing
        ? new errors.Closing()
        : refuseByCaps(this.inForce.options.connections, this.#server.counts, this.clients.size, request.ip, sub)
      if (refusal !== undefined) reply.header('retry-after', RETRY_AFTER)
    }
    done(refusal)
  }

  #open (socket: WebSocket, request: UpgradeRequest): void {
    this.#server.handshakes.done(request.raw)
    // The route's own clients are nobody else's: not of a broadcast to all sockets, nor of the way @fastify/websocket closes.
    this.#fastify.websocketServer.clients?.delete(socket)
    const identity = request[kUpgrade]?.identity ?? { user: userOf(request), sub: undefined, iat: undefined, exp: undefined }
    new Dispatch(this.#dispatched, socket, request, identity).open()
  }
}

// Not `request.ws`, which depends on the order of hooks: what has no check is the danger.
function asksForUpgrade (request: FastifyRequest): boolean {
  return request.raw.headers.upgrade !== undefined
}

function asArray<T> (value: undefined | T | T[]): T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}
