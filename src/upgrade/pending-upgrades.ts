import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../clock.js'
import { Deadlines } from '../connection/deadlines.js'
import { asError, errors } from '../errors.js'
import { writeLog } from '../log.js'
import { offersWebsocket } from './handshake.js'
import { isFree, readAsPlain } from './plain-request.js'
import { refuseAsClosing, refuseAsFailed, sayLast } from './refusal.js'
import { listenerOf, type ServerListeners } from './server-listeners.js'

/** An upgrade request, from its arrival to its answer. */
class Arrival {
  readonly socket: Duplex
  readonly head: Buffer
  /** Whether `@fastify/websocket` was given it. */
  isDispatched = false
  /** The response that Fastify refuses it by; there is none before Fastify has it. */
  response: undefined | ServerResponse
  readonly #written: undefined | number

  constructor (socket: Duplex, head: Buffer) {
    this.socket = socket
    this.head = head
    this.#written = bytesWritten(socket)
  }

  /** Whether there is nothing left to wait for: whichever listener or route has written or ended, or the connection is gone. */
  get isAnswered (): boolean {
    const { destroyed, writableEnded } = this.socket
    return destroyed || writableEnded || bytesWritten(this.socket) !== this.#written
  }
}

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void
type Router = Pick<FastifyInstance, 'routing'>

/** What the gate asks and tells the rest. */
export interface PendingUpgradesOptions {
  readonly clock: Clock
  /** Milliseconds from an upgrade request to its answer. */
  readonly timeout: number
  /** Whether the app is closing. */
  readonly live: { readonly isClosing: boolean }
  /** Whether the upgrade is another library's, so that nothing of it is looked at. */
  readonly isLeft: (request: IncomingMessage) => boolean
  /** Whether the upgrade may be to a route that needs `@fastify/websocket`; the others are for who has them routed. */
  readonly isSocketRoute: (request: IncomingMessage) => boolean
  /** HTTP is not spoken any more on this connection. */
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex) => void
  /** Before any other listener, as those may log the address. */
  readonly onArrival: (request: IncomingMessage) => void
}

/**
 * The way of upgrade requests into Fastify. It takes the place of the listener of `@fastify/websocket`, so that a request is routed
 * once, whichever listeners a server has; and that what another listener has answered is not answered again. A refused request
 * ends its connection, whoever refuses it. An upgrade that is not answered in time is cut.
 */
export class PendingUpgrades {
  readonly #server: EventEmitter
  readonly #options: PendingUpgradesOptions
  readonly #dispatch: UpgradeListener
  // Not on the requests: another app on this server has its own of the same one. `null` when it is answered.
  readonly #arrivals = new WeakMap<IncomingMessage, null | Arrival>()
  // Those that Fastify has and that are not answered, as far as is known.
  readonly #waiting = new Set<IncomingMessage>()
  readonly #deadlines: Deadlines<IncomingMessage>
  // Those that another library is to answer, by their sockets.
  readonly #left = new Map<Duplex, Arrival>()
  // One listener for all responses.
  readonly #onClose = onCloseOf((request) => { this.#forget(request) })
  readonly #onLeftClose = listenerOf((socket: Duplex) => { this.#left.delete(socket) })

