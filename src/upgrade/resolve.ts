import type { WebsocketPluginOptions } from '@fastify/websocket'
import type { FastifySchema } from 'fastify'
import { WebSocket, type PerMessageDeflateOptions, type ServerOptions } from 'ws'
import type { Overflow } from '../connection/backlog.js'
import type { OutboxOptions } from '../connection/outbox.js'
import type { RefusalLimit } from '../connection/refusals.js'
import type { Rate, RateOptions } from '../connection/rate.js'
import { errors } from '../errors.js'
import type { Compression } from '../message/frame.js'
import { suggest } from '../suggestion.js'
import type { ConnectionCaps } from './caps.js'
import { checkGrant, createRoleHierarchy, createRolesOf, type RolesOf } from './grant.js'
import type { SharedOptions, SocketPluginOptions, SocketRouteOptions, SocketScopeOptions, TokenSource } from './options.js'
import type { JwtName } from './jwt.js'
import { createOriginCheck, type OriginCheck } from './origin.js'
import type { RevocationStore } from './revocation.js'
import type { SocketLimits } from './socket-server.js'
import { createSubjectReader, subjectAndIssuer, type Subject, type SubjectReader } from './subject.js'
import type { TicketStore } from './ticket.js'

/** All options in force, with their defaults. */
export interface Options {
  readonly rolesOf: RolesOf
  readonly hierarchy: ReturnType<typeof createRoleHierarchy>
  readonly tokenFrom: readonly TokenSource[]
  readonly jwt: undefined | JwtName
  readonly subject: SubjectReader
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
  readonly streamsPerConnection: number
  readonly invalidMessages: 'answer' | 'close'
  readonly refusals: false | RefusalLimit
  readonly closeTimeout: number
}

/** The defaults of all options, in the one place for them. */
export const defaults: Options = {
  rolesOf: createRolesOf('roles'),
  hierarchy: createRoleHierarchy({}),
  tokenFrom: ['header', 'protocol', 'cookie'],
  jwt: undefined,
  subject: subjectAndIssuer,
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
  streamsPerConnection: 16,
  invalidMessages: 'answer',
  refusals: { max: 100, per: 10_000 },
  closeTimeout: 5_000
}

const sharedKeys = ['roles', 'roleHierarchy', 'tokenFrom', 'jwt', 'subject', 'requireExpiry', 'origins', 'maxPayload', 'concurrency', 'heartbeat', 'connections', 'rate', 'outbox', 'roomsPerConnection', 'streamsPerConnection', 'invalidMessages', 'refusals', 'preMessage', 'preSend', 'closeTimeout', 'isGranted']
const keys = {
  plugin: [...sharedKeys, 'drain', 'handshakeTimeout', 'leaveUpgrades', 'maxFragments', 'compression', 'fastPath', 'outboxBudget', 'revocations', 'tickets', 'websocket'],
  scope: sharedKeys,
  route: [...sharedKeys, 'name', 'schema', 'protocols', 'onRequest', 'preValidation', 'preHandler', 'data', 'config', 'constraints', 'logLevel']
}

// What options are made of that are objects.
const parts = {
  heartbeat: ['interval', 'timeout'],
  connections: ['perRoute', 'perUser', 'perIp'],
  rate: ['messages', 'bytes', 'per', 'tolerance'],
  outbox: ['limit', 'overflow', 'notice'],
  tickets: ['ttl', 'store'],
  drain: ['deadline', 'batch', 'interval']
}

// Those that may refuse.
const hooks = ['onRequest', 'preValidation', 'preHandler', 'preMessage']

const sources: readonly string[] = ['header', 'protocol', 'cookie', 'query', 'ticket', 'message'] satisfies TokenSource[]

/**
 * Lays options over those of the surroundings.
 *
 * @throws `FSR_ERR_OPTION_INVALID`, `FSR_ERR_GRANT_INVALID`, `FSR_ERR_ROLE_CYCLE`.
 */
