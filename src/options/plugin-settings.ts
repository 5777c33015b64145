import type { WebsocketPluginOptions } from '@fastify/websocket'
import { WebSocket, type PerMessageDeflateOptions, type ServerOptions } from 'ws'
import type { Compression } from '../message/frame.js'
import { isRecord } from '../members.js'
import { check, checkKeys, hasMethods, integer } from './option-checks.js'
import type { SocketPluginOptions } from './options.js'
import { parts, type Options } from './resolve-options.js'
import type { RevocationStore } from '../auth/revocation.js'
import type { SocketLimits } from '../upgrade/socket-server.js'
import type { TicketStore } from '../auth/ticket.js'

/** Which parts of the fast path are taken. */
export interface FastPath {
  /** What a socket is sent within a turn of the event loop is gathered, encoded once and written at once; not to sockets of the app's own class. */
  readonly write: boolean
  /** Sockets read whole frames themselves, and have a receiver and a sender of `ws` only when they need them; not where the app has `ws` read in another way. */
  readonly read: boolean
}

/** What is set for the whole app, with its defaults. */
export interface PluginSettings {
  /** Milliseconds. */
  readonly handshakeTimeout: number
  /** Bytes. */
  readonly outboxBudget: number
  readonly fastPath: FastPath
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
  return {
    handshakeTimeout: integer(given.handshakeTimeout, 'handshakeTimeout', 'milliseconds') ?? 10_000,
    outboxBudget: integer(given.outboxBudget, 'outboxBudget', 'bytes') ?? 268_435_456,
    fastPath: resolveFastPath(given, websocket.options),
    tickets: resolveTickets(given.tickets),
    revocations: resolveRevocations(given.revocations),
    drain: resolveDrain(given.drain, pluginTimeout),
    // As ws does with what is sent to one.
    compression: perMessageDeflate && { threshold: perMessageDeflate.threshold, windowBits: perMessageDeflate.serverMaxWindowBits, ...perMessageDeflate.zlibDeflateOptions },
    limitsOf,
    websocket
  }
}

function resolveFastPath ({ fastPath: given = true }: SocketPluginOptions, { WebSocket, allowSynchronousEvents }: ServerOptions): FastPath {
  check(typeof given === 'boolean' || given === 'write', 'fastPath', "is neither a boolean nor 'write'")
  const write = given !== false && WebSocket === undefined
  return { write, read: write && given === true && allowSynchronousEvents !== false }
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
  check(websocket.options === undefined || isRecord(websocket.options), 'websocket.options', 'is not a plain object')
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
  checkKeys(given, 'compression', parts.compression, 'neither true, false nor')
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
