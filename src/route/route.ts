import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, RouteHandlerMethod, RouteOptions } from 'fastify'
import type { WebSocket } from 'ws'
import type { BroadcastOptions, Room, SentTo, SentToData, WsConnection } from '../connection/connection.js'
import { countFrames } from '../socket/frame-counter.js'
import { subjectsOf, type Identity } from '../connection/identity.js'
import { guardReceiver } from '../socket/lazy-socket.js'
import { releaseResponse } from '../socket/upgraded.js'
import type { SocketController } from '../controller/controller.js'
import { ContractRouter } from '../contract/contract-router.js'
import type { ContractDefinition } from '../contract/parse-contract.js'
import { ConnectionRunner } from '../controller/connection-runner.js'
import { withPreMessage } from '../controller/hooks.js'
import type { RouteRuntime } from '../controller/route-runtime.js'
import { upkeepOf } from '../contract/envelope.js'
import { asError, errors, headersOf, type SocketError } from '../errors.js'
import { writeLog } from '../log.js'
import { ClientSet, type Clients } from '../room/clients.js'
import { attempt } from '../thenable.js'
import { Admission } from '../auth/admission.js'
import { refuseByLimits, refuseUser } from '../upgrade/connection-limits.js'
import { endsTokens, isOver, oldestOf } from '../auth/claims.js'
import { compilersOf } from './schema-compilers.js'
import { FirstMessage, type FirstMessageRoute } from '../upgrade/first-message.js'
import { agreeOnProtocol, checkHandshake, isHandshake, upgradeDropped, upgradeRequired } from '../upgrade/handshake.js'
import { createMessageGuard } from '../auth/grant.js'
import { jwtOf, missingJwt, type Jwt } from '../auth/jwt.js'
import type { TokenSource } from '../auth/token-source.js'
import type { SocketRouteOptions } from '../options/options.js'
import { originOf } from '../auth/origin.js'
import { fillPath, patternOf } from '../upgrade/path.js'
import { refuseAsFailed, RETRY_AFTER } from '../upgrade/refusal.js'
import { checkConstraints, checkData, checkEffect, checkName, checkProtocols, checkSchema } from '../options/resolve-options.js'
import { createCodecs, createRuntime } from './create-runtime.js'
import { useRoles, type EffectiveOptions } from '../options/scope.js'
import type { Server } from './app-services.js'
import type { SocketServer } from '../upgrade/socket-server.js'
import { createAuthenticator, type Authenticator } from '../auth/token.js'
import { checkPlaces, isOfJwt } from '../auth/token-source.js'

/**
 * What `socketRoute` returns, and `fastify.socketRoutes` has by name: the way from anywhere in the app to the clients of a route.
 *
 * @typeParam Connection the connections of the route.
 * @typeParam Contract what its clients see of its contract; `'none'` if it has none, so that no typed client can be made of it.
 */
export interface SocketRouteHandle<Connection = WsConnection, Contract = 'none'> {
  /** For the compiler alone: what a client of the route may send and gets, `connect<typeof chat>(…)`. */
  readonly '~contract'?: undefined | Contract
  readonly name: string
  /** The path with the prefixes of its scopes, as it was written: `/v1/chat/:room`. */
  readonly path: string
  readonly clients: Clients<Connection>
  /**
   * The path with its parameters filled in and encoded.
   *
   * @throws `FSR_ERR_URL_PARAM_MISSING`, `FSR_ERR_URL_PARAM_INVALID`.
   */
  url (params?: Readonly<Record<string, string | number>>): string
  /**
   * Sends to every client of the route; the message is encoded once. With a contract: `broadcast(type, data, options)`.
   *
   * @throws as `connection.send`.
   */
  broadcast<First extends SentTo<Connection>> (message: First, ...data: SentToData<Connection, First>): void
  /**
   * A room of the route, or several as one: a message reaches each of their members once. They need not have members.
   *
   * @throws `FSR_ERR_ROOM_INVALID` for a name that is no string, `FSR_ERR_OPTION_INVALID`.
   */
  to (rooms: string | Iterable<string>, options?: BroadcastOptions): Room<Connection>
}

