import type { FastifyRequest, FastifySchema, RouteShorthandOptions } from 'fastify'
import type { WebsocketPluginOptions } from '@fastify/websocket'
import type { PerMessageDeflateOptions } from 'ws'
import type { Overflow } from '../connection/backlog.js'
import type { HeartbeatOptions } from '../connection/heartbeat.js'
import type { OutboxOptions } from '../connection/outbox.js'
import type { Rate, RateOptions } from '../connection/rate.js'
import { errors } from '../errors.js'
import type { ConnectionCaps } from './caps.js'
import type { RevocationStore } from './revocation.js'
import { checkGrant, createRoleHierarchy, createRolesOf, type Grant, type RoleHierarchy, type RolesOf } from './grant.js'
import { createOriginCheck, type OriginCheck, type Origins } from './origin.js'
import type { TicketStore } from './ticket.js'

/** Where a token is looked for. */
export type TokenSource = 'header' | 'protocol' | 'cookie' | 'query' | 'ticket' | 'message'

/** The options that the plugin, a scope and a route have in common. The innermost that is set counts. */
export interface SharedOptions {
  /**
   * Where the roles of a user are: the name of a claim, an array of strings or a space-separated string (RFC 8693 section 4.2),
   * or a function from the user to an array.
   *
   * @default 'roles'
   */
  // A method's parameter is bivariant: a function may ask for a narrower user than is declared.
  readonly roles?: undefined | string | { rolesOf (user: UserOfRequest): readonly string[] }['rolesOf']
  /**
   * What each role includes, transitively.
   *
   * @default {}
   */
  readonly roleHierarchy?: undefined | RoleHierarchy
  /**
   * Where the token of a guarded route is looked for, the first that has one: `header` is `Authorization: Bearer` (RFC 6750
   * section 2.1), `protocol` the sub-protocol list `bearer, <token>` (for browsers), `cookie` the one that `@fastify/jwt` is
   * configured for, `query` the parameter `access_token` (RFC 6750 section 2.3), `ticket` the parameter `ticket` with what
   * `fastify.socketTicket` has issued, `message` the first message, a text, of a connection that brought none before. With `[]` only
   * a user that a hook of the app has put on the request counts.
   *
   * @default ['header', 'protocol', 'cookie']
   */
  readonly tokenFrom?: undefined | readonly TokenSource[]
  /**
   * Whether a token must say when it expires (`exp`, RFC 7519 section 4.1.4). When one does, its connection is closed with 4401.
   *
   * @default false
   */
  readonly requireExpiry?: undefined | boolean
  /**
   * Which pages may connect, by the `Origin` that browsers send; whoever sends none is not affected. The whole origin is compared:
   * scheme, host and port. Behind a proxy that ends TLS, `'same-origin'` needs Fastify's `trustProxy`.
   *
   * @default 'same-origin'
   */
  readonly origins?: undefined | Origins
  /**
   * The largest message, in bytes; a larger one closes the connection with 1009. A scope or a route can lower what the plugin
   * allows, not raise it.
   *
   * @default 65_536
   */
  readonly maxPayload?: undefined | number
  /**
   * How many messages of one connection are handled at a time. Above 1 the order of the answers is that in which they are ready.
   *
   * @default 1
   */
  readonly concurrency?: undefined | number
  /**
   * Pings find clients that are gone without a word, and keep proxies from cutting silent connections; `false` for none.
   *
   * @default { interval: 25_000, timeout: 10_000 }
   */
  readonly heartbeat?: undefined | false | HeartbeatOptions
  /** How many connections there may be at a time. @default any number */
  readonly connections?: undefined | ConnectionCaps
  /** How fast one client may send. @default any speed */
  readonly rate?: undefined | RateOptions
  /** What may wait for a slow client. */
  readonly outbox?: undefined | OutboxOptions
  /**
   * The rooms that one connection can be in.
   *
   * @default 1_000
   */
  readonly roomsPerConnection?: undefined | number
  /**
   * Milliseconds that a closing connection has: for handlers that run, for `onClose`, for the client to answer the close frame.
   * After that the connection is cut.
   *
   * @default 5_000
   */
  readonly closeTimeout?: undefined | number
}

/** The options of `fastify.socketScope`. */
export interface SocketScopeOptions extends SharedOptions {
  /** Who may connect to the routes of this scope, in addition to what outer scopes and the routes themselves demand. */
  readonly isGranted?: Grant<UserOfRequest>
}

