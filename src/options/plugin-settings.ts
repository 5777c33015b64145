import type { WebsocketPluginOptions } from '@fastify/websocket'
import { WebSocket, type PerMessageDeflateOptions, type ServerOptions } from 'ws'
import type { Compression } from '../message/frame.js'
import { isRecord } from '../members.js'
import { check, checkKeys, hasMethods, integer } from '../option-checks.js'
import type { SocketPluginOptions } from './options.js'
import { parts, type Options } from './resolve-options.js'
import type { RevocationStore } from '../auth/revocation.js'
import type { SocketLimits } from '../upgrade/socket-server.js'
import type { TicketStore } from '../auth/ticket.js'

/** Which parts of the fast path are on. */
export interface FastPath {
  /**
   * Messages sent within one turn of the event loop are gathered, encoded once and written at once.
   * Off for a `WebSocket` class of the app's own.
   */
  readonly write: boolean
  /**
   * Sockets read whole frames themselves, and create the receiver and the sender of `ws` only when
   * they need them. Off if the option `allowSynchronousEvents` of `ws` is `false`.
   */
  readonly read: boolean
}

/** The options of the plugin alone, with defaults applied. */
export interface PluginSettings {
  /** Milliseconds. */
  readonly handshakeTimeout: number
  /** Bytes. */
  readonly outboxBudget: number
  readonly fastPath: FastPath
  /** How broadcasts are compressed, if the option `compression` is set. */
  readonly compression: undefined | Compression
  readonly tickets: { readonly ttl: number, readonly store: undefined | TicketStore }
  readonly revocations: undefined | RevocationStore
  readonly drain: { readonly deadline: number, readonly batch: number, readonly interval: number }
  /** Returns the limits on what `ws` buffers of a message, given the largest message in bytes. */
  readonly limitsOf: (maxPayload: number) => SocketLimits
  /** The options of `@fastify/websocket`; the server of socket routes uses their `options`. */
  readonly websocket: WebsocketPluginOptions & { readonly options: ServerOptions }
}

/** The state of the app when the plugin is registered. */
interface Surroundings {
  /** Whether the app has registered `@fastify/websocket`: the option for it has no effect then. */
  readonly isRegistered: boolean
  /** `pluginTimeout` of Fastify, after which a `preClose` hook ends the process; 0 for none. */
  readonly pluginTimeout: undefined | number
}

