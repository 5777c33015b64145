import type { RouteShorthandOptions } from 'fastify'
import type { WebsocketPluginOptions } from '@fastify/websocket'
import type { ServerOptions } from 'ws'
import { createRoleHierarchy } from '../auth/grant.js'
import type { JwtName } from '../host/fastify-jwt-internals.js'
import { createOriginCheck, type Origins } from '../auth/origin.js'
import type { RevocationStore } from '../auth/revocation-store.js'
import type { TicketStore } from '../auth/ticket.js'
import type { HeartbeatOptions } from '../connection/heartbeat.js'
import type { OutboxOptions } from '../connection/outbox.js'
import type { RateOptions } from '../connection/rate.js'
import type { RefusalOptions } from '../connection/invalid-message-limit.js'
import { isRecord } from '../members.js'
import { hasMethods } from '../option-checks.js'
import type { ConnectionCaps } from '../upgrade/connection-limits.js'
import { readLeftUpgrades, type LeftUpgrades } from '../upgrade/left-upgrades.js'
import {
  amount,
  choice,
  converted,
  flag,
  object,
  objectOrBoolean,
  objectOrFalse,
  unchecked,
  value,
  type Amount,
  type AnyKind,
  type EffectiveOf,
  type Level
} from './option-kinds.js'
import type { SocketPluginOptions, SocketRouteOptions, SocketScopeOptions } from './options.js'
import {
  connections,
  grants,
  isFunction,
  isNamed,
  jwt,
  maxPayload,
  messageHooks,
  overflow,
  protocols,
  rate,
  requestHook,
  roles,
  schema,
  subject,
  tokenFrom
} from './special-kinds.js'

/**
 * Every option: the levels at which it can be set, its default, its unit and its check. An inner
 * level has the value of the outer level for each option that it does not set. `docs/api.md` and
 * the doc comments of the options are tested against this table. `isGranted` stands behind the
 * roles, with which it is read.
 */
export const optionTable = {
  roles: shared(roles, 'roles'),
  roleHierarchy: shared(converted({}, createRoleHierarchy), 'roles'),
  tokenFrom: shared(tokenFrom, 'grant'),
  jwt: shared(jwt, 'grant'),
  subject: shared(subject, 'grant'),
  requireExpiry: shared(flag(false), 'grant'),
  origins: shared(converted<Origins, ReturnType<typeof createOriginCheck>>(
    'same-origin',
    createOriginCheck
  )),
  maxPayload: shared(maxPayload),
  concurrency: shared(amount('messages', 1)),
  heartbeat: shared(objectOrFalse({
    interval: amount('milliseconds', 25_000),
    timeout: amount('milliseconds', 10_000)
  })),
  connections: shared(connections),
  rate: shared(rate),
  outbox: shared(object({
    limit: amount('bytes', 1_048_576),
    overflow,
    notice: value<OutboxOptions['notice']>(undefined, isFunction, 'is not a function')
  })),
  roomsPerConnection: shared(amount('rooms', 1_000)),
  streamsPerConnection: shared(amount('streams', 16), 'contract'),
  invalidMessages: shared(choice('answer', 'close'), 'contract'),
  refusals: shared(objectOrFalse({
    max: amount('messages', 100),
    per: amount('milliseconds', 10_000)
  }), 'contract'),
  preMessage: shared(messageHooks('preMessage', true)),
  preSend: shared(messageHooks('preSend', false)),
  closeTimeout: shared(amount('milliseconds', 5_000)),
  isGranted: shared(grants),

  drain: ofPlugin(object({
    deadline: amount('milliseconds', 5_000),
    batch: amount('connections', 1_000),
    interval: amount('milliseconds', 100)
  })),
  handshakeTimeout: ofPlugin(amount('milliseconds', 10_000)),
  leaveUpgrades: ofPlugin(converted<LeftUpgrades, LeftUpgrades>([], readLeftUpgrades)),
  maxFragments: ofPlugin(amount('fragments', 128)),
  compression: ofPlugin(objectOrBoolean({ threshold: amount('bytes', 1_024) })),
  fastPath: ofPlugin(value<boolean | 'write'>(
    true,
    (given) => typeof given === 'boolean' || given === 'write',
    "is neither a boolean nor 'write'"
  )),
  outboxBudget: ofPlugin(amount('bytes', 268_435_456)),
  tickets: ofPlugin(object({
    ttl: amount('milliseconds', 30_000),
    store: value<undefined | TicketStore>(
      undefined,
      (given) => hasMethods(given, ['put', 'take']),
      'is not { put, take }'
    )
  })),
  revocations: ofPlugin(value<undefined | RevocationStore>(
    undefined,
    (given) => hasMethods(given, ['revoke', 'revokedBefore']),
    'is not { revoke, revokedBefore }'
  )),
  websocket: ofPlugin(object({
    options: value<undefined | ServerOptions>(undefined, isRecord, 'is not a plain object'),
    errorHandler: unchecked<WebsocketPluginOptions['errorHandler']>(),
    preClose: unchecked<WebsocketPluginOptions['preClose']>()
  })),

  name: ofRoute(value<undefined | string>(
    undefined,
    isNamed,
    'is not a string of at least one character'
  )),
  schema: ofRoute(schema),
  protocols: ofRoute(protocols),
  onRequest: ofRoute(requestHook),
  preValidation: ofRoute(requestHook),
  preHandler: ofRoute(requestHook),
  data: ofRoute({
    ...value<SocketRouteOptions['data']>(
      undefined,
      isFunction,
      'is not a function (request) => data'
    ),
    default: {}
  }),
  config: ofRoute(unchecked<SocketRouteOptions['config']>()),
  constraints: ofRoute(value<RouteShorthandOptions['constraints']>(
    undefined,
    isRecord,
    'is not an object such as { host }'
  )),
  logLevel: ofRoute(unchecked<SocketRouteOptions['logLevel']>())
} satisfies Table