/** The options of `fastify.register(socketRoutes, options)`. */
export interface SocketPluginOptions extends SocketScopeOptions {
  /** What happens at `fastify.close()`. */
  readonly drain?: undefined | {
    /**
     * Milliseconds until connections that are not closed yet are cut.
     *
     * @default 5_000
     */
    readonly deadline?: undefined | number
    /**
     * How many connections are closed at a time, so that a fleet of clients does not come back in one moment.
     *
     * @default 1_000
     */
    readonly batch?: undefined | number
    /**
     * Milliseconds between two batches; less if there are so many that the deadline would come first.
     *
     * @default 100
     */
    readonly interval?: undefined | number
  }
  /**
   * Milliseconds that an upgrade may take, from the request to its answer: for hooks, the token, `isGranted`. Then it is cut. A token
   * that is to come as the first message has as many again; then the connection is closed with 4401.
   *
   * @default 10_000
   */
  readonly handshakeTimeout?: undefined | number
  /** The tickets of `fastify.socketTicket`. */
  readonly tickets?: undefined | {
    /**
     * Milliseconds from the issue of a ticket to the upgrade.
     *
     * @default 30_000
     */
    readonly ttl?: undefined | number
    /** Keeps the tickets. @default in this process, at most 100_000 */
    readonly store?: undefined | TicketStore
  }
  /**
   * The most fragments that one message may come in (RFC 6455 section 5.4); more close the connection with 1008.
   *
   * @default 16_384
   */
  readonly maxFragments?: undefined | number
  /**
   * Whether messages are compressed for clients that offer it (RFC 7692). No message needs what was before it to be inflated, so
   * little is kept for each client; `maxPayload` holds for what is inflated. Four messages of the process are worked on at a time,
   * unless something else has used compression of `ws` before: its limit is that of whoever is first.
   *
   * @default false
   */
  readonly compression?: undefined | boolean | {
    /**
     * Bytes below which a message is sent as it is.
     *
     * @default 1_024
     */
    readonly threshold?: undefined | number
  }
  /**
   * Bytes that may wait for all slow clients of the process together. While it is more, a client that has more than 64 KiB waiting
   * is treated as one whose outbox is full.
   *
   * @default 268_435_456
   */
  readonly outboxBudget?: undefined | number
  /** Remembers what `socketRevoke` has revoked. @default in this process */
  readonly revocations?: undefined | RevocationStore
  /** Handed to `@fastify/websocket`, if the app has not registered that itself; `options` are those of `ws`. */
  readonly websocket?: undefined | WebsocketPluginOptions
}

type RouteHooks = Pick<RouteShorthandOptions, 'onRequest' | 'preValidation' | 'preHandler'>

/**
 * The options of one socket route.
 *
 * @typeParam Schema the schemas of `params`, `querystring` and `headers`.
 * @typeParam User who is connected.
 */
export interface SocketRouteOptions<Schema extends FastifySchema = FastifySchema, User = unknown> extends SharedOptions {
  /** Who may connect. @default everyone whom the outer scopes let in */
  readonly isGranted?: Grant<User>
  /** The name of the route in `fastify.socketRoutes`. @default its path */
  readonly name?: undefined | string
  /** Schemas of `params`, `querystring` and `headers`, validated before the upgrade (400). */
  readonly schema?: undefined | Schema
  /**
   * The sub-protocols that are spoken (RFC 6455 section 1.9). The first that the client asks for and that is in the list is
   * answered; a client that asks only for others is refused with 400.
   *
   * @default none: the client's are ignored
   */
  readonly protocols?: undefined | readonly string[]
  /** Hooks of Fastify for the upgrade request. */
  readonly onRequest?: undefined | RouteHooks['onRequest']
  /** Hooks of Fastify for the upgrade request; they run before the token is verified. */
  readonly preValidation?: undefined | RouteHooks['preValidation']
  /** Hooks of Fastify for the upgrade request; they run last before the upgrade. */
  readonly preHandler?: undefined | RouteHooks['preHandler']
  /** As with any route of Fastify, for hooks to read at `request.routeOptions.config`. */
  readonly config?: undefined | RouteShorthandOptions['config']
  /** As with any route of Fastify: the host, or a constraint of the app's own. */
  readonly constraints?: undefined | RouteShorthandOptions['constraints']
  /** As with any route of Fastify. */
  readonly logLevel?: undefined | RouteShorthandOptions['logLevel']
}