export function resolveOptions (outer: Options, given: SocketScopeOptions, level: keyof typeof keys): Options {
  check(isObject(given), 'object', 'is not an object')
  for (const key of Object.keys(given)) {
    check(keys[level].includes(key), `'${key}'`, placeOf(key) ?? `is unknown here${suggest(key, keys[level], `there are ${keys[level].join(', ')}`)}`)
  }
  const { roles, roleHierarchy, tokenFrom, outbox, isGranted } = given
  // Also an explicit undefined is none: it is a role constant that does not exist, and would let everyone in.
  if ('isGranted' in given) checkGrant(isGranted)
  for (const hook of hooks) check(!(hook in given) || Reflect.get(given, hook) !== undefined, hook, 'is undefined: a hook that does not exist would let everyone in. Leave it out, or wait until it is there')
  if (roles !== undefined) check(typeof roles === 'function' || (typeof roles === 'string' && roles !== ''), 'roles', 'is neither the name of the claim that has the roles, nor a function that tells them; who may come in is said by isGranted')
  if (tokenFrom !== undefined) check(Array.isArray(tokenFrom) && tokenFrom.every((source) => sources.includes(source)), 'tokenFrom', `is not a list of ${sources.join(', ')}: it is ${JSON.stringify(tokenFrom)}`)
  if (outbox !== undefined) checkKeys(outbox, 'outbox', parts.outbox)
  check(outbox?.notice === undefined || typeof outbox.notice === 'function', 'outbox.notice', 'is not a function')
  const maxPayload = integer(given.maxPayload, 'maxPayload', 'bytes') ?? outer.maxPayload
  if (level !== 'plugin') check(maxPayload <= outer.maxPayload, 'maxPayload', `is more than the ${outer.maxPayload} bytes of the plugin or the outer scope, which it can only lower. Raise it there, register(socketRoutes, { maxPayload: ${maxPayload} }), and lower it for the other routes`)
  return {
    rolesOf: roles === undefined ? outer.rolesOf : createRolesOf(roles as string | ((user: unknown) => unknown)),
    hierarchy: roleHierarchy === undefined ? outer.hierarchy : createRoleHierarchy(roleHierarchy),
    tokenFrom: tokenFrom ?? outer.tokenFrom,
    jwt: resolveJwt(given.jwt) ?? outer.jwt,
    subject: resolveSubject(given.subject) ?? outer.subject,
    requireExpiry: boolean(given.requireExpiry, 'requireExpiry') ?? outer.requireExpiry,
    isOriginAllowed: given.origins === undefined ? outer.isOriginAllowed : createOriginCheck(given.origins),
    maxPayload,
    concurrency: integer(given.concurrency, 'concurrency', 'messages') ?? outer.concurrency,
    heartbeat: resolveHeartbeat(outer.heartbeat, given.heartbeat),
    connections: resolveCaps(outer.connections, given.connections),
    rate: resolveRate(outer.rate, given.rate),
    outboxLimit: integer(outbox?.limit, 'outbox.limit', 'bytes') ?? outer.outboxLimit,
    overflow: overflowOf(outbox?.overflow) ?? outer.overflow,
    notice: outbox?.notice ?? outer.notice,
    roomsPerConnection: integer(given.roomsPerConnection, 'roomsPerConnection', 'rooms') ?? outer.roomsPerConnection,
    invalidMessages: invalidMessagesOf(given.invalidMessages) ?? outer.invalidMessages,
    refusals: resolveRefusals(outer.refusals, given.refusals),
    streamsPerConnection: integer(given.streamsPerConnection, 'streamsPerConnection', 'streams') ?? outer.streamsPerConnection,
    closeTimeout: integer(given.closeTimeout, 'closeTimeout', 'milliseconds') ?? outer.closeTimeout
  }
}