/** A row of the table. */
export interface Row extends AnyKind {
  readonly levels: readonly Level[]
}

/** The effective values of the options of a level. */
export type ValuesOf<At extends Level> = {
  readonly [Name in NamesAt<At>]: EffectiveOf<typeof optionTable[Name]>
}

type NamesAt<At extends Level> = {
  [Name in keyof typeof optionTable]:
  At extends typeof optionTable[Name]['levels'][number] ? Name : never
}[keyof typeof optionTable]

// The compiler holds the table to the options that an app can set: no option of the interfaces is
// missing, none is at another level, and each number has a unit.
type Table =
  & RowsOf<SocketScopeOptions, 'plugin' | 'scope' | 'route'>
  & RowsOf<Omit<SocketPluginOptions, keyof SocketScopeOptions>, 'plugin'>
  & RowsOf<Omit<SocketRouteOptions, keyof SocketScopeOptions>, 'route'>
  & { readonly [Name in keyof Parts]: { readonly members: KindsOf<Parts[Name]> } }

// The options that are objects.
interface Parts {
  jwt: JwtName
  heartbeat: HeartbeatOptions
  connections: ConnectionCaps
  rate: RateOptions
  outbox: OutboxOptions
  refusals: RefusalOptions
  drain: NonNullable<SocketPluginOptions['drain']>
  compression: Exclude<SocketPluginOptions['compression'], undefined | boolean>
  tickets: NonNullable<SocketPluginOptions['tickets']>
  websocket: WebsocketPluginOptions
}

type RowsOf<Options, Levels> = {
  readonly [Name in keyof Required<Options>]:
  & KindOf<Required<Options>[Name]>
  & { readonly levels: readonly Levels[] }
}
type KindsOf<Options> = { readonly [Name in keyof Required<Options>]: KindOf<Options[Name]> }
type KindOf<Value> =
  [Value] extends [undefined | number] ? AnyKind & Pick<Amount, 'unit'> : AnyKind

function shared<Of> (
  kind: Of,
  needs?: AnyKind['needs']
): Of & { readonly levels: readonly ['plugin', 'scope', 'route'] } {
  return { ...kind, levels: ['plugin', 'scope', 'route'], ...(needs && { needs }) }
}

function ofPlugin<Of> (kind: Of): Of & { readonly levels: readonly ['plugin'] } {
  return { ...kind, levels: ['plugin'] }
}

function ofRoute<Of> (kind: Of): Of & { readonly levels: readonly ['route'] } {
  return { ...kind, levels: ['route'] }
}
