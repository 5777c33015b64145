import type { EventEmitter } from 'node:events'
import { IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../clock.js'
import { Deadlines } from '../connection/deadlines.js'
import { asError } from '../errors.js'
import { wrapRouting } from '../host/fastify-internals.js'
import {
  onConnection,
  probeUpgradeListener,
  type UpgradeListener
} from '../host/fastify-websocket-internals.js'
import { writeLog } from '../log.js'
import { offersWebsocket } from './handshake.js'
import { completeInjected } from './injected.js'
import { isFree, readAsPlain } from './ignored-upgrade.js'
import { refuseAsClosing, refuseAsFailed, sayLast } from './refusal.js'
import { listenerOf, type ServerListeners } from './listener-registry.js'

/** An upgrade request, from its arrival to its response. */
class Arrival {
  readonly socket: Duplex
  readonly head: Buffer
  /** Whether it was passed to `@fastify/websocket`. */
  isDispatched = false
  /** The response by which Fastify refuses it; undefined until Fastify routes the request. */
  response: undefined | ServerResponse
  readonly #written: undefined | number

  constructor (socket: Duplex, head: Buffer) {
    this.socket = socket
    this.head = head
    this.#written = bytesWritten(socket)
  }

  /**
   * Whether a listener or route has written to the socket or ended it, or the socket is destroyed.
   */
  get isAnswered (): boolean {
    const { destroyed, writableEnded } = this.socket
    return destroyed || writableEnded || bytesWritten(this.socket) !== this.#written
  }
}

/** The options of `PendingUpgrades`. */
export interface PendingUpgradesOptions {
  readonly clock: Clock
  /** Milliseconds from an upgrade request to its response. */
  readonly timeout: number
  /** Whether the app is closing. */
  readonly live: { readonly isClosing: boolean }
  /** The upgrades that belong to another library, and are ignored. */
  readonly left: { has (request: IncomingMessage): boolean }
  /** Whether the upgrade of a URL may be for a socket route, which needs `@fastify/websocket`. */
  readonly isSocketRoute: (url: string) => boolean
  /** Forgets the connection of every upgrade, as HTTP has ended on it. */
  readonly connections: { untrack (socket: Socket): void }
  /** Takes credentials from the URL, before any other listener, as these may log the URL. */
  readonly credentials: { takeFrom (request: IncomingMessage): void }
}

/**
 * Passes upgrade requests to Fastify. It replaces the listener of `@fastify/websocket`, so that a
 * request is routed once, with any other listeners on the server, and a request that another
 * listener has handled is left alone. Every refusal ends the connection. An upgrade without a
 * response in time is destroyed.
 */
export class PendingUpgrades {
  readonly #server: EventEmitter
  readonly #options: PendingUpgradesOptions
  readonly #dispatch: UpgradeListener
  // A map, as another app on this server keeps its own arrival for the same request. null: the
  // request has been handled.
  readonly #arrivals = new WeakMap<IncomingMessage, null | Arrival>()
  // The requests that Fastify has, and that have no response yet.
  readonly #waiting = new Set<IncomingMessage>()
  readonly #deadlines: Deadlines<IncomingMessage>
  // The upgrades that belong to another library, by socket.
  readonly #left = new Map<Duplex, Arrival>()
  // One listener, shared by all responses.
  readonly #onClose = onCloseOf((request) => { this.#forget(request) })
  readonly #onLeftClose = listenerOf((socket: Duplex) => { this.#left.delete(socket) })

  /**
   * @param dispatch the listener of `@fastify/websocket`.
   * @throws `FSR_ERR_PACKAGE_UNSUPPORTED`.
   */
  constructor (
    fastify: FastifyInstance,
    listeners: ServerListeners,
    dispatch: UpgradeListener,
    options: PendingUpgradesOptions
  ) {
    const { server } = fastify
    this.#server = server
    this.#options = options
    this.#dispatch = dispatch
    probeUpgradeListener(fastify, dispatch)
    this.#deadlines = new Deadlines(options.clock, options.timeout, (request) => {
      this.#cut(request)
    })
    this.#watchRouting(fastify)
    this.watch(server, listeners)
    listeners.onRemoval(() => {
      for (const socket of this.#left.keys()) socket.removeListener('close', this.#onLeftClose)
    })
    // Named unlike the listener of @fastify/websocket, for which takeUpgradeListener() of another
    // app looks.
    const arrive: UpgradeListener = (request, socket, head) => {
      this.#arrive(request, socket, head)
    }
    listeners.prepend(server, 'upgrade', arrive)
    // Emitted for bare routes of @fastify/websocket too: the WebSocket has the connection from now
    // on.
    onConnection(fastify, (_socket, request) => { this.#forget(request) })
  }

  /** Makes a server of Node 24 or later read offers of other protocols as plain requests. */
  watch (server: EventEmitter, listeners: ServerListeners): void {
    const node = server as EventEmitter & {
      shouldUpgradeCallback?: (request: IncomingMessage) => boolean
    }
    const { shouldUpgradeCallback } = node
    if (shouldUpgradeCallback === undefined) return
    const { left } = this.#options
    let isRemoved = false
    const own = (request: IncomingMessage): boolean =>
      shouldUpgradeCallback.call(node, request) &&
      (isRemoved || offersWebsocket(request.headers) || left.has(request))
    node.shouldUpgradeCallback = own
    listeners.onRemoval(() => {
      isRemoved = true
      // Another app on this server may have wrapped the callback.
      if (node.shouldUpgradeCallback === own) node.shouldUpgradeCallback = shouldUpgradeCallback
    })
  }

  /** Destroys the upgrades without a response. */
  end (): void {
    for (const request of this.#waiting) this.#cut(request)
  }

  /** Destroys upgrades that another library has not handled. Node would wait for them forever. */
  endLeft (): void {
    for (const [socket, { isAnswered }] of this.#left) {
      if (!isAnswered) socket.destroy()
    }
  }

  #arrive (request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { left, connections, credentials } = this.#options
    // injectWS passes a plain object.
    if (!(request instanceof IncomingMessage)) {
      completeInjected(request, socket, this.#server instanceof TlsServer)
    }
    connections.untrack(socket as Socket)
    // Without another listener no library could handle a left upgrade.
    if (left.has(request) && this.#server.listenerCount('upgrade') > 1) {
      this.#leave(socket, head)
      return
    }
    if (!offersWebsocket(request.headers)) {
      readAsPlain(this.#server, request, socket, head)
      return
    }
    credentials.takeFrom(request)
    const arrival = new Arrival(socket, head)
    this.#arrivals.set(request, arrival)
    if (this.#server.listenerCount('upgrade') === 1) {
      this.#answer(request, arrival)
      return
    }
    // Another listener may handle the request, or have it routed: by this app, or by another app,
    // whose response then has the socket.
    const wasFree = isFree(request, socket)
    queueMicrotask(() => {
      const isTaken = arrival.response !== undefined || arrival.isAnswered ||
        (wasFree && !isFree(request, socket))
      if (!isTaken) this.#answer(request, arrival)
    })
  }

  #leave (socket: Duplex, head: Buffer): void {
    this.#left.set(socket, new Arrival(socket, head))
    // Node has removed its own error listener, and the other library may add one later. Without one
    // a reset would end the process.
    socket.on('error', ignore).on('close', this.#onLeftClose)
  }

  #answer (request: IncomingMessage, arrival: Arrival): void {
    const { socket, head } = arrival
    if (this.#options.live.isClosing) {
      refuseAsClosing(request, socket)
      return
    }
    arrival.isDispatched = true
    this.#dispatch(request, socket, head)
    // Pipelined behind a request without a response (RFC 9112 section 9.3.2): the connection
    // belongs to that response.
    if (arrival.response === undefined) socket.destroy()
  }

  // Every upgrade reaches Fastify by `fastify.routing`, from @fastify/websocket and
  // @fastify/http-proxy.
  #watchRouting (fastify: FastifyInstance): void {
    wrapRouting(fastify, (routing) => (request, response) => {
      const arrival = this.#arrivals.get(request)
      if (arrival === undefined) {
        routing(request, response)
        return
      }
      const isRouted = arrival === null || arrival.response !== undefined
      if (isRouted || (!arrival.isDispatched && this.#options.isSocketRoute(request.url!))) {
        // Another listener routes this request. A socket route would get no socket that way, and a
        // request is routed only once.
        if (response.socket !== null) response.detachSocket(response.socket)
        if (!isRouted) this.#answer(request, arrival)
        return
      }
      this.#await(request, arrival, response)
      try {
        routing(request, response)
      } catch (thrown) {
        // Thrown by code of the app that runs before there is a reply: trustProxy, genReqId,
        // rewriteUrl, a constraint, a logger.
        writeLog(fastify, 'error', { err: asError(thrown) }, 'an upgrade has failed')
        refuseAsFailed(response)
      }
    })
  }

  #await (request: IncomingMessage, arrival: Arrival, response: ServerResponse): void {
    arrival.response = response
    sayLast(response)
    response.on('finish', endConnection).on('close', this.#onClose).on('newListener', passDrainOn)
    this.#waiting.add(request)
    this.#deadlines.add(request)
  }

  #cut (request: IncomingMessage): void {
    const { socket, isAnswered } = this.#arrivals.get(request)!
    this.#forget(request)
    if (!isAnswered) socket.destroy()
  }

  #forget (request: IncomingMessage): void {
    const response = this.#arrivals.get(request)?.response
    this.#arrivals.set(request, null)
    response?.removeListener('close', this.#onClose)
    this.#waiting.delete(request)
    this.#deadlines.delete(request)
  }
}

function ignore (): void {}

function onCloseOf (forget: (request: IncomingMessage) => void): (this: ServerResponse) => void {
  return function () { forget(this.req) }
}

function endConnection (this: ServerResponse): void {
  this.socket?.destroy()
}

// Node has removed its own drain listener. Without one a response longer than the socket's buffer
// would stop.
function passDrainOn (this: ServerResponse, event: string | symbol): void {
  if (event !== 'drain') return
  this.removeListener('newListener', passDrainOn)
  this.socket?.on('drain', () => { this.emit('drain') })
}

// Returns undefined for a stream that is no TCP connection, such as that of `injectWS`.
function bytesWritten (socket: Duplex & { readonly bytesWritten?: number }): undefined | number {
  return socket.bytesWritten
}