/** All options in force, with their defaults. */
export interface Options {
  readonly rolesOf: RolesOf
  readonly hierarchy: ReturnType<typeof createRoleHierarchy>
  readonly tokenFrom: readonly TokenSource[]
  readonly requireExpiry: boolean
  readonly isOriginAllowed: OriginCheck
  readonly maxPayload: number
  readonly concurrency: number
  readonly heartbeat: false | { readonly interval: number, readonly timeout: number }
  readonly connections: ConnectionCaps
  readonly rate: undefined | Rate
  readonly outboxLimit: number
  readonly overflow: Overflow
  readonly notice: OutboxOptions['notice']
  readonly roomsPerConnection: number
  readonly closeTimeout: number
}

/** The defaults of all options, in the one place for them. */
export const defaults: Options = {
  rolesOf: createRolesOf('roles'),
  hierarchy: createRoleHierarchy({}),
  tokenFrom: ['header', 'protocol', 'cookie'],
  requireExpiry: false,
  isOriginAllowed: createOriginCheck('same-origin'),
  maxPayload: 65_536,
  concurrency: 1,
  heartbeat: { interval: 25_000, timeout: 10_000 },
  connections: {},
  rate: undefined,
  outboxLimit: 1_048_576,
  overflow: 'close',
  notice: undefined,
  roomsPerConnection: 1_000,
  closeTimeout: 5_000
}

const sharedKeys = ['roles', 'roleHierarchy', 'tokenFrom', 'requireExpiry', 'origins', 'maxPayload', 'concurrency', 'heartbeat', 'connections', 'rate', 'outbox', 'roomsPerConnection', 'closeTimeout', 'isGranted']
const keys = {
  plugin: [...sharedKeys, 'drain', 'handshakeTimeout', 'maxFragments', 'compression', 'outboxBudget', 'revocations', 'tickets', 'websocket'],
  scope: sharedKeys,
  route: [...sharedKeys, 'name', 'schema', 'protocols', 'onRequest', 'preValidation', 'preHandler', 'config', 'constraints', 'logLevel']
}

const sources: readonly string[] = ['header', 'protocol', 'cookie', 'query', 'ticket', 'message'] satisfies TokenSource[]

/**
 * Lays options over those of the surroundings.
 *
 * @throws `FSR_ERR_OPTION_INVALID`, `FSR_ERR_GRANT_INVALID`, `FSR_ERR_ROLE_CYCLE`.
 */
export function resolveOptions (outer: Options, given: SocketScopeOptions, level: keyof typeof keys): Options {
  check(isObject(given), 'object', 'is not an object')
  for (const key of Object.keys(given)) {
    check(keys[level].includes(key), `'${key}'`, `is unknown here; there are ${keys[level].join(', ')}`)
  }
  const { roles, roleHierarchy, tokenFrom, outbox, isGranted } = given
  // Also an explicit undefined is none: it is a role constant that does not exist, and would let everyone in.
  if ('isGranted' in given) checkGrant(isGranted)
  if (roles !== undefined) check(typeof roles === 'function' || (typeof roles === 'string' && roles !== ''), 'roles', 'is neither the name of a claim nor a function')
  if (tokenFrom !== undefined) check(Array.isArray(tokenFrom) && tokenFrom.every((source) => sources.includes(source)), 'tokenFrom', `is not a list of ${sources.join(', ')}`)
  if (outbox !== undefined) checkKeys(outbox, 'outbox', ['limit', 'overflow', 'notice'])
  check(outbox?.notice === undefined || typeof outbox.notice === 'function', 'outbox.notice', 'is not a function')
  const maxPayload = integer(given.maxPayload, 'maxPayload') ?? outer.maxPayload
  if (level !== 'plugin') check(maxPayload <= outer.maxPayload, 'maxPayload', `is more than the ${outer.maxPayload} that the plugin or the outer scope allows`)
  return {
    rolesOf: roles === undefined ? outer.rolesOf : createRolesOf(roles as string | ((user: unknown) => readonly string[])),
    hierarchy: roleHierarchy === undefined ? outer.hierarchy : createRoleHierarchy(roleHierarchy),
    tokenFrom: tokenFrom ?? outer.tokenFrom,
    requireExpiry: boolean(given.requireExpiry, 'requireExpiry') ?? outer.requireExpiry,
    isOriginAllowed: given.origins === undefined ? outer.isOriginAllowed : createOriginCheck(given.origins),
    maxPayload,
    concurrency: integer(given.concurrency, 'concurrency') ?? outer.concurrency,
    heartbeat: resolveHeartbeat(outer.heartbeat, given.heartbeat),
    connections: resolveCaps(outer.connections, given.connections),
    rate: resolveRate(given.rate) ?? outer.rate,
    outboxLimit: integer(outbox?.limit, 'outbox.limit') ?? outer.outboxLimit,
    overflow: overflowOf(outbox?.overflow) ?? outer.overflow,
    notice: outbox?.notice ?? outer.notice,
    roomsPerConnection: integer(given.roomsPerConnection, 'roomsPerConnection') ?? outer.roomsPerConnection,
    closeTimeout: integer(given.closeTimeout, 'closeTimeout') ?? outer.closeTimeout
  }
}

