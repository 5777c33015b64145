import type { ServerResponse } from 'node:http'
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  RouteHandlerMethod,
  RouteOptions
} from 'fastify'
import type { WebSocket } from 'ws'
import type {
  BroadcastOptions,
  Room,
  SentTo,
  SentToData,
  WsConnection
} from '../connection/connection.js'
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
import { interrupt } from '../contract/protocol-messages.js'
import { asError, errors, headersOf, type SocketError } from '../errors.js'
import { writeLog } from '../log.js'
import { ClientSet, type Clients } from '../room/clients.js'
import { attempt } from '../thenable.js'
import { Admission } from '../auth/admission.js'
import { refuseByLimits, refuseUser } from '../upgrade/connection-limits.js'
import { endsTokens, isOver, oldestOf } from '../auth/claims.js'
import { compilersOf } from './schema-compilers.js'
import { FirstMessage, type FirstMessageRoute } from '../upgrade/first-message.js'
import {
  agreeOnProtocol,
  checkHandshake,
  isHandshake,
  upgradeDropped,
  upgradeRequired
} from '../upgrade/handshake.js'
import { createMessageGuard } from '../auth/grant.js'
import { missingJwt } from '../auth/jwt.js'
import { jwtOf, type Jwt } from '../host/jwt-internals.js'
import type { TokenSource } from '../auth/token-source.js'
import type { SocketRouteOptions } from '../options/options.js'
import { originOf } from '../auth/origin.js'
import { fillPath, patternOf } from '../upgrade/path.js'
import { refuseAsFailed, RETRY_AFTER } from '../upgrade/refusal.js'
import { checkEffect, type EffectiveOptions } from '../options/resolve-options.js'
import { createCodecs, createRuntime } from './create-runtime.js'
import { useRoles } from '../options/scope.js'
import type { Server } from './app-services.js'
import type { SocketServer } from '../upgrade/socket-server.js'
import { createAuthenticator, type Authenticator } from '../auth/token.js'
import { checkPlaces, isOfJwt } from '../auth/token-source.js'

/**
 * The handle of a route: reaches its clients from anywhere in the app. `socketRoute` returns it,
 * and `fastify.socketRoutes` has it by name.
 *
 * @typeParam Connection the connections of the route.
 * @typeParam Contract the client's view of the contract; `'none'` without a contract, so that no
 * typed client can be created.
 */
export interface SocketRouteHandle<Connection = WsConnection, Contract = 'none'> {
  /** For the compiler only: the messages of a typed client, `connect<typeof chat>(…)`. */
  readonly '~contract'?: undefined | Contract
  readonly name: string
  /** The path with the prefixes of its scopes, as it was written: `/v1/chat/:room`. */
  readonly path: string
  readonly clients: Clients<Connection>
  /**
   * Returns the path with its parameters filled in and encoded.
   *
   * @throws `FSR_ERR_URL_PARAM_MISSING`, `FSR_ERR_URL_PARAM_INVALID`.
   */
  url (params?: Readonly<Record<string, string | number>>): string
  /**
   * Sends a message to every client of the route. It is encoded once. With a contract:
   * `broadcast(type, data, options)`.
   *
   * @throws as `connection.send`.
   */
  broadcast<First extends SentTo<Connection>> (
    message: First,
    ...data: SentToData<Connection, First>
  ): void
  /**
   * Returns a room of the route, or several rooms as one: a message reaches each of their members
   * once. A room may be empty.
   *
   * @throws `FSR_ERR_ROOM_INVALID` for a name that is not a string, `FSR_ERR_OPTION_INVALID`.
   */
  to (rooms: string | Iterable<string>, options?: BroadcastOptions): Room<Connection>
}

/** Key of the state of an upgrade on its request, from the first check to the upgrade. */
export const kUpgrade = Symbol('fastify-socket-route.upgrade')
/** Key of the initial `connection.data` on the request, until the connection exists. */
const kData = Symbol('fastify-socket-route.data')
interface Upgrade {
  readonly token: undefined | string
  readonly response: ServerResponse
  identity: undefined | Identity
  /** Whether the guard has admitted the request, or the route has none. */
  isAdmitted: boolean
  /**
   * The handler that performs the upgrade. Set once the handler of the route has run; after that
   * only `onSend` hooks can reject the upgrade.
   */
  accept?: undefined | RouteHandlerMethod
}
type Done = (error?: Error) => void
type UpgradeRequest = FastifyRequest & { [kUpgrade]: null | Upgrade, [kData]?: unknown }

