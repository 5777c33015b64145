import type { WebsocketPluginOptions } from '@fastify/websocket'
import { WebSocket, type PerMessageDeflateOptions, type ServerOptions } from 'ws'
import type { Compression } from '../message/frame.js'
import { check } from '../option-checks.js'
import type { ValuesOf } from './option-table.js'
import type { SocketPluginOptions } from './options.js'
import { defaults, resolveOptions } from './resolve-options.js'
import type { SocketLimits } from '../upgrade/socket-server.js'

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

type Derived = 'fastPath' | 'compression' | 'websocket'

/** The effective options of the plugin, and what follows from them. */
export interface PluginSettings extends Omit<ValuesOf<'plugin'>, Derived> {
  readonly fastPath: FastPath
  /** How broadcasts are compressed, if the option `compression` is set. */
  readonly compression: undefined | Compression
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
 * Checks the options of the plugin, and applies their defaults.
 *
 * @throws as `resolveOptions`.
 */
export function resolvePlugin (
  given: SocketPluginOptions,
  { isRegistered, pluginTimeout = 0 }: Surroundings
): PluginSettings {
  const options = resolveOptions(defaults, given, 'plugin')
  const { deadline } = options.drain
  check(pluginTimeout === 0 || deadline < pluginTimeout, 'drain.deadline',
    `is not less than pluginTimeout of Fastify (${pluginTimeout}), which would end the process: ` +
    'raise that as well, Fastify({ pluginTimeout })')
  check(!isRegistered || given.websocket === undefined, 'websocket',
    'has no effect, as the app has registered @fastify/websocket itself: set the options there')
  const perMessageDeflate = deflateOptions(options.compression)
  const limitsOf = createLimits(given.maxFragments)
  const websocket = resolveWebsocket(options, {
    ...limitsOf(options.maxPayload),
    perMessageDeflate: perMessageDeflate ?? false
  })
  return {
    ...options,
    fastPath: resolveFastPath(options.fastPath, websocket.options),
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
  fastPath: boolean | 'write',
  { WebSocket, allowSynchronousEvents }: ServerOptions
): FastPath {
  const write = fastPath !== false && WebSocket === undefined
  return { write, read: write && fastPath === true && allowSynchronousEvents !== false }
}

function resolveWebsocket (
  { closeTimeout, websocket }: ValuesOf<'plugin'>,
  own: Pick<ServerOptions, 'perMessageDeflate'> & SocketLimits
): PluginSettings['websocket'] {
  const { options } = websocket
  // Upgrades of another server would bypass the checks before routing.
  check(options?.server === undefined, 'websocket.options.server',
    'cannot be set: the server is that of Fastify')
  check(isOwnSocket(options?.WebSocket), 'websocket.options.WebSocket',
    'does not extend WebSocket of the ws that this plugin uses, so that its limits would not ' +
    'apply: have one version of ws installed (npm ls ws)')
  const renamed = [
    ['maxPayload', 'maxPayload'],
    ['maxFragments', 'maxFragments'],
    ['perMessageDeflate', 'compression']
  ] as const
  for (const [name, own] of renamed) {
    check(options?.[name] === undefined, `websocket.options.${name}`,
      `cannot be set: use the option ${own} of this plugin`)
  }
  // How long a closed client may keep its TCP connection. @types/ws does not have it.
  const untyped = { closeTimeout } as object
  const all = { ...websocket, options: { ...own, ...untyped, ...options } }
  return all as PluginSettings['websocket']
}

function createLimits (maxFragments: undefined | number): PluginSettings['limitsOf'] {
  return (maxPayload) => ({
    maxPayload,
    // If ws reads, even a short fragment retains the 64 KiB chunk that it was read with until its
    // message is complete.
    maxFragments: maxFragments ?? Math.max(defaults.maxFragments, Math.ceil(maxPayload / 512)),
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

function deflateOptions (compression: ValuesOf<'plugin'>['compression']) {
  if (compression === false) return
  return {
    threshold: compression.threshold,
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