// Where an option belongs that is not of the place where it was given.
function placeOf (key: string): undefined | string {
  if (keys.plugin.includes(key)) return 'is one of the whole plugin: give it to register()'
  if (keys.route.includes(key)) return 'is one of a route: give it to socketRoute()'
  const part = Object.entries(parts).find(([, names]) => names.includes(key))
  if (part !== undefined) return `is a part of ${part[0]}: { ${part[0]}: { ${key} } }`
  if (key === 'prefix') return 'is one of a scope of Fastify: register the routes in one, app.register(routes, { prefix })'
  if (['onOpen', 'onMessage', 'onClose', 'onError'].includes(key)) return 'is a callback: the controller is the second argument of socketRoute(), and options are the third'
}

function resolveHeartbeat (outer: Options['heartbeat'], given: SharedOptions['heartbeat']): Options['heartbeat'] {
  if (given === undefined || given === false) return given ?? outer
  checkKeys(given, 'heartbeat', parts.heartbeat, 'neither false nor')
  const base = outer === false ? defaults.heartbeat as Exclude<Options['heartbeat'], false> : outer
  return {
    interval: integer(given.interval, 'heartbeat.interval', 'milliseconds') ?? base.interval,
    timeout: integer(given.timeout, 'heartbeat.timeout', 'milliseconds') ?? base.timeout
  }
}

function resolveJwt (given: SharedOptions['jwt']): undefined | JwtName {
  if (given === undefined) return
  const name = typeof given === 'string' ? { namespace: given } : given
  checkKeys(name, 'jwt', ['namespace', 'jwtVerify'], 'neither a namespace nor')
  const { namespace, jwtVerify } = name
  check(typeof namespace === 'string' && namespace !== '', 'jwt.namespace', 'is not the namespace of a @fastify/jwt')
  check(jwtVerify === undefined || (typeof jwtVerify === 'string' && jwtVerify !== ''), 'jwt.jwtVerify', 'is not the name of a method of requests')
  return { namespace, jwtVerify }
}

function resolveSubject (given: undefined | Subject): undefined | SubjectReader {
  if (given === undefined) return
  check(typeof given === 'function' || (typeof given === 'string' && given !== ''), 'subject', 'is neither the name of a claim, nor a function that makes a string of the claims')
  return createSubjectReader(given)
}

function overflowOf (given: OutboxOptions['overflow']): undefined | Overflow {
  if (typeof given === 'object') checkKeys(given, 'outbox.overflow', ['latestBy'])
  const isKnown = given === undefined || (typeof given === 'string' ? ['close', 'drop-oldest', 'drop-newest'].includes(given) : typeof given?.latestBy === 'function')
  check(isKnown, 'outbox.overflow', "is not 'close', 'drop-oldest', 'drop-newest' or { latestBy }")
  return given
}

function invalidMessagesOf (given: SharedOptions['invalidMessages']): SharedOptions['invalidMessages'] {
  check(given === undefined || given === 'answer' || given === 'close', 'invalidMessages', "is neither 'answer' nor 'close'")
  return given
}

function resolveCaps (outer: ConnectionCaps, given: undefined | ConnectionCaps): ConnectionCaps {
  if (given === undefined) return outer
  checkKeys(given, 'connections', parts.connections)
  check(Object.keys(given).length > 0, 'connections', 'caps nothing: name perRoute, perUser or perIp')
  const { perUser } = given
  if (typeof perUser === 'object') {
    checkKeys(perUser, 'connections.perUser', ['max', 'on'])
    check(perUser.on === undefined || perUser.on === 'refuse' || perUser.on === 'close-oldest', 'connections.perUser.on', "is neither 'refuse' nor 'close-oldest'")
    check(perUser.max !== undefined, 'connections.perUser.max', 'is missing')
  }
  integer(typeof perUser === 'object' ? perUser.max : perUser, 'connections.perUser', 'connections')
  integer(given.perRoute, 'connections.perRoute', 'connections')
  integer(given.perIp, 'connections.perIp', 'connections')
  return { perRoute: given.perRoute ?? outer.perRoute, perUser: perUser ?? outer.perUser, perIp: given.perIp ?? outer.perIp }
}