function resolveHeartbeat (outer: Options['heartbeat'], given: SharedOptions['heartbeat']): Options['heartbeat'] {
  if (given === undefined || given === false) return given ?? outer
  checkKeys(given, 'heartbeat', ['interval', 'timeout'])
  const base = outer === false ? defaults.heartbeat as Exclude<Options['heartbeat'], false> : outer
  return {
    interval: integer(given.interval, 'heartbeat.interval') ?? base.interval,
    timeout: integer(given.timeout, 'heartbeat.timeout') ?? base.timeout
  }
}

function overflowOf (given: OutboxOptions['overflow']): undefined | Overflow {
  if (typeof given === 'object') checkKeys(given, 'outbox.overflow', ['latestBy'])
  const isKnown = given === undefined || (typeof given === 'string' ? ['close', 'drop-oldest', 'drop-newest'].includes(given) : typeof given?.latestBy === 'function')
  check(isKnown, 'outbox.overflow', "is not 'close', 'drop-oldest', 'drop-newest' or { latestBy }")
  return given
}

function resolveCaps (outer: ConnectionCaps, given: undefined | ConnectionCaps): ConnectionCaps {
  if (given === undefined) return outer
  checkKeys(given, 'connections', ['perRoute', 'perUser', 'perIp'])
  const { perUser } = given
  if (typeof perUser === 'object') {
    checkKeys(perUser, 'connections.perUser', ['max', 'on'])
    check(perUser.on === undefined || perUser.on === 'refuse' || perUser.on === 'close-oldest', 'connections.perUser.on', "is neither 'refuse' nor 'close-oldest'")
    check(perUser.max !== undefined, 'connections.perUser.max', 'is missing')
  }
  integer(typeof perUser === 'object' ? perUser.max : perUser, 'connections.perUser')
  integer(given.perRoute, 'connections.perRoute')
  integer(given.perIp, 'connections.perIp')
  return { ...outer, ...given }
}

function resolveRate (given: undefined | RateOptions): undefined | Rate {
  if (given === undefined) return
  checkKeys(given, 'rate', ['messages', 'bytes', 'per', 'tolerance'])
  return {
    messages: integer(given.messages, 'rate.messages') ?? Infinity,
    bytes: integer(given.bytes, 'rate.bytes') ?? Infinity,
    per: integer(given.per, 'rate.per') ?? 1_000,
    tolerance: integer(given.tolerance, 'rate.tolerance') ?? 10
  }
}

/** The bytes that may wait for all clients. @throws `FSR_ERR_OPTION_INVALID`. */
export function outboxBudget (options: SocketPluginOptions): number {
  return integer(options.outboxBudget, 'outboxBudget') ?? 268_435_456
}

/** The milliseconds that an upgrade may take. @throws `FSR_ERR_OPTION_INVALID`. */
export function handshakeTimeout (options: SocketPluginOptions): number {
  return integer(options.handshakeTimeout, 'handshakeTimeout') ?? 10_000
}

/** How long tickets are good for, in milliseconds, and who keeps them. @throws `FSR_ERR_OPTION_INVALID`. */
export function ticketSettings ({ tickets = {} }: SocketPluginOptions): { ttl: number, store: undefined | TicketStore } {
  checkKeys(tickets, 'tickets', ['ttl', 'store'])
  const { store } = tickets
  if (store !== undefined) check(isObject(store) && ['put', 'take'].every((name) => typeof (store as unknown as Record<string, unknown>)[name] === 'function'), 'tickets.store', 'is not { put, take }')
  return { ttl: integer(tickets.ttl, 'tickets.ttl') ?? 30_000, store }
}