  /** @throws `FSR_ERR_OPTION_INVALID` if the app's `@fastify/websocket` listens to another server. */
  constructor (fastify: FastifyInstance, listeners: ServerListeners, options: PendingUpgradesOptions) {
    const { server } = fastify
    this.#server = server
    this.#options = options
    this.#dispatch = takeListener(server)
    this.#deadlines = new Deadlines(options.clock, options.timeout, (request) => { this.#cut(request) })
    this.#watchRouting(fastify)
    this.watch(server, listeners)
    listeners.onRemoval(() => { for (const socket of this.#left.keys()) socket.removeListener('close', this.#onLeftClose) })
    listeners.prepend(server, 'upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => { this.#arrive(request, socket, head) })
    // Of ours, and of bare routes: the WebSocket has the connection from now on.
    fastify.websocketServer.on('connection', (_socket, request: IncomingMessage) => { this.#forget(request) })
  }

  /** Has a server of Node 24 or later read offers of other protocols as plain requests by itself. */
  watch (server: EventEmitter, listeners: ServerListeners): void {
    const node = server as EventEmitter & { shouldUpgradeCallback?: (request: IncomingMessage) => boolean }
    const { shouldUpgradeCallback } = node
    if (shouldUpgradeCallback === undefined) return
    const { isLeft } = this.#options
    let isRemoved = false
    const own = (request: IncomingMessage): boolean =>
      shouldUpgradeCallback.call(node, request) && (isRemoved || offersWebsocket(request.headers) || isLeft(request))
    node.shouldUpgradeCallback = own
    listeners.onRemoval(() => {
      isRemoved = true
      // Another app on this server may have put one of its own around it.
      if (node.shouldUpgradeCallback === own) node.shouldUpgradeCallback = shouldUpgradeCallback
    })
  }

  /** Cuts those that are not answered. */
  end (): void {
    for (const request of this.#waiting) this.#cut(request)
  }

  /** Cuts those that another library was to answer, and has not: Node would wait for them without end. */
  endLeft (): void {
    for (const [socket, { isAnswered }] of this.#left) if (!isAnswered) socket.destroy()
  }

  #arrive (request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { isLeft, onUpgrade, onArrival } = this.#options
    onUpgrade(request, socket)
    // Where nobody else listens, nobody else answers.
    if (isLeft(request) && this.#server.listenerCount('upgrade') > 1) {
      this.#leave(socket, head)
      return
    }
    if (!offersWebsocket(request.headers)) {
      readAsPlain(this.#server, request, socket, head)
      return
    }
    onArrival(request)
    const arrival = new Arrival(socket, head)
    this.#arrivals.set(request, arrival)
    if (this.#server.listenerCount('upgrade') === 1) {
      this.#answer(request, arrival)
      return
    }
    // Another listener may answer it, or have it routed: by this app, or by another, whose response has the socket then.
    const wasFree = isFree(request, socket)
    queueMicrotask(() => {
      const isTaken = arrival.response !== undefined || arrival.isAnswered || (wasFree && !isFree(request, socket))
      if (!isTaken) this.#answer(request, arrival)
    })
  }

  #leave (socket: Duplex, head: Buffer): void {
    this.#left.set(socket, new Arrival(socket, head))
    // Node has taken its own listener away, and the other library may add one only later: a reset must not end the process.
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
    // Behind a request without an answer (RFC 9112 section 9.3.2): the connection belongs to that answer.
    if (arrival.response === undefined) socket.destroy()
  }

  // All upgrades come to Fastify by `fastify.routing`: by way of @fastify/websocket, and of @fastify/http-proxy.
  #watchRouting (fastify: FastifyInstance): void {
    const router = routerOf(fastify)
    const { routing } = router
    router.routing = (request, response) => {
      const arrival = this.#arrivals.get(request)
      if (arrival === undefined) {
        routing(request, response)
        return
      }
      const isRouted = arrival === null || arrival.response !== undefined
      if (isRouted || (!arrival.isDispatched && this.#options.isSocketRoute(request))) {
        // Another listener has it routed, by which a socket route would not get a socket; and it is routed once.
        if (response.socket !== null) response.detachSocket(response.socket)
        if (!isRouted) this.#answer(request, arrival)
        return
      }
      this.#await(request, arrival, response)
      try {
        routing(request, response)
      } catch (thrown) {
        // By what of the app runs before there is a reply: trustProxy, genReqId, rewriteUrl, a constraint, a logger.
        writeLog(fastify, 'error', { err: asError(thrown) }, 'an upgrade has failed')
        refuseAsFailed(response)
      }
    }
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

// Node has taken its own listener away, so that an answer longer than what the socket buffers would stop.
function passDrainOn (this: ServerResponse, event: string | symbol): void {
  if (event !== 'drain') return
  this.removeListener('newListener', passDrainOn)
  this.socket?.on('drain', () => { this.emit('drain') })
}

// A stream that is no TCP connection, as that of `injectWS`, does not count.
function bytesWritten (socket: Duplex & { readonly bytesWritten?: number }): undefined | number {
  return socket.bytesWritten
}

// What @fastify/websocket has added is known by its name alone. Another app on this server has added its own before.
function takeListener (server: EventEmitter): UpgradeListener {
  const listener = server.listeners('upgrade').findLast(({ name }) => name === 'onUpgrade')
  if (listener === undefined) throw new errors.OptionInvalid('websocket.options.server', 'is none but that of Fastify, also where the app registers @fastify/websocket itself')
  server.removeListener('upgrade', listener as UpgradeListener)
  return listener as UpgradeListener
}

// Scopes inherit it from the app.
function routerOf (fastify: FastifyInstance): Router {
  let owner: Router = fastify
  while (!Object.hasOwn(owner, 'routing')) owner = Object.getPrototypeOf(owner)
  return owner
}