function resolveRefusals (outer: Options['refusals'], given: SharedOptions['refusals']): Options['refusals'] {
  if (given === undefined || given === false) return given ?? outer
  checkKeys(given, 'refusals', ['max', 'per'], 'neither false nor')
  const base = outer === false ? defaults.refusals as RefusalLimit : outer
  return {
    max: integer(given.max, 'refusals.max', 'messages') ?? base.max,
    per: integer(given.per, 'refusals.per', 'milliseconds') ?? base.per
  }
}

function resolveRate (outer: undefined | Rate, given: undefined | RateOptions): undefined | Rate {
  if (given === undefined) return outer
  checkKeys(given, 'rate', parts.rate)
  const rate = {
    messages: integer(given.messages, 'rate.messages', 'messages') ?? outer?.messages ?? Infinity,
    bytes: integer(given.bytes, 'rate.bytes', 'bytes') ?? outer?.bytes ?? Infinity,
    per: integer(given.per, 'rate.per', 'milliseconds') ?? outer?.per ?? 1_000,
    tolerance: integer(given.tolerance, 'rate.tolerance', 'windows') ?? outer?.tolerance ?? 10
  }
  check(Math.min(rate.messages, rate.bytes) < Infinity, 'rate', 'limits nothing: name messages, bytes or both')
  return rate
}

/** What is set for the whole app, with its defaults. */
export interface PluginSettings {
  /** Milliseconds. */
  readonly handshakeTimeout: number
  /** Bytes. */
  readonly outboxBudget: number
  /** Whether the fast path may be taken: unless the app has made other sockets, or has `ws` read in another way. */
  readonly fastPath: boolean
  /** How messages are compressed that are sent to many, if the app has said so. */
  readonly compression: undefined | Compression
  readonly tickets: { readonly ttl: number, readonly store: undefined | TicketStore }
  readonly revocations: undefined | RevocationStore
  readonly drain: { readonly deadline: number, readonly batch: number, readonly interval: number }
  /** What bounds what `ws` keeps of a message, by the bytes of the largest. */
  readonly limitsOf: (maxPayload: number) => SocketLimits
  /** What `@fastify/websocket` is registered with, and, as `options`, the server of socket routes. */
  readonly websocket: WebsocketPluginOptions & { readonly options: ServerOptions }
}

/** What the plugin finds in an app. */
interface Surroundings {
  /** Whether the app has registered `@fastify/websocket` itself, so that no option of that would have an effect. */
  readonly isRegistered: boolean
  /** Fastify's, which ends the process when a `preClose` hook takes longer; 0 for none. */
  readonly pluginTimeout: undefined | number
}

