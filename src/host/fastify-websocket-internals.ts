import type { EventEmitter } from 'node:events'
import { IncomingMessage, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { PassThrough, type Duplex } from 'node:stream'
import type { FastifyInstance, RouteHandlerMethod } from 'fastify'
import type { WebSocket, WebSocketServer } from 'ws'
import { errors } from '../errors.js'
import { wrapRouting } from './fastify-internals.js'
import { unsupported } from './unsupported.js'

const NAME = '@fastify/websocket'

/** The listener of `@fastify/websocket` for `upgrade` of a server. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/**
 * Removes the `upgrade` listener of `@fastify/websocket` from the server of the app, and returns
 * it.
 *
 * @param register registers `@fastify/websocket`; undefined if the app has registered it. Then the
 * listener is known by its name only: the last such listener is that of this app, as other apps on
 * this server have added theirs before.
 * @throws `FSR_ERR_OPTION_INVALID` if the app's `@fastify/websocket` listens to another server,
 * `FSR_ERR_PACKAGE_UNSUPPORTED`.
 */
export async function takeUpgradeListener (
  { server }: { readonly server: EventEmitter },
  register: undefined | (() => PromiseLike<unknown>)
): Promise<UpgradeListener> {
  const before = server.listeners('upgrade')
  await register?.()
  const isTheirs = register === undefined
    ? ({ name }: { readonly name: string }) => name === 'onUpgrade'
    : (listener: (typeof before)[number]) => !before.includes(listener)
  const listener = server.listeners('upgrade').findLast(isTheirs) as undefined | UpgradeListener
  if (listener !== undefined) {
    server.removeListener('upgrade', listener)
    return listener
  }
  if (register !== undefined) throw unsupported(NAME, "it does not listen to 'upgrade'")
  throw new errors.OptionInvalid('Option websocket.options.server',
    'must be the server of Fastify, also if the app registers @fastify/websocket itself')
}

/**
 * Checks with a request in memory that the listener passes an upgrade to `routing` of Fastify, in
 * the same turn, with a response that has the socket.
 *
 * @throws `FSR_ERR_PACKAGE_UNSUPPORTED`.
 */
export function probeUpgradeListener (fastify: FastifyInstance, listener: UpgradeListener): void {
  const request = Object.assign(new IncomingMessage(new Socket()), {
    method: 'GET',
    url: '/',
    headers: { connection: 'upgrade', upgrade: 'websocket' }
  })
  const socket = new PassThrough()
  let response: undefined | ServerResponse
  const restore = wrapRouting(fastify, () => (_request, its) => { response = its })
  listener(request, socket, Buffer.alloc(0))
  socket.destroy()
  // Otherwise it is not restored: the listener may pass the request on later, to an app that
  // has failed to start.
  if (response?.socket as unknown === socket) restore()
  else throw unsupported(NAME, 'it does not pass upgrades to routing() of Fastify')
}

/**
 * Returns the WebSocket server of `@fastify/websocket`, if it has all that the plugin uses.
 *
 * @throws `FSR_ERR_PACKAGE_UNSUPPORTED`.
 */
export function serverOf (fastify: FastifyInstance): WebSocketServer {
  const server = fastify.websocketServer as undefined | Partial<WebSocketServer>
  for (const name of ['handleUpgrade', 'shouldHandle', 'on', 'emit'] as const) {
    if (typeof server?.[name] !== 'function') {
      throw unsupported(NAME, `websocketServer.${name}() is missing`)
    }
  }
  if (typeof server!.options !== 'object') {
    throw unsupported(NAME, 'websocketServer.options is missing')
  }
  return server as WebSocketServer
}

/**
 * Calls a function when a WebSocket has been created, with the raw request. Without the event the
 * deadline of an upgrade passes, and spares the connection, as it has been answered.
 */
export function onConnection (
  fastify: FastifyInstance,
  run: (socket: WebSocket, request: IncomingMessage) => void
): void {
  serverOf(fastify).on('connection', run)
}

/**
 * Replaces `handleUpgrade` of the WebSocket server of `@fastify/websocket`, which the handler of
 * each route calls to perform an upgrade.
 */
export function wrapHandleUpgrade (
  server: WebSocketServer,
  wrap: (handleUpgrade: WebSocketServer['handleUpgrade']) => WebSocketServer['handleUpgrade']
): void {
  server.handleUpgrade = wrap(server.handleUpgrade)
}

/**
 * Checks that the `onRoute` hook of `@fastify/websocket` has replaced the handler of a route that
 * has a `wsHandler`.
 *
 * @param before the handler that the route was registered with.
 * @throws `FSR_ERR_PACKAGE_UNSUPPORTED`.
 */
export function checkHandler (handler: RouteHandlerMethod, before: RouteHandlerMethod): void {
  if (handler === before) throw unsupported(NAME, 'it does not replace the handler of a route')
}

/** Creates the error for a handler that has not called `handleUpgrade()`. */
export function notUpgraded (): Error {
  return unsupported(NAME, 'the handler of a route does not call handleUpgrade() at once')
}

/**
 * Removes the `error` listeners of a socket. That of `@fastify/websocket` would terminate the
 * connection before the close frame is sent.
 */
export function removeErrorListeners (socket: WebSocket): void {
  socket.removeAllListeners('error')
}

/** Descriptions of the symbols that `@fastify/websocket` adds to the raw request of an upgrade. */
export const upgradeSymbols: readonly string[] = ['ws-socket', 'ws-head']

/**
 * The object that `injectWS` passes as a request: the caller's context, with the headers of a
 * handshake.
 */
export interface InjectedRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, undefined | number | string>>
  readonly socket?: undefined | object
  /** As `remoteAddress` of Fastify's `inject`. */
  readonly remoteAddress?: undefined | string
}

/**
 * Checks a request that comes from `injectWS`, which passes a plain object.
 *
 * @throws `FSR_ERR_PACKAGE_UNSUPPORTED` if it has no headers, which `injectWS` rejects with.
 */
export function checkInjected (request: object): asserts request is InjectedRequest {
  if (typeof (request as Partial<InjectedRequest>).headers !== 'object') {
    throw unsupported(NAME, 'injectWS() passes a request without headers')
  }
}