/**
 * Checks the options of the plugin alone, and applies their defaults.
 *
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function resolvePlugin (
  given: SocketPluginOptions,
  shared: Options,
  { isRegistered, pluginTimeout = 0 }: Surroundings
): PluginSettings {
  const perMessageDeflate = deflateOptions(given.compression)
  const limitsOf = resolveLimits(given)
  const websocket = resolveWebsocket(given, shared, isRegistered, {
    ...limitsOf(shared.maxPayload),
    perMessageDeflate: perMessageDeflate ?? false
  })
  return {
    handshakeTimeout: integer(given.handshakeTimeout, 'handshakeTimeout', 'milliseconds') ?? 10_000,
    outboxBudget: integer(given.outboxBudget, 'outboxBudget', 'bytes') ?? 268_435_456,
    fastPath: resolveFastPath(given, websocket.options),
    tickets: resolveTickets(given.tickets),
    revocations: resolveRevocations(given.revocations),
    drain: resolveDrain(given.drain, pluginTimeout),
    // The same parameters that ws uses for a message to one client.
    compression: perMessageDeflate && {
      threshold: perMessageDeflate.threshold,
      windowBits: perMessageDeflate.serverMaxWindowBits,
      ...perMessageDeflate.zlibDeflateOptions
    },
    limitsOf,
    websocket
  }
}

function resolveFastPath (
  { fastPath: given = true }: SocketPluginOptions,
  { WebSocket, allowSynchronousEvents }: ServerOptions
): FastPath {
  check(typeof given === 'boolean' || given === 'write', 'fastPath',
    "is neither a boolean nor 'write'")
  const write = given !== false && WebSocket === undefined
  return { write, read: write && given === true && allowSynchronousEvents !== false }
}

function resolveTickets (given: SocketPluginOptions['tickets'] = {}): PluginSettings['tickets'] {
  checkKeys(given, 'tickets', parts.tickets)
  const { store } = given
  check(store === undefined || hasMethods(store, ['put', 'take']), 'tickets.store',
    'is not { put, take }')
  return { ttl: integer(given.ttl, 'tickets.ttl', 'milliseconds') ?? 30_000, store }
}

function resolveRevocations (
  given: SocketPluginOptions['revocations']
): undefined | RevocationStore {
  check(given === undefined || hasMethods(given, ['revoke', 'revokedBefore']), 'revocations',
    'is not { revoke, revokedBefore }')
  return given
}

function resolveDrain (
  given: SocketPluginOptions['drain'] = {},
  pluginTimeout: number
): PluginSettings['drain'] {
  checkKeys(given, 'drain', parts.drain)
  const deadline = integer(given.deadline, 'drain.deadline', 'milliseconds') ?? 5_000
  check(pluginTimeout === 0 || deadline < pluginTimeout, 'drain.deadline',
    `is not less than pluginTimeout of Fastify (${pluginTimeout}), which would end the process: ` +
    'raise that as well, Fastify({ pluginTimeout })')
  return {
    deadline,
    batch: integer(given.batch, 'drain.batch', 'connections') ?? 1_000,
    interval: integer(given.interval, 'drain.interval', 'milliseconds') ?? 100
  }
}

function resolveWebsocket (
  given: SocketPluginOptions,
  { closeTimeout }: Options,
  isRegistered: boolean,
  own: Pick<ServerOptions, 'perMessageDeflate'> & SocketLimits
): PluginSettings['websocket'] {
  check(!isRegistered || given.websocket === undefined, 'websocket',
    'has no effect, as the app has registered @fastify/websocket itself: set the options there')
  const { websocket = {} } = given
  checkKeys(websocket, 'websocket', ['options', 'errorHandler', 'preClose'])
  check(websocket.options === undefined || isRecord(websocket.options), 'websocket.options',
    'is not a plain object')
  // Upgrades of another server would bypass the checks before routing.
  check(websocket.options?.server === undefined, 'websocket.options.server',
    'cannot be set: the server is that of Fastify')
  check(isOwnSocket(websocket.options?.WebSocket), 'websocket.options.WebSocket',
    'does not extend WebSocket of the ws that this plugin uses, so that its limits would not ' +
    'apply: have one version of ws installed (npm ls ws)')
  const renamed = [
    ['maxPayload', 'maxPayload'],
    ['maxFragments', 'maxFragments'],
    ['perMessageDeflate', 'compression']
  ] as const
  for (const [name, own] of renamed) {
    check(websocket.options?.[name] === undefined, `websocket.options.${name}`,
      `cannot be set: use the option ${own} of this plugin`)
  }
  // How long a closed client may keep its TCP connection. @types/ws does not have it.
  const untyped = { closeTimeout } as object
  return { ...websocket, options: { ...own, ...untyped, ...websocket.options } }
}

function resolveLimits (given: SocketPluginOptions): PluginSettings['limitsOf'] {
  const maxFragments = integer(given.maxFragments, 'maxFragments', 'fragments')
  return (maxPayload) => ({
    maxPayload,
    // If ws reads, even a short fragment retains the 64 KiB chunk that it was read with until its
    // message is complete.
    maxFragments: maxFragments ?? Math.max(128, Math.ceil(maxPayload / 512)),
    // If ws reads, a frame retains some 120 bytes for each chunk that it arrived in. @types/ws does
    // not have it.
    maxBufferedChunks: Math.max(1_024, Math.ceil(maxPayload / 64))
  })
}

function isOwnSocket (given: unknown): boolean {
  return given === undefined ||
    given === WebSocket ||
    (typeof given === 'function' && given.prototype instanceof WebSocket)
}

function deflateOptions (compression: SocketPluginOptions['compression'] = false) {
  if (compression === false) return
  const given = compression === true ? {} : compression
  checkKeys(given, 'compression', parts.compression, 'neither true, false nor')
  return {
    threshold: integer(given.threshold, 'compression.threshold', 'bytes') ?? 1_024,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    // ws keeps a zlib stream for each client that it has sent to. With these settings it takes less
    // than half the memory of zlib's defaults, and JSON gets as small. Not all browsers let the
    // server choose the window of their own messages.
    serverMaxWindowBits: 12,
    zlibDeflateOptions: { memLevel: 5 },
    // The size of Node's thread pool: more would only delay file access and name resolution.
    concurrencyLimit: 4
  } satisfies PerMessageDeflateOptions
}