/**
 * How `fastify.close()` closes connections; times in milliseconds.
 *
 * @param pluginTimeout of Fastify, which ends the process when a `preClose` hook takes longer; 0 for none.
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function drainSettings ({ drain = {} }: SocketPluginOptions, pluginTimeout = 0): { deadline: number, batch: number, interval: number } {
  checkKeys(drain, 'drain', ['deadline', 'batch', 'interval'])
  const deadline = integer(drain.deadline, 'drain.deadline') ?? 5_000
  check(pluginTimeout === 0 || deadline < pluginTimeout, 'drain.deadline', `is not less than pluginTimeout of Fastify (${pluginTimeout}), which would end the process: raise that as well, Fastify({ pluginTimeout })`)
  return {
    deadline,
    batch: integer(drain.batch, 'drain.batch') ?? 1_000,
    interval: integer(drain.interval, 'drain.interval') ?? 100
  }
}

/**
 * What `@fastify/websocket` is registered with.
 *
 * @param isRegistered whether the app has done that itself, so that nothing given here would have an effect.
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function websocketOptions (options: SocketPluginOptions, { maxPayload, closeTimeout }: Options, isRegistered: boolean): WebsocketPluginOptions {
  for (const name of ['websocket', 'maxFragments', 'compression'] as const) {
    check(!isRegistered || options[name] === undefined, name, 'has no effect, as the app has registered @fastify/websocket itself: give that its options')
  }
  const { websocket = {} } = options
  checkKeys(websocket, 'websocket', ['options', 'errorHandler', 'preClose'])
  for (const [name, own] of [['maxPayload', 'maxPayload'], ['maxFragments', 'maxFragments'], ['perMessageDeflate', 'compression']] as const) {
    check(websocket.options?.[name] === undefined, `websocket.options.${name}`, `has a place of its own: the option ${own}`)
  }
  const maxFragments = integer(options.maxFragments, 'maxFragments') ?? 16_384
  // How long a client that has closed may keep the TCP connection: @types/ws does not know it.
  const unknown = { closeTimeout } as object
  const perMessageDeflate = deflateOptions(options.compression)
  return { ...websocket, options: { maxPayload, maxFragments, perMessageDeflate, ...unknown, ...websocket.options } }
}

function deflateOptions (compression: SocketPluginOptions['compression'] = false): false | PerMessageDeflateOptions {
  if (compression === false) return false
  const given = compression === true ? {} : compression
  checkKeys(given, 'compression', ['threshold'])
  return {
    threshold: integer(given.threshold, 'compression.threshold') ?? 1_024,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    // ws keeps its zlib stream for each client that was ever sent to: less than half of what the defaults of zlib take, and JSON
    // gets as small. Browsers do not all let their own window be chosen.
    serverMaxWindowBits: 12,
    zlibDeflateOptions: { memLevel: 5 },
    // As many as Node has threads for it; more would only keep file access and name resolution from them.
    concurrencyLimit: 4
  }
}

/** The name of a route. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkName (name: undefined | string): undefined | string {
  check(name === undefined || (typeof name === 'string' && name !== ''), 'name', 'is not a name')
  return name
}

/** Checks the schemas of a route. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkSchema (schema: undefined | FastifySchema): void {
  if (schema !== undefined) checkKeys(schema, 'schema', ['params', 'querystring', 'query', 'headers'])
}

/** The sub-protocols of a route. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkProtocols (protocols: SocketRouteOptions['protocols']): undefined | readonly string[] {
  if (protocols === undefined) return
  // A token of HTTP (RFC 9110 section 5.6.2).
  const isToken = (name: unknown) => typeof name === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(name)
  check(Array.isArray(protocols) && protocols.length > 0 && protocols.every(isToken), 'protocols', 'is not a list of sub-protocol names')
  check(!protocols.includes('bearer'), 'protocols', "names 'bearer', which announces a token")
  return protocols
}

// A positive integer, or nothing. The upper end is that of a timer and of a Buffer in ws.
function integer (value: unknown, name: string): undefined | number {
  if (value === undefined) return
  check(Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31, name, 'is not a positive integer below 2^31')
  return value as number
}

function checkKeys (value: unknown, name: string, keys: readonly string[]): void {
  check(isObject(value) && Object.keys(value).every((key) => keys.includes(key)), name, `is not { ${keys.join(', ')} }`)
}

function boolean (value: unknown, name: string): undefined | boolean {
  check(value === undefined || typeof value === 'boolean', name, 'is neither true nor false')
  return value
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function check (condition: boolean, name: string, problem: string): asserts condition {
  if (!condition) throw new errors.OptionInvalid(name, problem)
}

/** Who is on the other side of a request: what `@fastify/jwt` declares, if the app uses it. */
export type UserOfRequest = FastifyRequest extends { user: infer User } ? User : unknown