/** What a request brings along from the first check to the upgrade. */
export const kUpgrade = Symbol('fastify-socket-route.upgrade')
/** What the app makes of a request for `connection.data`, until there is the connection. */
const kData = Symbol('fastify-socket-route.data')
interface Upgrade {
  readonly token: undefined | string
  readonly response: ServerResponse
  identity: undefined | Identity
  /** Whether the guard has let it in, if there is one. */
  isAdmitted: boolean
  /** What upgrades the request, from when nothing but hooks that look at the answer can refuse it. */
  accept?: undefined | RouteHandlerMethod
}
type UpgradeRequest = FastifyRequest & { [kUpgrade]: null | Upgrade, [kData]?: unknown }

/** What is written down of a route, for those who describe it. */
export interface RouteDefinition extends Pick<SocketRouteOptions, 'schema' | 'config' | 'protocols'> {
  readonly scope: FastifyInstance
}

/** One socket route. */
export class Route implements SocketRouteHandle {
  readonly name: string
  readonly path: string
  readonly clients: ClientSet
  /** Whether REST has the path too. @internal */
  isShared = false
  /** What holds for this route. @internal */
  readonly effective: EffectiveOptions
  readonly #server: Server
  readonly #fastify: FastifyInstance
  readonly #given: SocketRouteOptions
  readonly #protocols: undefined | readonly string[]
  readonly #dispatched: RouteRuntime
  readonly #firstMessages: FirstMessageRoute
  readonly #isGuarded: boolean
  readonly #sockets: ReturnType<SocketServer['serverFor']>
  readonly #conversation: undefined | ContractRouter
  // Both are there when all plugins are loaded.
  #admission: undefined | Admission
  #ofRest: undefined | Authenticator
  #jwt: undefined | Jwt
  #hasWarned = false