/** The declared properties of a route, from which AsyncAPI is generated. */
export interface RouteDefinition
  extends Pick<SocketRouteOptions, 'schema' | 'config' | 'protocols'> {
  readonly scope: FastifyInstance
}

/** A socket route. */
export class Route implements SocketRouteHandle {
  readonly name: string
  readonly path: string
  readonly clients: ClientSet
  /** Whether a REST route has the same path. @internal */
  isShared = false
  /** The effective options. @internal */
  readonly effective: EffectiveOptions
  readonly #server: Server
  readonly #fastify: FastifyInstance
  readonly #given: SocketRouteOptions
  readonly #runtime: RouteRuntime
  readonly #firstMessages: FirstMessageRoute
  readonly #isGuarded: boolean
  readonly #sockets: ReturnType<SocketServer['serverFor']>
  readonly #contractRouter: undefined | ContractRouter
  // Set by ready(), once all plugins are loaded.
  #admission: undefined | Admission
  #ofRest: undefined | Authenticator
  #jwt: undefined | Jwt
  #hasWarned = false

  constructor (
    server: Server,
    fastify: FastifyInstance,
    path: string,
    controller: SocketController,
    given: SocketRouteOptions,
    effective: EffectiveOptions
  ) {
    this.path = path
    this.name = given.name ?? path
    this.effective = effective
    this.#contractRouter = controller instanceof ContractRouter ? controller : undefined
    const codecs = createCodecs(this.#contractRouter, effective)
    this.clients = new ClientSet(this.name, codecs.codec, server.broker, server.fastPath.write)
    this.#server = server
    this.#fastify = fastify
    this.#given = given
    this.#isGuarded = effective.isGranted.length > 0
    const hasRoles = asksForRoles(this.#contractRouter?.definition)
    if (!this.#isGuarded) checkEffect(given, path, hasRoles)
    if (this.#isGuarded || hasRoles) useRoles(fastify)
    for (const source of ['query', 'ticket'] as const) {
      if (this.#reads(source)) server.credentials.expect(source)
    }
    server.counts.expect(effective.connections)
    this.#sockets = server.sockets.serverFor(effective.maxPayload)
    this.#runtime = createRuntime(server, effective, {
      ...codecs,
      name: this.name,
      controller: this.#contractRouter ?? withPreMessage(controller, effective.preMessage),
      interrupt: this.#contractRouter && interrupt,
      upkeepOf: this.#contractRouter && upkeepOf,
      clients: this.clients,
      renew: (request, token, before) => this.#admission!.admitAgain(request, token, before),
      limits: { maxPayload: effective.maxPayload, maxFragments: this.#sockets.limits.maxFragments }
    })
    this.#firstMessages = {
      name: this.name,
      live: server.live,
      counts: server.counts,
      tokens: server.tokens,
      // A client that was never admitted gets little time: its messages are read and inflated
      // meanwhile.
      closing: server.clocks.closing(Math.min(effective.closeTimeout, 1_000)),
      limits: this.#runtime.limits,
      admit: (request, token) => this.#admission!.admitLater(request, token),
      refusal: (identity) =>
        this.#refusalNow(identity) ??
        refuseUser(effective.connections.perUser, server.counts, this.#subjectsOf(identity)),
      open: this.#open
    }
  }

  url (params: Readonly<Record<string, string | number>> = {}): string {
    return fillPath(this.path, params)
  }

  broadcast (...message: readonly unknown[]): void {
    this.clients.broadcast(...message)
  }

  /** The contract, if the route has one. @internal */
  get contract (): undefined | ContractDefinition {
    return this.#contractRouter?.definition
  }

  /** The declared properties of the route, and its scope. @internal */
  get declared (): RouteDefinition {
    const { schema, config, protocols } = this.#given
    return { scope: this.#fastify, schema, config, protocols }
  }

  to (rooms: string | Iterable<string>, options?: BroadcastOptions): Room {
    return this.clients.to(rooms, options)
  }

  /**
   * Resolves the dependencies of the guard and compiles the contract, once all plugins are loaded.
   *
   * @throws `FSR_ERR_JWT_MISSING`, `FSR_ERR_OPTION_INVALID`, `FSR_ERR_CONTRACT_INVALID`.
   */
  ready (): void {
    const { isGranted: grants, tokenFrom, requireExpiry, subject, jwt: name } = this.effective
    const jwt = jwtOf(this.#fastify, name)
    const times = jwt?.options.verify ?? {}
    if (this.#isGuarded && jwt === undefined && tokenFrom.some(isOfJwt)) {
      throw new errors.JwtMissing(this.path, missingJwt(this.#fastify, name))
    }
    if (this.#isGuarded && jwt !== undefined) checkPlaces(this.#fastify, jwt, tokenFrom, this.path)
    if (this.#isGuarded && requireExpiry && !endsTokens(times)) {
      throw new errors.OptionInvalid('Option requireExpiry', 'has no effect on ' +
        `'${this.path}': verify.ignoreExpiration or clockTimestamp of @fastify/jwt makes ` +
        'tokens valid for ever')
    }
    const { tickets, revocations, credentials, handshakeTimeout, clocks } = this.#server
    if (!this.isShared && (this.#reads('query') || this.#reads('ticket'))) {
      credentials.expectAt(patternOf(this.path))
    }
    // Without a source of tokens, hooks of the app set the users, whose tokens can be of any age.
    revocations.expect(tokenFrom.some(isOfJwt) ? oldestOf(times) : Infinity)
    const redeem = (request: FastifyRequest, ticket: string) =>
      tickets.redeem(this.name, request, ticket)
    const { clock } = clocks
    const isGuarded = this.#isGuarded
    const shared = { jwt, requireExpiry, subject, isGuarded, handshakeTimeout, clock, redeem }
    this.#jwt = jwt
    const authenticator = createAuthenticator({ ...shared, tokenFrom: isGuarded ? tokenFrom : [] })
    this.#admission = new Admission(authenticator, revocations, grants)
    if (this.#contractRouter !== undefined) this.#compile(this.#contractRouter)
    this.#ofRest = createAuthenticator({ ...shared, tokenFrom: ['header', 'cookie'] })
  }

  #compile (contractRouter: ContractRouter): void {
    const { roles, roleHierarchy, invalidMessages, streamsPerConnection } = this.effective
    const compilers = compilersOf(this.#fastify, this.path)
    try {
      contractRouter.compile(compilers, {
        invalidMessages,
        streamsPerConnection,
        hooks: this.effective,
        guardOf: (grant) => createMessageGuard(grant, roles, roleHierarchy)
      })
    } catch (cause) {
      const problem = `cannot be compiled, in the ${(cause as Error).message}`
      throw new errors.ContractInvalid(this.path, problem, { cause })
    }
  }

  /**
   * Issues a ticket for the user of a REST request.
   *
   * @throws `FSR_ERR_OPTION_INVALID`, `FSR_ERR_TOKEN_MISSING`, `FSR_ERR_TOKEN_INVALID`,
   * `FSR_ERR_TOKEN_EXPIRED`.
   */
  async ticket (request: FastifyRequest): Promise<string> {
    if (!this.#reads('ticket')) {
      throw new errors.OptionInvalid('Option route of socketTicket()',
        "is not the name of a guarded route with 'ticket' in tokenFrom")
    }
    const jwt = request.server && jwtOf(request.server, this.effective.jwt)
    if (jwt !== undefined && jwt.plugin !== this.#jwt?.plugin) {
      throw new errors.OptionInvalid('Option route of socketTicket()', 'is the name of a route ' +
        'with another @fastify/jwt than the request: issue its tickets in its scope')
    }
    const { authorization } = request.headers
    if (jwt === undefined && authorization !== undefined && !this.#ofRest!.isKnown(request)) {
      writeLog(request, 'warn', { route: this.path }, 'the token of a ticket request is ignored: ' +
        '@fastify/jwt is not registered in the scope of the request')
    }
    // No first message can follow a REST request: the result is an identity or an error.
    const identity = await this.#ofRest!.authenticate(request, undefined)
    return await this.#server.tickets.issue(this.name, request, identity!)
  }

  /** Returns the route options for Fastify, for one spelling of the path. */
  toRouteOptions (url: string, constraints: undefined | RouteOptions['constraints']): RouteOptions {
    const { schema, config, logLevel, onRequest, preValidation, preHandler, data } = this.#given
    return {
      method: 'GET',
      url,
      exposeHeadRoute: false,
      prefixTrailingSlash: 'slash',
      // For @fastify/swagger, which would otherwise document a GET route.
      schema: { ...schema, hide: true } as FastifySchema,
      ...(config === undefined ? undefined : { config }),
      ...(logLevel === undefined ? undefined : { logLevel }),
      ...(constraints === undefined ? undefined : { constraints }),
      onRequest: [this.#checkRequest, ...asArray(onRequest)],
      preValidation: this.#isGuarded
        ? [...asArray(preValidation), this.#admit]
        : asArray(preValidation),
      preHandler: [
        ...asArray(preHandler),
        ...(this.#isGuarded ? [] : [this.#recognise]),
        ...(data === undefined ? [] : [this.#collect]),
        this.#verify
      ],
      onError: [this.#fail],
      onSend: [this.#switch],
      handler: demandUpgrade,
      wsHandler: (socket: WebSocket, request) => {
        this.#upgraded(socket, request as UpgradeRequest)
      }
    }
  }

  // Not async, as only a predicate of the app can wait here: each promise would cost a microtask.
  readonly #checkRequest = (request: FastifyRequest, reply: FastifyReply, done: Done): void => {
    if (!asksForUpgrade(request)) {
      done(isHandshake(request.raw.headers) ? upgradeDropped(request, reply, 'Upgrade') : undefined)
      return
    }
    checkHandshake(request, reply)
    this.#server.sockets.chooseExtension(request.raw.headers)
    const isAllowed = this.effective.origins(request)
    if (typeof isAllowed === 'boolean') {
      this.#begin(request, reply, isAllowed)
      done()
    } else {
      isAllowed
        .then((isAllowed) => { this.#begin(request, reply, isAllowed) })
        .then(() => { done() }, done)
    }
  }

  #begin (request: FastifyRequest, reply: FastifyReply, isOriginAllowed: boolean): void {
    if (!isOriginAllowed) {
      const details = { origin: request.headers.origin, own: originOf(request) }
      writeLog(request, 'info', details, 'the origin of the page is not allowed: add it to ' +
        'origins; or, if it is this server behind a proxy that terminates TLS, set trustProxy')
      throw new errors.OriginRefused()
    }
    const takesProtocol = this.effective.tokenFrom.includes('protocol')
    const token = agreeOnProtocol(request.raw.headers, this.#given.protocols, takesProtocol);
    (request as UpgradeRequest)[kUpgrade] = {
      token,
      response: reply.raw,
      identity: undefined,
      isAdmitted: !this.#isGuarded
    }
  }

  // Runs after the hooks of the app, which may have set the user.
  readonly #admit = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    // null for a plain request.
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

  // On a route without a guard, after all hooks that may have set the user: the identity is that of
  // the user's token.
  readonly #recognise = (request: FastifyRequest, reply: FastifyReply, done: Done): void => {
    const upgrade = (request as UpgradeRequest)[kUpgrade]
    // Fastify treats a hook that throws undefined, as a getter of the app may, as successful.
    attempt(
      () => upgrade === null ? undefined : this.#admission!.recognise(request, upgrade.token),
      (identity) => {
        if (identity !== undefined) upgrade!.identity = identity
        done()
      },
      (thrown) => { done(refused(reply, thrown)) }
    )
  }

  readonly #collect = async (request: FastifyRequest): Promise<void> => {
    if (!request.ws) return
    try {
      (request as UpgradeRequest)[kData] = await this.#given.data!(request)
    } catch (error) {
      throw asError(error)
    }
  }

  readonly #verify = (request: FastifyRequest, reply: FastifyReply, done: Done): void => {
    attempt(
      () => request.ws ? this.#server.sockets.verify(request, reply) : undefined,
      () => { done() },
      (thrown) => { done(asError(thrown)) }
    )
  }

  /**
   * Returns a handler that sends the response before the upgrade, so that hooks apply to the 101 as
   * to any response, such as those that set cookies.
   *
   * @param upgrade the handler that `@fastify/websocket` has created for the route. That of the
   * route itself is returned unchanged.
   */
  answerFirst (upgrade: RouteHandlerMethod): RouteHandlerMethod {
    if (upgrade === demandUpgrade) return upgrade
    return function (request, reply) {
      if (!request.ws) return upgrade.call(this, request, reply)
      const begun = (request as UpgradeRequest)[kUpgrade]
      // The hooks of this route have not run: another plugin has replaced them.
      if (begun?.isAdmitted !== true) throw new errors.GuardLost(request.routeOptions.url)
      begun.accept = upgrade
      reply.code(101).send()
    }
  }

  // An onSend hook has failed: the response is an error now.
  readonly #fail = (
    request: FastifyRequest,
    reply: FastifyReply,
    thrown: unknown,
    done: () => void
  ): void => {
    const upgrade = (request as UpgradeRequest)[kUpgrade]
    if (upgrade?.accept !== undefined) {
      upgrade.accept = undefined
      reply.code(200)
      const err = asError(thrown)
      if (err !== thrown) {
        // Fastify sends no response if an onSend hook fails with a value that is not an Error, and
        // would end the process.
        writeLog(request, 'error', { err }, 'an upgrade has failed')
        reply.hijack()
        refuseAsFailed(reply.raw)
        return
      }
    }
    done()
  }

  // The last check, and the 101, after all hooks. Not async, so that no other client is admitted,
  // and no user revoked, between the two.
  readonly #switch = (
    request: FastifyRequest,
    reply: FastifyReply,
    payload: unknown,
    done: (error: null | Error, payload?: unknown) => void
  ): void => {
    const upgrade = (request as UpgradeRequest)[kUpgrade]
    if (upgrade?.accept === undefined || reply.statusCode !== 101) {
      done(null, payload)
      return
    }
    // The socket was closed while the hooks ran: it takes no slot, and no response can be sent.
    if (request.raw.socket.destroyed) {
      reply.hijack()
      return
    }
    const refusal = this.#refusal(request)
    if (refusal === undefined) {
      const { accept } = upgrade
      try {
        this.#server.sockets.upgrade(reply, this.#sockets.server, () =>
          accept.call(this.#fastify, request, reply))
      } catch (thrown) {
        // It is too late for another response.
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
    const { connections } = this.effective
    return (identity && this.#refusalNow(identity)) ??
      refuseByLimits(connections, counts, this.name, request.ip, this.#subjectsOf(identity))
  }

  // Checks for a revocation or an expiry that has happened while hooks and predicates ran.
  #refusalNow (identity: Identity): undefined | SocketError {
    const { revocations, clocks } = this.#server
    if (revocations.isRevokedNow(identity)) return new errors.TokenInvalid()
    return isOver(identity, clocks.clock) ? new errors.TokenExpired() : undefined
  }

  #subjectsOf (identity: undefined | Identity): readonly string[] {
    const { path, effective: { connections } } = this
    if (
      identity !== undefined &&
      identity.subject === undefined &&
      connections.perUser !== undefined &&
      !this.#hasWarned
    ) {
      this.#hasWarned = true
      writeLog(this.#fastify, 'warn', { route: path }, 'connections.perUser does not count users ' +
        'without a subject: set the option subject to the claim that identifies them')
    }
    return subjectsOf(identity)
  }

  #upgraded (socket: WebSocket, request: UpgradeRequest): void {
    const { identity, response } = request[kUpgrade]!
    // Releases the token as well.
    request[kUpgrade] = null
    const { read, write } = this.#server.fastPath
    if (write) releaseResponse(response)
    if (!read) {
      guardReceiver(socket)
      countFrames(request.raw.socket, socket, this.#sockets.limits.maxPayload)
    }
    if (identity !== undefined) this.#open(socket, request, identity)
    else if (this.#isGuarded) new FirstMessage(this.#firstMessages, socket, request).open()
    else {
      this.#open(socket, request, {
        user: null,
        subject: undefined,
        sub: undefined,
        iat: undefined,
        exp: undefined
      })
    }
  }

  readonly #open = (
    socket: WebSocket,
    request: FastifyRequest,
    identity: Identity
  ): ConnectionRunner => {
    const runner = new ConnectionRunner(this.#runtime, socket, request, identity)
    const { [kData]: data } = request as UpgradeRequest
    if (data !== undefined) {
      runner.connection.data = data as Record<string, unknown>
      // Only the connection keeps it, so that the app can release it.
      delete (request as UpgradeRequest)[kData]
    }
    runner.open()
    return runner
  }

  // Whether the guard reads tokens from a source.
  #reads (source: TokenSource): boolean {
    return this.#isGuarded && this.effective.tokenFrom.includes(source)
  }
}

// The handler of the route for plain requests.
async function demandUpgrade (request: FastifyRequest, reply: FastifyReply): Promise<never> {
  throw upgradeRequired(request, reply)
}

// Sets the headers of a rejection on the response, and returns its error. A predicate or a getter
// of the app may throw any value.
function refused (reply: FastifyReply, thrown: unknown): Error {
  const error = asError(thrown)
  reply.headers(headersOf(error))
  return error
}

// Whether the contract guards messages by roles, also on a route without a guard.
function asksForRoles (contract: undefined | ContractDefinition): boolean {
  return contract !== undefined && [...contract.in.values()].some(({ isGranted }) =>
    isGranted !== undefined && typeof isGranted !== 'function')
}

// Not `request.ws`, which depends on the order of hooks: an upgrade must never bypass the checks.
function asksForUpgrade (request: FastifyRequest): boolean {
  return request.raw.headers.upgrade !== undefined
}

function asArray<T> (value: undefined | T | T[]): T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}