/**
 * The options of the plugin alone.
 *
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function resolvePlugin (given: SocketPluginOptions, shared: Options, { isRegistered, pluginTimeout = 0 }: Surroundings): PluginSettings {
  const perMessageDeflate = deflateOptions(given.compression)
  const limitsOf = resolveLimits(given)
  const websocket = resolveWebsocket(given, shared, isRegistered, { ...limitsOf(shared.maxPayload), perMessageDeflate: perMessageDeflate ?? false })
  const isFast = boolean(given.fastPath, 'fastPath') ?? true
  return {
    handshakeTimeout: integer(given.handshakeTimeout, 'handshakeTimeout', 'milliseconds') ?? 10_000,
    outboxBudget: integer(given.outboxBudget, 'outboxBudget', 'bytes') ?? 268_435_456,
    fastPath: isFast && websocket.options?.WebSocket === undefined && websocket.options?.allowSynchronousEvents !== false,
    tickets: resolveTickets(given.tickets),
    revocations: resolveRevocations(given.revocations),
    drain: resolveDrain(given.drain, pluginTimeout),
    // As ws does with what is sent to one.
    compression: perMessageDeflate && { threshold: perMessageDeflate.threshold, windowBits: perMessageDeflate.serverMaxWindowBits, ...perMessageDeflate.zlibDeflateOptions },
    limitsOf,
    websocket
  }
}

function resolveTickets (given: SocketPluginOptions['tickets'] = {}): PluginSettings['tickets'] {
  checkKeys(given, 'tickets', parts.tickets)
  const { store } = given
  check(store === undefined || hasMethods(store, ['put', 'take']), 'tickets.store', 'is not { put, take }')
  return { ttl: integer(given.ttl, 'tickets.ttl', 'milliseconds') ?? 30_000, store }
}

function resolveRevocations (given: SocketPluginOptions['revocations']): undefined | RevocationStore {
  check(given === undefined || hasMethods(given, ['revoke', 'revokedBefore']), 'revocations', 'is not { revoke, revokedBefore }')
  return given
}

function resolveDrain (given: SocketPluginOptions['drain'] = {}, pluginTimeout: number): PluginSettings['drain'] {
  checkKeys(given, 'drain', parts.drain)
  const deadline = integer(given.deadline, 'drain.deadline', 'milliseconds') ?? 5_000
  check(pluginTimeout === 0 || deadline < pluginTimeout, 'drain.deadline', `is not less than pluginTimeout of Fastify (${pluginTimeout}), which would end the process: raise that as well, Fastify({ pluginTimeout })`)
  return {
    deadline,
    batch: integer(given.batch, 'drain.batch', 'connections') ?? 1_000,
    interval: integer(given.interval, 'drain.interval', 'milliseconds') ?? 100
  }
}

function resolveWebsocket (given: SocketPluginOptions, { closeTimeout }: Options, isRegistered: boolean, own: Pick<ServerOptions, 'perMessageDeflate'> & SocketLimits): PluginSettings['websocket'] {
  check(!isRegistered || given.websocket === undefined, 'websocket', 'has no effect, as the app has registered @fastify/websocket itself: give that its options')
  const { websocket = {} } = given
  checkKeys(websocket, 'websocket', ['options', 'errorHandler', 'preClose'])
  // Upgrades of another server would pass by all that looks at them before they are routed.
  check(websocket.options?.server === undefined, 'websocket.options.server', 'is none but that of Fastify')
  check(isOwnSocket(websocket.options?.WebSocket), 'websocket.options.WebSocket', 'does not extend WebSocket of the ws that this plugin uses, so that its limits would not hold: have one version of ws installed (npm ls ws)')
  for (const [name, own] of [['maxPayload', 'maxPayload'], ['maxFragments', 'maxFragments'], ['perMessageDeflate', 'compression']] as const) {
    check(websocket.options?.[name] === undefined, `websocket.options.${name}`, `has a place of its own: the option ${own}`)
  }
  // How long a client that has closed may keep the TCP connection: @types/ws does not know it.
  const untyped = { closeTimeout } as object
  return { ...websocket, options: { ...own, ...untyped, ...websocket.options } }
}

function resolveLimits (given: SocketPluginOptions): PluginSettings['limitsOf'] {
  const maxFragments = integer(given.maxFragments, 'maxFragments', 'fragments')
  return (maxPayload) => ({
    maxPayload,
    // A fragment, however short, keeps all of the 64 KiB that it was read with until its message is complete, where ws reads.
    maxFragments: maxFragments ?? Math.max(128, Math.ceil(maxPayload / 512)),
    // A frame, however it is cut, keeps some 120 bytes for each piece that it came in, where ws reads: @types/ws does not know it.
    maxBufferedChunks: Math.max(1_024, Math.ceil(maxPayload / 64))
  })
}

function isOwnSocket (given: unknown): boolean {
  return given === undefined || given === WebSocket || (typeof given === 'function' && given.prototype instanceof WebSocket)
}

function deflateOptions (compression: SocketPluginOptions['compression'] = false) {
  if (compression === false) return
  const given = compression === true ? {} : compression
  checkKeys(given, 'compression', ['threshold'], 'neither true, false nor')
  return {
    threshold: integer(given.threshold, 'compression.threshold', 'bytes') ?? 1_024,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    // ws keeps its zlib stream for each client that was ever sent to: less than half of what the defaults of zlib take, and JSON
    // gets as small. Browsers do not all let their own window be chosen.
    serverMaxWindowBits: 12,
    zlibDeflateOptions: { memLevel: 5 },
    // As many as Node has threads for it; more would only keep file access and name resolution from them.
    concurrencyLimit: 4
  } satisfies PerMessageDeflateOptions
}

/** The name of a route. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkName (name: undefined | string): undefined | string {
  check(name === undefined || (typeof name === 'string' && name !== ''), 'name', 'is not a name')
  return name
}

/** The constraints of a route. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkConstraints (constraints: unknown): void {
  check(constraints === undefined || isObject(constraints), 'constraints', 'is not an object such as { host }')
}

/**
 * Refuses what reads like a guard on a route that has none.
 *
 * @param path of the route.
 * @param hasRoles whether its contract asks for the roles of who sends a message.
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function checkEffect (given: SocketRouteOptions, path: string, hasRoles: boolean): void {
  const { roles, roleHierarchy, tokenFrom, jwt, subject, requireExpiry, connections } = given
  const ofRoles = hasRoles ? {} : { roles, roleHierarchy }
  const [name] = Object.entries({ ...ofRoles, tokenFrom, jwt, subject, requireExpiry, 'connections.perUser': connections?.perUser }).find(([, value]) => value !== undefined) ?? []
  if (name !== undefined) throw new errors.OptionInvalid(name, `has no effect on '${path}', which is not guarded: everyone would be let in. Say who may come in by isGranted, or leave it out`)
}

/** Checks the schemas of a route. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkSchema (schema: undefined | FastifySchema): void {
  if (schema !== undefined) checkKeys(schema, 'schema', ['params', 'querystring', 'query', 'headers'])
}

/** What makes the data of a route's connections. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkData (data: unknown): void {
  check(data === undefined || typeof data === 'function', 'data', 'is not a function (request) => data')
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
function integer (value: unknown, name: string, unit: string): undefined | number {
  if (value === undefined) return
  check(Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31, name, `is not a positive integer below 2^31 (${unit}), but ${show(value)}`)
  return value as number
}

// What was given instead of a number. Of a text only what could be one, as with '16kb': anything else may be what nobody is to read.
function show (value: unknown): string {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string' && /^-?[\d_.,]+ ?\w{0,3}$/.test(value) && value.length <= 12) return `'${value}'`
  return value === null ? 'null' : `of type ${typeof value}`
}

/** Checks the keys of an option. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkKeys (value: unknown, name: string, keys: readonly string[], not = 'not'): void {
  check(isObject(value), name, `is ${not} { ${keys.join(', ')} }`)
  const unknown = Object.keys(value).find((key) => !keys.includes(key))
  if (unknown !== undefined) throw new errors.OptionInvalid(name, `has '${unknown}', which is unknown${suggest(unknown, keys, `it is { ${keys.join(', ')} }`)}`)
}

function boolean (value: unknown, name: string): undefined | boolean {
  check(value === undefined || typeof value === 'boolean', name, 'is neither true nor false')
  return value
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function hasMethods (value: unknown, names: readonly string[]): boolean {
  return isObject(value) && names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}

function check (condition: boolean, name: string, problem: string): asserts condition {
  if (!condition) throw new errors.OptionInvalid(name, problem)
}
