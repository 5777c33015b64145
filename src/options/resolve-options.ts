import type { FastifySchema } from 'fastify'
import type { Overflow } from '../connection/drop-queue.js'
import type { OutboxOptions } from '../connection/outbox.js'
import type { RefusalLimit } from '../connection/refusals.js'
import type { Rate, RateOptions } from '../connection/rate.js'
import { errors } from '../errors.js'
import { isRecord, strayIn } from '../members.js'
import { suggest } from '../suggestion.js'
import type { ConnectionCaps } from '../upgrade/connection-limits.js'
import { ofOtherLibrary } from './foreign-options.js'
import { checkGrant, createRoleHierarchy, createRolesOf, type RolesOf } from '../auth/grant.js'
import { boolean, check, checkKeys, integer, isObject } from '../option-checks.js'
import { defaultSources, type TokenSource } from '../auth/token-source.js'
import type { SharedOptions, SocketRouteOptions, SocketScopeOptions } from './options.js'
import type { JwtName } from '../host/jwt-internals.js'
import { createOriginCheck, type OriginCheck } from '../auth/origin.js'
import {
  createSubjectReader,
  subjectAndIssuer,
  type Subject,
  type SubjectReader
} from '../auth/subject.js'

/** The effective value of each shared option. */
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

/** The defaults of the shared options. */
export const defaults: Options = {
  rolesOf: createRolesOf('roles'),
  hierarchy: createRoleHierarchy({}),
  tokenFrom: defaultSources,
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

const sharedKeys = [
  'roles', 'roleHierarchy', 'tokenFrom', 'jwt', 'subject', 'requireExpiry', 'origins', 'maxPayload',
  'concurrency', 'heartbeat', 'connections', 'rate', 'outbox', 'roomsPerConnection',
  'streamsPerConnection', 'invalidMessages', 'refusals', 'preMessage', 'preSend', 'closeTimeout',
  'isGranted'
]
const keys = {
  plugin: [
    ...sharedKeys, 'drain', 'handshakeTimeout', 'leaveUpgrades', 'maxFragments', 'compression',
    'fastPath', 'outboxBudget', 'revocations', 'tickets', 'websocket'
  ],
  scope: sharedKeys,
  route: [
    ...sharedKeys, 'name', 'schema', 'protocols', 'onRequest', 'preValidation', 'preHandler',
    'data', 'config', 'constraints', 'logLevel'
  ]
}

/** The keys of the options that are objects. */
export const parts = {
  heartbeat: ['interval', 'timeout'],
  connections: ['perRoute', 'perUser', 'perIp'],
  rate: ['messages', 'bytes', 'per', 'tolerance'],
  refusals: ['max', 'per'],
  jwt: ['namespace', 'jwtVerify'],
  compression: ['threshold'],
  outbox: ['limit', 'overflow', 'notice'],
  tickets: ['ttl', 'store'],
  drain: ['deadline', 'batch', 'interval']
}

// Hooks that can reject an upgrade or a message.
const hooks = ['onRequest', 'preValidation', 'preHandler', 'preMessage']

const sources: readonly string[] = [
  'header', 'protocol', 'cookie', 'query', 'ticket', 'message'
] satisfies TokenSource[]

/**
 * Checks the options of one level, and lays them over the options of the outer level.
 *
 * @throws `FSR_ERR_OPTION_INVALID`, `FSR_ERR_GRANT_INVALID`, `FSR_ERR_ROLE_CYCLE`.
 */
export function resolveOptions (
  outer: Options,
  given: SocketScopeOptions,
  level: keyof typeof keys
): Options {
  check(isObject(given), 'argument', 'is not an object')
  const stray = strayIn(given, keys[level])
  if (stray !== undefined) {
    const hint = suggest(stray, keys[level], `there are ${keys[level].join(', ')}`)
    throw new errors.OptionInvalid(`Option '${stray}'`, placeOf(stray) ?? `is unknown here${hint}`)
  }
  const { roles, roleHierarchy, tokenFrom, outbox, isGranted } = given
  // An explicit undefined is an error: it comes from a role constant that does not exist, and would
  // let everyone in.
  if ('isGranted' in given) checkGrant(isGranted)
  for (const hook of hooks) {
    check(!(hook in given) || Reflect.get(given, hook) !== undefined, hook, 'is undefined: ' +
      'without the hook everyone would be let in. Leave it out, or register the route once the ' +
      'hook exists')
  }
  if (roles !== undefined) {
    check(typeof roles === 'function' || (typeof roles === 'string' && roles !== ''), 'roles',
      'is neither the name of the claim that has the roles, nor a function that returns them; ' +
      'who may connect is said by isGranted')
  }
  if (tokenFrom !== undefined) {
    const areSources = Array.isArray(tokenFrom) &&
      tokenFrom.every((source) => sources.includes(source))
    check(areSources, 'tokenFrom',
      `is not a list of ${sources.join(', ')}: it is ${JSON.stringify(tokenFrom)}`)
  }
  if (outbox !== undefined) checkKeys(outbox, 'outbox', parts.outbox)
  check(outbox?.notice === undefined || typeof outbox.notice === 'function', 'outbox.notice',
    'is not a function')
  const maxPayload = integer(given.maxPayload, 'maxPayload', 'bytes') ?? outer.maxPayload
  if (level !== 'plugin') {
    check(maxPayload <= outer.maxPayload, 'maxPayload', `is more than the ${outer.maxPayload} ` +
      'bytes of the plugin or the outer scope, which it can only lower. Raise it there, ' +
      `register(socketRoutes, { maxPayload: ${maxPayload} }), and lower it for the other routes`)
  }
  return {
    rolesOf: roles === undefined
      ? outer.rolesOf
      : createRolesOf(roles as string | ((user: unknown) => unknown)),
    hierarchy: roleHierarchy === undefined ? outer.hierarchy : createRoleHierarchy(roleHierarchy),
    tokenFrom: tokenFrom ?? outer.tokenFrom,
    jwt: resolveJwt(given.jwt) ?? outer.jwt,
    subject: resolveSubject(given.subject) ?? outer.subject,
    requireExpiry: boolean(given.requireExpiry, 'requireExpiry') ?? outer.requireExpiry,
    isOriginAllowed: given.origins === undefined
      ? outer.isOriginAllowed
      : createOriginCheck(given.origins),
    maxPayload,
    concurrency: integer(given.concurrency, 'concurrency', 'messages') ?? outer.concurrency,
    heartbeat: resolveHeartbeat(outer.heartbeat, given.heartbeat),
    connections: resolveCaps(outer.connections, given.connections),
    rate: resolveRate(outer.rate, given.rate),
    outboxLimit: integer(outbox?.limit, 'outbox.limit', 'bytes') ?? outer.outboxLimit,
    overflow: overflowOf(outbox?.overflow) ?? outer.overflow,
    notice: outbox?.notice ?? outer.notice,
    roomsPerConnection: integer(given.roomsPerConnection, 'roomsPerConnection', 'rooms') ??
      outer.roomsPerConnection,
    invalidMessages: invalidMessagesOf(given.invalidMessages) ?? outer.invalidMessages,
    refusals: resolveRefusals(outer.refusals, given.refusals),
    streamsPerConnection: integer(given.streamsPerConnection, 'streamsPerConnection', 'streams') ??
      outer.streamsPerConnection,
    closeTimeout: integer(given.closeTimeout, 'closeTimeout', 'milliseconds') ?? outer.closeTimeout
  }
}

// Describes where an option belongs that is unknown at its level.
function placeOf (key: string): undefined | string {
  const hint = ofOtherLibrary(key)
  if (hint !== undefined) return `is unknown here: ${hint}`
  if (keys.plugin.includes(key)) return 'is an option of the plugin: give it to register()'
  if (keys.route.includes(key)) return 'is an option of a route: give it to socketRoute()'
  const part = Object.entries(parts).find(([, names]) => names.includes(key))
  if (part !== undefined) return `belongs to ${part[0]}: { ${part[0]}: { ${key} } }`
  if (key === 'then') return 'belongs to a promise: await the options first'
  if (key === 'prefix') {
    return 'is an option of a scope of Fastify: register the routes in one, ' +
      'app.register(routes, { prefix })'
  }
  if (['onOpen', 'onMessage', 'onClose', 'onError'].includes(key)) {
    return 'is a callback: the controller is the second argument of socketRoute(), ' +
      'and options are the third'
  }
}

function resolveHeartbeat (
  outer: Options['heartbeat'],
  given: SharedOptions['heartbeat']
): Options['heartbeat'] {
  if (given === undefined || given === false) return given ?? outer
  checkKeys(given, 'heartbeat', parts.heartbeat, 'neither false nor')
  const base = outer === false
    ? defaults.heartbeat as Exclude<Options['heartbeat'], false>
    : outer
  return {
    interval: integer(given.interval, 'heartbeat.interval', 'milliseconds') ?? base.interval,
    timeout: integer(given.timeout, 'heartbeat.timeout', 'milliseconds') ?? base.timeout
  }
}

function resolveJwt (given: SharedOptions['jwt']): undefined | JwtName {
  if (given === undefined) return
  const name = typeof given === 'string' ? { namespace: given } : given
  checkKeys(name, 'jwt', parts.jwt, 'neither a namespace nor')
  const { namespace, jwtVerify } = name
  check(typeof namespace === 'string' && namespace !== '', 'jwt.namespace',
    'is not the namespace of a @fastify/jwt')
  check(jwtVerify === undefined || (typeof jwtVerify === 'string' && jwtVerify !== ''),
    'jwt.jwtVerify', 'is not the name of a method of requests')
  return { namespace, jwtVerify }
}

function resolveSubject (given: undefined | Subject): undefined | SubjectReader {
  if (given === undefined) return
  check(typeof given === 'function' || (typeof given === 'string' && given !== ''), 'subject',
    'is neither the name of a claim, nor a function that returns a string made of the claims')
  return createSubjectReader(given)
}

function overflowOf (given: OutboxOptions['overflow']): undefined | Overflow {
  if (typeof given === 'object') checkKeys(given, 'outbox.overflow', ['latestBy'])
  const isKnown = given === undefined || (typeof given === 'string'
    ? ['close', 'drop-oldest', 'drop-newest'].includes(given)
    : typeof given?.latestBy === 'function')
  check(isKnown, 'outbox.overflow',
    "is not 'close', 'drop-oldest', 'drop-newest' or { latestBy }")
  return given
}

function invalidMessagesOf (
  given: SharedOptions['invalidMessages']
): SharedOptions['invalidMessages'] {
  check(given === undefined || given === 'answer' || given === 'close', 'invalidMessages',
    "is neither 'answer' nor 'close'")
  return given
}

function resolveCaps (outer: ConnectionCaps, given: undefined | ConnectionCaps): ConnectionCaps {
  if (given === undefined) return outer
  checkKeys(given, 'connections', parts.connections)
  check(Object.keys(given).length > 0, 'connections',
    'limits nothing: set perRoute, perUser or perIp')
  const { perUser } = given
  if (typeof perUser === 'object') {
    checkKeys(perUser, 'connections.perUser', ['max', 'on'])
    check(perUser.on === undefined || perUser.on === 'refuse' || perUser.on === 'close-oldest',
      'connections.perUser.on', "is neither 'refuse' nor 'close-oldest'")
    check(perUser.max !== undefined, 'connections.perUser.max', 'is missing')
  }
  integer(typeof perUser === 'object' ? perUser.max : perUser, 'connections.perUser',
    'connections')
  integer(given.perRoute, 'connections.perRoute', 'connections')
  integer(given.perIp, 'connections.perIp', 'connections')
  return {
    perRoute: given.perRoute ?? outer.perRoute,
    perUser: perUser ?? outer.perUser,
    perIp: given.perIp ?? outer.perIp
  }
}

function resolveRefusals (
  outer: Options['refusals'],
  given: SharedOptions['refusals']
): Options['refusals'] {
  if (given === undefined || given === false) return given ?? outer
  checkKeys(given, 'refusals', parts.refusals, 'neither false nor')
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
  check(Math.min(rate.messages, rate.bytes) < Infinity, 'rate',
    'limits nothing: set messages, bytes or both')
  return rate
}

/** Checks the name of a route. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkName (name: undefined | string): undefined | string {
  check(name === undefined || (typeof name === 'string' && name !== ''), 'name',
    'is not a string of at least one character')
  return name
}

/** Checks the constraints of a route. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkConstraints (constraints: unknown): void {
  check(constraints === undefined || isRecord(constraints), 'constraints',
    'is not an object such as { host }')
}

/**
 * Rejects options that look like a guard on a route that has none.
 *
 * @param path the path of the route.
 * @param hasRoles whether its contract guards messages by roles.
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function checkEffect (given: SocketRouteOptions, path: string, hasRoles: boolean): void {
  const { roles, roleHierarchy, tokenFrom, jwt, subject, requireExpiry, connections } = given
  const ofRoles = hasRoles ? {} : { roles, roleHierarchy }
  const [name] = Object.entries({
    ...ofRoles,
    tokenFrom,
    jwt,
    subject,
    requireExpiry,
    'connections.perUser': connections?.perUser
  }).find(([, value]) => value !== undefined) ?? []
  if (name !== undefined) {
    throw new errors.OptionInvalid(`Option ${name}`, `has no effect on '${path}', which is not ` +
      'guarded: everyone may connect. Set isGranted, or leave it out')
  }
}

/** Checks the schemas of a route. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkSchema (schema: undefined | FastifySchema): void {
  if (schema === undefined) return
  checkKeys(schema, 'schema', ['params', 'querystring', 'query', 'headers'])
}

/** Checks the option `data` of a route. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkData (data: unknown): void {
  check(data === undefined || typeof data === 'function', 'data',
    'is not a function (request) => data')
}

/** Checks the sub-protocols of a route. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkProtocols (
  protocols: SocketRouteOptions['protocols']
): undefined | readonly string[] {
  if (protocols === undefined) return
  // A token of HTTP (RFC 9110 section 5.6.2).
  const isToken = (name: unknown) => typeof name === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(name)
  check(Array.isArray(protocols) && protocols.length > 0 && protocols.every(isToken), 'protocols',
    'is not a list of sub-protocol names')
  check(!protocols.includes('bearer'), 'protocols', "names 'bearer', which announces a token")
  return protocols
}