  constructor (server: Server, fastify: FastifyInstance, path: string, controller: SocketController, given: SocketRouteOptions, effective: EffectiveOptions) {
    this.path = path
    this.name = checkName(given.name) ?? path
    this.effective = effective
    const { options, hooks } = effective
    this.#conversation = controller instanceof ContractRouter ? controller : undefined
    const codecs = createCodecs(this.#conversation, effective)
    this.clients = new ClientSet(server.fastPath.write, codecs.codec)
    this.#server = server
    this.#fastify = fastify
    this.#given = given
    this.#protocols = checkProtocols(given.protocols)
    checkData(given.data)
    checkConstraints(given.constraints)
    this.#isGuarded = effective.grants.length > 0
    const hasRoles = asksForRoles(this.#conversation?.definition)
    if (!this.#isGuarded) checkEffect(given, path, hasRoles)
    if (this.#isGuarded || hasRoles) useRoles(fastify)
    checkSchema(given.schema)
    for (const source of ['query', 'ticket'] as const) if (this.#reads(source)) server.credentials.expect(source)
    server.counts.expect(options.connections)
    this.#sockets = server.sockets.serverFor(options.maxPayload)
    this.#dispatched = createRuntime(server, options, {
      ...codecs,
      name: this.name,
      controller: this.#conversation ?? withPreMessage(controller, hooks.preMessage),
      interrupt: this.#conversation && ((connection, message, last) => this.#conversation!.interrupt(connection, message, last)),
      upkeepOf: this.#conversation && upkeepOf,
      clients: this.clients,
      renew: (request, token, before) => this.#admission!.admitAgain(request, token, before),
      limits: { maxPayload: options.maxPayload, maxFragments: this.#sockets.limits.maxFragments }
    })
    this.#firstMessages = {
      name: this.name,
      live: server.live,
      counts: server.counts,
      tokens: server.tokens,
      // Whoever was never let in is not given long: what such a client sends meanwhile is read, and inflated.
      closing: server.clocks.closing(Math.min(options.closeTimeout, 1_000)),
      limits: this.#dispatched.limits,
      admit: (request, token) => this.#admission!.admitLater(request, token),
      refusal: (identity) => this.#refusalNow(identity) ?? refuseUser(options.connections.perUser, server.counts, this.#subjectsOf(identity)),
      open: this.#open
    }
  }

  url (params: Readonly<Record<string, string | number>> = {}): string {
    return fillPath(this.path, params)
  }

  broadcast (...message: readonly unknown[]): void {
    this.clients.broadcast(...message)
  }

  /** The contract, if there is one. @internal */
  get contract (): undefined | ContractDefinition {
    return this.#conversation?.definition
  }

  /** What the app has said of it besides its options, and where. @internal */
  get declared (): RouteDefinition {
    const { schema, config } = this.#given
    return { scope: this.#fastify, schema, config, protocols: this.#protocols }
  }

  to (rooms: string | Iterable<string>, options?: BroadcastOptions): Room {
    return this.clients.to(rooms, options)
  }

  /**
   * Looks for what the guard needs, once all plugins are loaded.
   *
   * @throws `FSR_ERR_JWT_MISSING`, `FSR_ERR_OPTION_INVALID`, `FSR_ERR_CONTRACT_INVALID`.
   */
  ready (): void {
    const { grants, options: { tokenFrom, requireExpiry, subject, jwt: name } } = this.effective
    const jwt = jwtOf(this.#fastify, name)
    const times = jwt?.options.verify ?? {}
    if (this.#isGuarded && jwt === undefined && tokenFrom.some(isOfJwt)) throw new errors.JwtMissing(this.path, missingJwt(this.#fastify, name))
    if (this.#isGuarded && jwt !== undefined) checkPlaces(this.#fastify, jwt, tokenFrom, this.path)
    if (this.#isGuarded && requireExpiry && !endsTokens(times)) throw new errors.OptionInvalid('requireExpiry', `cannot hold for '${this.path}': verify.ignoreExpiration or clockTimestamp of @fastify/jwt makes tokens valid for ever`)
    const { tickets, revocations, credentials, handshakeTimeout, clocks } = this.#server
    if (!this.isShared && (this.#reads('query') || this.#reads('ticket'))) credentials.expectAt(patternOf(this.path))
    // Without a source of tokens users come from hooks of the app, and their age from there.
    revocations.expect(tokenFrom.some(isOfJwt) ? oldestOf(times) : Infinity)
    const redeem = (request: FastifyRequest, ticket: string) => tickets.redeem(this.name, request, ticket)
    const shared = { jwt, requireExpiry, subject, isGuarded: this.#isGuarded, handshakeTimeout, clock: clocks.clock, redeem }
    this.#jwt = jwt
    this.#admission = new Admission(createAuthenticator({ ...shared, tokenFrom: this.#isGuarded ? tokenFrom : [] }), revocations, grants)
    if (this.#conversation !== undefined) this.#compile(this.#conversation)
    this.#ofRest = createAuthenticator({ ...shared, tokenFrom: ['header', 'cookie'] })
  }

  #compile (conversation: ContractRouter): void {
    const { rolesOf, hierarchy, invalidMessages, streamsPerConnection } = this.effective.options
    try {
      conversation.compile(compilersOf(this.#fastify, this.path), {
        invalidMessages,
        streamsPerConnection,
        hooks: this.effective.hooks,
        guardOf: (grant) => createMessageGuard(grant, rolesOf, hierarchy)
      })
    } catch (cause) {
      throw new errors.ContractInvalid(this.path, `cannot be compiled, in the ${(cause as Error).message}`, { cause })
    }
  }

  /**
   * A ticket for whoever has sent a request to REST.
   *
   * @throws `FSR_ERR_OPTION_INVALID`, `FSR_ERR_TOKEN_MISSING`, `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`.
   */
  async ticket (request: FastifyRequest): Promise<string> {
    if (!this.#reads('ticket')) throw new errors.OptionInvalid('route', "is not that of a guarded route with 'ticket' in tokenFrom")
    const jwt = request.server && jwtOf(request.server, this.effective.options.jwt)
    if (jwt !== undefined && jwt.plugin !== this.#jwt?.plugin) throw new errors.OptionInvalid('route', 'is that of a route with another @fastify/jwt than the request: issue its tickets in its scope')
    if (jwt === undefined && request.headers.authorization !== undefined && !this.#ofRest!.isKnown(request)) {
      writeLog(request, 'warn', { route: this.path }, 'a token cannot count for a ticket: @fastify/jwt is not registered in the scope of the request')
    }
    // Nothing comes later here: there is an identity, or an error.
    const identity = await this.#ofRest!.authenticate(request, undefined)
    return await this.#server.tickets.issue(this.name, request, identity!)
  }

  /** The route as Fastify takes it, for one spelling of the path. */
  toRouteOptions (url: string, constraints: undefined | RouteOptions['constraints']): RouteOptions {
    const { schema, config, logLevel, onRequest, preValidation, preHandler, data } = this.#given
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
      preValidation: this.#isGuarded ? [...asArray(preValidation), this.#admit] : asArray(preValidation),
      preHandler: [
        ...asArray(preHandler),
        ...(this.#isGuarded ? [] : [this.#recognise]),
        ...(data === undefined ? [] : [this.#collect]),
        this.#verify
      ],
      onError: [this.#fail],
      onSend: [this.#switch],
      handler: async (request, reply) => { throw upgradeRequired(request, reply) },
      wsHandler: (socket: WebSocket, request) => { this.#upgraded(socket, request as UpgradeRequest) }
    }
  }

  // Not async, as nothing here waits but a predicate of the app: each promise would take a turn of its own.
  readonly #checkRequest = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    if (!asksForUpgrade(request)) {
      done(isHandshake(request.raw.headers) ? upgradeDropped(request, reply, 'Upgrade') : undefined)
      return
    }
    checkHandshake(request, reply)
    this.#server.sockets.chooseExtension(request.raw.headers)
    const isAllowed = this.effective.options.isOriginAllowed(request)
    if (typeof isAllowed === 'boolean') {
      this.#begin(request, reply, isAllowed)
      done()
    } else {
      isAllowed.then((isAllowed) => { this.#begin(request, reply, isAllowed) }).then(() => { done() }, done)
    }
  }

  #begin (request: FastifyRequest, reply: FastifyReply, isOriginAllowed: boolean): void {
    if (!isOriginAllowed) {
      writeLog(request, 'info', { origin: request.headers.origin, own: originOf(request) }, 'the page of another origin was refused: name it in origins; or, if it is a page of this server behind a proxy that ends TLS, set trustProxy')
      throw new errors.OriginRefused()
    }
    const token = agreeOnProtocol(request.raw.headers, this.#protocols, this.effective.options.tokenFrom.includes('protocol'));
    (request as UpgradeRequest)[kUpgrade] = { token, response: reply.raw, identity: undefined, isAdmitted: !this.#isGuarded }
  }

  // After the app's own hooks, which may have found out who the user is.
  readonly #admit = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    // None of a plain request.
    const upgrade = (request as UpgradeRequest)[kUpgrade]
    try {
      const identity = await this.#admission!.admit(request, upgrade?.token)
      if (upgrade === null) return
      upgrade.identity = identity
      upgrade.isAdmitted = true
    } catch (thrown) {
      throw refused(reply, thrown)
    }
  }

  // On a route without a guard, after all hooks that may have found out who the user is: what the token of that user says counts.
  readonly #recognise = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    const upgrade = (request as UpgradeRequest)[kUpgrade]
    // Fastify takes a hook that throws nothing, as a getter of the app may, for one that has not failed.
    attempt(() => upgrade === null ? undefined : this.#admission!.recognise(request, upgrade.token), (identity) => {
      if (identity !== undefined) upgrade!.identity = identity
      done()
    }, (thrown) => { done(refused(reply, thrown)) })
  }

  readonly #collect = async (request: FastifyRequest): Promise<void> => {
    if (!request.ws) return
    try {
      (request as UpgradeRequest)[kData] = await this.#given.data!(request)
    } catch (error) {
      throw asError(error)
    }
  }

  readonly #verify = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    attempt(() => request.ws ? this.#server.sockets.verify(request, reply) : undefined, () => { done() }, (thrown) => { done(asError(thrown)) })
  }

  /**
   * Puts the answer before the upgrade: what hooks do to any answer, such as setting cookies, they do to the 101.
   *
   * @param upgrade the handler that `@fastify/websocket` has made of that of the route.
   */
  answerFirst (upgrade: RouteHandlerMethod): RouteHandlerMethod {
    return function (request, reply) {
      if (!request.ws) return upgrade.call(this, request, reply)
      const begun = (request as UpgradeRequest)[kUpgrade]
      // The hooks of this route have not run: another plugin has replaced them.
      if (begun?.isAdmitted !== true) throw new errors.GuardLost(request.routeOptions.url)
      begun.accept = upgrade
      reply.code(101).send()
    }
  }

  // A hook that looks at the answer has failed: what is answered now is an error.
  readonly #fail = (request: FastifyRequest, reply: FastifyReply, thrown: unknown, done: () => void): void => {
    const upgrade = (request as UpgradeRequest)[kUpgrade]
    if (upgrade?.accept !== undefined) {
      upgrade.accept = undefined
      reply.code(200)
      const err = asError(thrown)
      if (err !== thrown) {
        // Fastify has no answer where a hook of onSend fails with anything else, and would end the process.
        writeLog(request, 'error', { err }, 'an upgrade has failed')
        reply.hijack()
        refuseAsFailed(reply.raw)
        return
      }
    }
    done()
  }

  // The last question, and the 101, behind all hooks. Not async, so that nobody else is let in, or revoked, between the two.
  readonly #switch = (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error: null | Error, payload?: unknown) => void): void => {
    const upgrade = (request as UpgradeRequest)[kUpgrade]
    if (upgrade?.accept === undefined || reply.statusCode !== 101) {
      done(null, payload)
      return
    }
    // Cut, or left by its client, while the hooks ran: it takes no place, and there is nothing to answer.
    if (request.raw.socket.destroyed) {
      reply.hijack()
      return
    }
    const refusal = this.#refusal(request)
    if (refusal === undefined) {
      this.#server.sockets.claim(request.raw, reply, this.#sockets.server)
      try {
        upgrade.accept.call(this.#fastify, request, reply)
      } catch (thrown) {
        // Of a class of sockets of the app's own. There can be no other answer any more.
        writeLog(request, 'error', { err: asError(thrown) }, 'the upgrade has failed')
        request.raw.socket.destroy()
      }
    } else {
      reply.headers(refusal.headers ?? { 'retry-after': RETRY_AFTER })
      done(refusal)
    }
  }

  #refusal (request: FastifyRequest): undefined | SocketError {
    const { live, counts } = this.#server
    const identity = (request as UpgradeRequest)[kUpgrade]?.identity
    if (live.isClosing) return new errors.Closing()
    return (identity && this.#refusalNow(identity)) ?? refuseByLimits(this.effective.options.connections, counts, this.name, request.ip, this.#subjectsOf(identity))
  }

  // What may have come while hooks and predicates took their time.
  #refusalNow (identity: Identity): undefined | SocketError {
    const { revocations, clocks } = this.#server
    if (revocations.isRevokedNow(identity)) return new errors.TokenInvalid()
    return isOver(identity, clocks.clock) ? new errors.TokenExpired() : undefined
  }

  #subjectsOf (identity: undefined | Identity): readonly string[] {
    const { path, effective: { options: { connections } } } = this
    if (identity !== undefined && identity.subject === undefined && connections.perUser !== undefined && !this.#hasWarned) {
      this.#hasWarned = true
      writeLog(this.#fastify, 'warn', { route: path }, 'connections.perUser does not count users without a subject: say with the option subject what tells them apart')
    }
    return subjectsOf(identity)
  }

  #upgraded (socket: WebSocket, request: UpgradeRequest): void {
    const { identity, response } = request[kUpgrade]!
    // The token is in there as well.
    request[kUpgrade] = null
    const { read, write } = this.#server.fastPath
    if (write) releaseResponse(response)
    if (!read) {
      guardReceiver(socket)
      countFrames(request.raw.socket, socket, this.#sockets.limits.maxPayload)
    }
    if (identity !== undefined) this.#open(socket, request, identity)
    else if (this.#isGuarded) new FirstMessage(this.#firstMessages, socket, request).open()
    else this.#open(socket, request, { user: null, subject: undefined, sub: undefined, iat: undefined, exp: undefined })
  }

  readonly #open = (socket: WebSocket, request: FastifyRequest, identity: Identity): ConnectionRunner => {
    const dispatch = new ConnectionRunner(this.#dispatched, socket, request, identity)
    const { [kData]: data } = request as UpgradeRequest
    if (data !== undefined) {
      dispatch.connection.data = data as Record<string, unknown>
      // The app may let go of it.
      delete (request as UpgradeRequest)[kData]
    }
    dispatch.open()
    return dispatch
  }

  // Whether the guard looks there for who is asking.
  #reads (source: TokenSource): boolean {
    return this.#isGuarded && this.effective.options.tokenFrom.includes(source)
  }
}

// The error of a refusal, whose headers are on the answer. That of a predicate, or of a getter, of the app may be anything.
function refused (reply: FastifyReply, thrown: unknown): Error {
  const error = asError(thrown)
  reply.headers(headersOf(error))
  return error
}

// Whether messages are guarded by roles, though the route may not be.
function asksForRoles (contract: undefined | ContractDefinition): boolean {
  return contract !== undefined && [...contract.in.values()].some(({ isGranted }) => isGranted !== undefined && typeof isGranted !== 'function')
}

// Not `request.ws`, which depends on the order of hooks: what has no check is the danger.
function asksForUpgrade (request: FastifyRequest): boolean {
  return request.raw.headers.upgrade !== undefined
}

function asArray<T> (value: undefined | T | T[]): T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}
