import { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { Clock } from '../clock.js'
import { closeCodes, type CloseReason } from '../protocol/close-codes.js'
import type { ExceededLimit, Supervised, Traffic } from '../connection/connection-roles.js'
import {
  WsConnection,
  type BroadcastOptions,
  type ConnectionHost,
  type Room
} from '../connection/connection.js'
import { ConnectionContext } from '../socket/async-context.js'
import { FastSocket } from '../socket/fast-socket.js'
import { subjectsOf, type Identity } from '../connection/identity.js'
import { Inbox } from '../connection/inbox.js'
import {
  announcedBy,
  listen,
  type SocketListener,
  CLOSED,
  violationOf
} from '../socket/socket-events.js'
import { Meter } from '../connection/rate.js'
import { InvalidMessages } from '../connection/invalid-message-limit.js'
import { TokenLifetime } from '../connection/token-lifetime.js'
import { mayGoOn, waitForTurn } from '../socket/turns.js'
import { Outbox } from '../connection/outbox.js'
import { closeReasonOf, errors, isOfLimit } from '../errors.js'
import type { Codec } from '../message/codec.js'
import { writeLog } from '../log.js'
import type { Message } from '../message/message.js'
import { ControllerInvoker, type Pending } from './controller-invoker.js'
import type { CloseInfo } from './controller.js'
import type { RouteRuntime } from './route-runtime.js'

// The number of messages that may wait on a route with a contract. It is above the default of the
// inbox, as messages that must not wait (replies, cancels, renewals) may be among them.
const LOOKED_THROUGH = 256

type Stage =
  | 'opening' // onOpen runs; nothing is read
  | 'open' // messages are handled as they come
  | 'leaving' // the client is gone; messages it sent before are still handled
  | 'closing' // the server closes; messages are dropped
  | 'ended' // onClose has been called

/** Runs one connection, from the upgrade to the close: decides when to call which callback. */
export class ConnectionRunner extends ConnectionContext implements
  ConnectionHost,
  SocketListener,
  Supervised {
  readonly connection: WsConnection
  readonly #route: RouteRuntime
  readonly #socket: WebSocket
  // For the byte counts of the heartbeat. A connection of injectWS has no TCP socket.
  readonly #tcp: undefined | Socket
  // Created when the first message has to wait.
  #inbox: undefined | Inbox
  readonly #outbox: Outbox
  readonly #callbacks: ControllerInvoker
  readonly #token: TokenLifetime
  // Whether a renewal is handled out of turn.
  #isRenewing = false
  #stage: Stage = 'opening'
  #running = 0
  #meter: undefined | Meter
  #isSlowed = false
  // Whether the connection has used up its turn, and waits until others have had theirs.
  #isResting = false
  #closed: undefined | CloseInfo
  // Whether onOpen has settled. No message is handled before, even once the client has left.
  #hasOpened = false
  #hasSettled = false

  constructor (
    route: RouteRuntime,
    socket: WebSocket,
    request: FastifyRequest,
    identity: Identity
  ) {
    super()
    this.#route = route
    this.#socket = socket
    this.#tcp = request.raw.socket instanceof Socket ? request.raw.socket : undefined
    this.#outbox = new Outbox(socket, route.outbox, route.clients.broadcaster, this)
    this.#token = new TokenLifetime(this, route, identity)
    this.connection = new WsConnection(request, socket.protocol, identity.user, this.#outbox, this)
    this.#callbacks = new ControllerInvoker(
      this,
      route.controller,
      route.clients,
      this.connection,
      this.#outbox,
      route.replies
    )
  }

  /** Listens to the socket and runs `onOpen`. No message is read before `onOpen` has settled. */
  open (): void {
    listen(this.#socket, this, this.#outbox)
    if (this.#socket instanceof FastSocket) {
      this.enter(this.#socket.adoptContext, this.#socket, undefined)
    }
    const { clients, live, heartbeat, counts, compaction } = this.#route
    clients.add(this.connection)
    counts.add(this)
    heartbeat?.add(this)
    this.#token.startExpiry()
    compaction?.add(this.connection)
    // Last, as this closes the connection at once if the app is closing.
    live.add(this)

    this.#running = 1
    const pending = this.#callbacks.onOpen()
    if (pending === undefined) {
      this.#opened()
    } else {
      // Nothing has been read yet: reading takes a turn of the event loop.
      this.#socket.pause()
      pending.then(() => { this.#opened() })
    }
  }

  /** Handles a message, or queues it. */
  onMessage (message: Message): void {
    const { size } = message
    const route = this.#route
    // The common case. V8 inlines little more than this, so all other cases are in
    // #takeOrQueue.
    if (
      this.#stage === 'open' &&
      this.#running < route.options.concurrency &&
      !this.#isResting &&
      this.#inbox === undefined &&
      route.options.rate === undefined &&
      size <= route.limits.maxPayload
    ) this.#handle(message)
    else this.#takeOrQueue(message)
    if (!mayGoOn(size)) this.#rest()
  }

  onControlOrFragment (bytes: number, isPong: boolean): void {
    // A control frame or a fragment counts for the rate like a message, but does not wait.
    if (this.isStaying && !(isPong && this.#meter?.ponged() === true)) this.#mayTake(bytes)
    this.#countPiece(bytes)
  }

  // Pauses reading once the connection has used up its turn, so that others get theirs.
  #countPiece (size: number): void {
    if (!mayGoOn(size)) this.#rest()
  }

  #rest (): void {
    if (this.#isResting) return
    this.#isResting = true
    this.#socket.pause()
    waitForTurn(() => this.#nextTurn())
  }

  // Continues in the next turn. Returns whether it can be interrupted.
  #nextTurn (): boolean {
    this.#isResting = false
    this.enter(this.#handleWaiting, this, undefined)
    // Messages are dropped during the close, but the client's close frame has to be read.
    if (this.isDone) this.#socket.resume()
    // ws emits all messages of a read at once, and cannot be stopped in between.
    return this.#socket instanceof FastSocket || this.#socket.isPaused
  }

  #takeOrQueue (message: Message): void {
    const { size } = message
    if (this.isDone) {
      this.#logDropped(1)
    } else if (size > this.#route.limits.maxPayload) {
      this.violated(new errors.MessageTooBig(size, this.#route.limits.maxPayload))
    } else if (
      this.#stage === 'open' &&
      !this.#isResting &&
      !this.#isSlowed &&
      this.#unhandled === 0 &&
      this.#running < this.#route.options.concurrency &&
      this.#mayTake(size, message)
    ) {
      this.#handle(message)
    } else if (this.#isInterruption(message)) {
      // Handled out of turn.
    } else if (this.#inbox?.isFull === true) {
      this.violated(new errors.InboxFull(this.#inbox.bytes, this.#inbox.limit, 'bytes'))
    } else if (this.isStaying) {
      this.#waiting.push(message)
    } else {
      // The rate limit has just closed the connection. A waiting message would only delay onClose.
      this.#logDropped(1)
    }
  }

  get #waiting (): Inbox {
    const { limits, interrupt } = this.#route
    const count = interrupt === undefined ? undefined : LOOKED_THROUGH
    this.#inbox ??= new Inbox(this.#socket, limits.maxPayload, count)
    return this.#inbox
  }

  // Handles a message if it must not wait for the messages before it. Returns whether it did.
  #isInterruption (message: Message): boolean {
    const { interrupt } = this.#route
    if (!this.isStaying || interrupt === undefined) return false
    const interruption = interrupt(this.connection, message, this.#inbox?.last)
    if (interruption === 'none') return false
    if (interruption === 'renewal') return this.#isRenewal(message)
    // The message counts for the rate like any other.
    this.#mayTake(message.size, message)
    return true
  }

  // Handles a renewal while a handler runs, one at a time. Later messages wait for it, so that
  // their handlers see the new user.
  #isRenewal (message: Message): boolean {
    if (this.#isRenewing || !this.#mayTake(message.size, message)) return false
    this.#isRenewing = true
    this.delayOnClose(async () => {
      await this.#callbacks.onMessage(message)
      this.#isRenewing = false
    })
    return true
  }

  countRefusal (): void {
    const { clock, options: { refusals } } = this.#route
    if (refusals === false) return
    this.connection.refusals ??= new InvalidMessages(clock, refusals)
    if (this.connection.refusals.add()) {
      this.closeWith(closeCodes.tooManyRefused, { option: 'refusals', limit: refusals })
    }
  }

  get clock (): Clock {
    return this.#route.clock
  }

  get codec (): Codec {
    return this.#route.codec
  }

  onSocketError (cause: NodeJS.ErrnoException): void {
    const violation = violationOf(cause, this.#route.limits, announcedBy(this.#socket))
    this.enter(this.violated, this, violation)
  }

  /** Closes the connection after a violation of the protocol or a limit, and calls `onError`. */
  violated (error: Error): void {
    // `warn` for a limit: its option may have to be raised.
    if (isOfLimit(error)) this.log('warn', 'limit exceeded', { err: error })
    else this.log('info', 'protocol violation', { err: error })
    if (this.isDone) return
    this.delayOnClose(() => {
      this.closeWith(closeReasonOf(error))
      return this.#callbacks.onError(error)
    })
  }

  get isStaying (): boolean {
    return this.#stage === 'opening' || this.#stage === 'open'
  }

  get isDone (): boolean {
    return this.#stage === 'closing' || this.#stage === 'ended'
  }

  delayOnClose (work: () => Pending): void {
    this.#running++
    const pending = work()
    if (pending === undefined) this.#finished()
    else pending.then(() => { this.#finished() })
  }

  get traffic (): undefined | Traffic {
    if (this.#tcp === undefined) return
    // While ws inflates messages it pauses the TCP socket alone.
    const isPaused = this.#socket.isPaused || this.#tcp.isPaused()
    // Reading is paused because handlers are busy, so the counts say nothing about the client.
    if (isPaused && !this.#outbox.isOverMark) return
    const { bytesRead, bytesWritten, writableLength } = this.#tcp
    return {
      received: bytesRead,
      sent: bytesWritten - writableLength,
      waiting: writableLength,
      isPaused
    }
  }

  ping (): void {
    this.#metered?.pinged()
    this.#outbox.ping()
  }

  onHeartbeatTimeout (): void {
    this.log('info', 'heartbeat timeout')
    this.#socket.terminate()
  }

  get route (): string {
    return this.#route.name
  }

  get ip (): string {
    return this.connection.ip
  }

  get subjects (): readonly string[] {
    return subjectsOf(this.identity)
  }

  get identity (): Identity {
    return this.#token.identity
  }

  renew (token: string, request: FastifyRequest): Promise<unknown> {
    return this.#token.renew(token, request)
  }

  // On a route with a contract, where clients renew by a message.
  get mayHaveUnreadRenewal (): boolean {
    return this.#route.interrupt !== undefined && this.#socket.isPaused
  }

  searchRenewal (isSearching: boolean): void {
    if (!isSearching) {
      this.#inbox?.lookFurther(false)
      return
    }
    this.#waiting.lookFurther(true)
    this.#readOn()
  }

  /** Called once the socket is closed. */
  onSocketClosed (code: number, reason: string): void {
    this.enter(this.#onClosed, this, { code, reason, wasClean: code !== 1006 })
  }

  #onClosed (closed: CloseInfo): void {
    this.#outbox.onSocketClosed()
    if (this.isStaying) this.#stopServing('leaving', closed)
    this.#route.counts.delete(this)
    this.#finishIfClosed()
  }

  close (code: number, reason: string): void {
    this.#closeOnce({ code, reason, wasClean: true })
  }

  terminate (): void {
    this.#closeOnce({ code: 1006, reason: '', wasClean: false })
    this.#socket.terminate()
  }

  /**
   * Called when the time for an orderly close is over. Runs `onClose` if it has not run yet,
   * without waiting for handlers, and terminates the connection.
   */
  onCloseTimeout (): void {
    this.enter(this.#expire, this, undefined)
  }

  #expire (): void {
    this.#callbacks.stopStreams()
    if (this.#stage !== 'ended') {
      this.log('warn', 'handlers did not end in time; calling onClose without waiting for them', {
        running: this.#running,
        unhandled: this.#unhandled
      })
      this.#dropWaiting()
      this.#route.closing.add(this)
      this.#callOnClose()
    } else if (!this.#hasSettled) {
      this.log('warn', 'onClose did not end in time')
      this.#hasSettled = true
    }
    this.#socket.terminate()
    this.#finishIfClosed()
  }

  join (room: string): void {
    const { rooms, options: { roomsPerConnection } } = this.#route
    // Earlier broadcasts leave first. They may overflow the outbox, which closes the connection.
    this.#outbox.flushBroadcasts()
    // A handler that still runs after the close must not add the connection to a room again.
    if (this.isStaying) rooms.join(this.connection, room, roomsPerConnection)
  }

  leave (room: string): void {
    this.#route.rooms.leave(this.connection, room)
  }

  to (rooms: string | Iterable<string>, options: undefined | BroadcastOptions): Room {
    return this.#route.clients.to(rooms, options, this.connection)
  }

  #opened (): void {
    this.#hasOpened = true
    if (this.#stage === 'opening') this.#stage = 'open'
    this.#finished()
  }

  // The number of messages that wait.
  get #unhandled (): number {
    return this.#inbox?.length ?? 0
  }

  // Handles the waiting messages that this turn allows. Calls onClose once no work is left.
  #handleWaiting (): void {
    while (
      !this.#isResting &&
      this.#hasOpened &&
      this.#running < this.#route.options.concurrency &&
      (this.#stage === 'open' || this.#stage === 'leaving')
    ) {
      const next = this.#inbox?.next
      if (next === undefined || !this.#mayTake(next.size, next)) break
      this.#inbox!.shift()
      this.#handle(next)
      this.#countPiece(next.size)
    }
    // Before onOpen has settled nothing is read, except to look for a renewal.
    if (this.#stage === 'open' || this.#token.isSearching) this.#readOn()
    // isAborted: onClose runs after `signal` has aborted, also if nothing is left to wait for.
    else if (
      this.connection.isAborted &&
      this.#running === 0 &&
      this.#unhandled === 0 &&
      this.#stage !== 'ended'
    ) this.#callOnClose()
  }

  // Whether the rate allows a message now. If not, all messages wait for the next window.
  #mayTake (bytes: number, message?: Message): boolean {
    const { options: { rate }, windows, upkeepOf } = this.#route
    const meter = this.#metered
    if (rate === undefined || meter === undefined) return true
    if (
      message !== undefined &&
      upkeepOf !== undefined &&
      meter.isFree(bytes, upkeepOf(message))
    ) return true
    if (meter.admit(bytes)) return true
    if (meter.isExcessive) {
      this.closeWith(closeCodes.tooManyMessages, { option: 'rate', limit: rate })
    } else {
      this.#isSlowed = true
      this.#socket.pause()
      windows!.add(this)
    }
    return false
  }

  // Returns the meter of the client's messages; undefined without a rate, and once the client is
  // gone, as it cannot be slowed down any more.
  get #metered (): undefined | Meter {
    const { clock, options: { rate }, stalls } = this.#route
    if (rate === undefined || this.#stage === 'leaving') return
    this.#meter ??= new Meter(clock, rate, stalls)
    return this.#meter
  }

  onNextWindow (): void {
    this.#isSlowed = false
    this.#meter!.startWindow()
    this.enter(this.#handleWaiting, this, undefined)
  }

  #readOn (): void {
    if (this.#isResting || (this.#isSlowed && !this.#token.isSearching)) return
    if (this.#inbox !== undefined) this.#inbox.resume()
    else if (this.#socket.isPaused) this.#socket.resume()
  }

  #handle (message: Message): void {
    this.#running++
    const pending = this.#callbacks.onMessage(message)
    if (pending === undefined) this.#running--
    else this.#waitFor(pending)
  }

  #waitFor (pending: false | Promise<void>): void {
    if (pending === false) {
      this.#running--
      this.#logDropped(1)
    } else {
      pending.then(() => { this.#finished() })
    }
  }

  #finished (): void {
    this.#running--
    this.#handleWaiting()
  }

  closeWith (closed: CloseReason, limit?: ExceededLimit): boolean {
    if (!this.isStaying) {
      this.#dropOfClosed()
      return false
    }
    const { code, reason } = closed
    const level = limit !== undefined ? 'warn' : closed === closeCodes.restart ? 'debug' : 'info'
    this.log(level, 'the connection is closed', { code, reason, ...limit })
    this.close(code, reason)
    return true
  }

  // The server begins to close. Waiting messages are dropped.
  #closeOnce (closed: CloseInfo): void {
    if (this.isStaying) this.enter(this.#beginClosing, this, closed)
    else this.#dropOfClosed()
  }

  // The client has left, and the server would close the connection now: a refusal, a failure or a
  // revocation holds for the messages that wait too. `onClose` still gets the client's close.
  #dropOfClosed (): void {
    if (this.#stage !== 'leaving') return
    this.#stage = 'closing'
    this.#dropWaiting()
  }

  #beginClosing (closed: CloseInfo): void {
    this.#dropWaiting()
    this.#stopServing('closing', closed)
  }

  #stopServing (stage: 'leaving' | 'closing', closed: CloseInfo): void {
    this.#stage = stage
    this.#closed = closed
    const { clients, rooms, closing, heartbeat, counts, compaction, windows } =
      this.#route
    counts.deleteFromUser(this)
    heartbeat?.delete(this)
    this.#token.stopExpiry()
    compaction?.delete(this.connection)
    clients.delete(this.connection)
    rooms.delete(this.connection)
    closing.add(this)
    windows?.delete(this)
    this.#meter?.stopWatchingStalls()
    this.#callbacks.stopStreams()
    // Not synchronously: the caller may be deep inside a broadcast, or the handler that closes.
    queueMicrotask(() => { this.enter(this.#abort, this, undefined) })
  }

  #abort (): void {
    this.connection.abort()
    this.#handleWaiting()
  }

  #callOnClose (): void {
    const isServer = this.#stage === 'closing'
    const closed = this.#closed!
    this.#stage = 'ended'
    const pending = this.#callbacks.onClose(closed)
    const settled = () => {
      this.#hasSettled = true
      if (isServer) this.#outbox.close(closed.code, closed.reason)
      // The client's close frame has to be read, in the connection's turn.
      if (!this.#isResting) this.#socket.resume()
      this.#finishIfClosed()
    }
    if (pending === undefined) settled()
    else pending.then(settled)
  }

  // The connection has ended once onClose has settled and the socket is closed.
  #finishIfClosed (): void {
    if (!this.#hasSettled || this.#socket.readyState !== CLOSED) return
    this.#route.closing.delete(this)
    this.#route.live.delete(this)
  }

  #dropWaiting (): void {
    this.#logDropped(this.#inbox?.clear() ?? 0)
  }

  #logDropped (count: number): void {
    if (count > 0) this.log('debug', 'messages were not handled', { count })
  }

  // In the connection's async context, where the app's logger may look for the request.
  log (level: 'debug' | 'info' | 'warn' | 'error', message: string, details: object = {}): void {
    this.enter(() => { writeLog(this.connection, level, details, message) }, undefined, undefined)
  }
}
