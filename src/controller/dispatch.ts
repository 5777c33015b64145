import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { closeCodes, type CloseReason } from '../close-codes.js'
import { WsConnection, type ConnectionKeeper, type Room } from '../connection/connection.js'
import type { Deadlines } from '../connection/deadlines.js'
import type { Expiry } from '../connection/expiry.js'
import type { Beating, Heartbeat } from '../connection/heartbeat.js'
import type { Identity } from '../connection/identity.js'
import { Inbox } from '../connection/inbox.js'
import { Meter, type Rate } from '../connection/rate.js'
import { Outbox, type OutboxOwner } from '../connection/outbox.js'
import { closeReasonOf, errors } from '../errors.js'
import { Message } from '../message/message.js'
import { toFrame } from '../message/outbound.js'
import type { ClientSet } from '../room/clients.js'
import type { ConnectionCounts, Counted } from '../room/counts.js'
import type { Rooms } from '../room/rooms.js'
import type { CloseInfo, Returned, SocketController } from './controller.js'
import { Streams } from './streams.js'

/** The connections that are not done yet: a connection is, when its `onClose` has settled and its socket is closed. */
export interface LiveDispatches {
  add (dispatch: Dispatch): void
  delete (dispatch: Dispatch): void
}

/** What the connections of one route have in common. */
export interface DispatchRoute {
  readonly controller: SocketController
  readonly clients: ClientSet
  readonly counts: ConnectionCounts
  readonly rooms: Rooms
  readonly live: LiveDispatches
  readonly closing: Deadlines<Dispatch>
  readonly heartbeat: undefined | Heartbeat
  readonly expiry: Expiry<Dispatch>
  /** Verifies a token that comes while connected, and asks whether its user is still granted. */
  readonly renew: (request: FastifyRequest, token: string, before: Identity) => Promise<Identity>
  readonly concurrency: number
  readonly rate: undefined | Rate
  /** Tells when a client that was too fast may go on. */
  readonly windows: undefined | Deadlines<Dispatch>
  readonly maxPayload: number
  readonly outboxLimit: number
  readonly roomsPerConnection: number
}

type Stage =
  | 'opening' // onOpen runs; nothing is read
  | 'open' // messages are handled as they come
  | 'leaving' // the client is gone; what it sent before is still handled
  | 'closing' // the server closes; what comes is dropped
  | 'ended' // onClose has been called

// Whose answer it is that is being sent: what fails in onError itself is not given to it again.
type Source = 'onOpen' | 'onMessage' | 'onClose' | 'onError'

// Something to wait for, which never rejects, or nothing.
type Pending = undefined | Promise<void>

const kDispatch = Symbol('dispatch')
type DispatchedSocket = WebSocket & { [kDispatch]: Dispatch }

/**
 * Runs the controller for one connection. Only this file calls user code while connected, and nothing that user code or a
 * client does escapes it: no callback of a socket throws, no promise is left to reject.
 */
export class Dispatch implements ConnectionKeeper, OutboxOwner, Beating, Counted {
  readonly connection: WsConnection
  readonly #route: DispatchRoute
  readonly #socket: WebSocket
  // What TCP counts; a connection of injectWS has none.
  readonly #tcp: undefined | Socket
  readonly #inbox: Inbox
  readonly #outbox: Outbox
  readonly #request: FastifyRequest
  #identity: Identity
  #stage: Stage = 'opening'
  #running = 0
  #streams: undefined | Streams
  #meter: undefined | Meter
  #isSlowed = false
  #closed: undefined | CloseInfo
  // Whether onOpen has settled: nothing is handled before, also if the client has left meanwhile.
  #hasOpened = false
  #hasSettled = false

  constructor (route: DispatchRoute, socket: WebSocket, request: FastifyRequest, identity: Identity) {
    this.#route = route
    this.#socket = socket
    this.#tcp = request.raw.socket as undefined | Socket
    this.#inbox = new Inbox(socket)
    this.#outbox = new Outbox(socket, route.outboxLimit, this)
    this.#request = request
    this.#identity = identity
    this.connection = new WsConnection(request, socket.protocol, identity.user, this.#outbox, this)
  }

  /** Listens to the socket and runs `onOpen`; no message is read before that has settled. */
  open (): void {
    const socket = this.#socket as DispatchedSocket
    socket[kDispatch] = this
    socket.pause()
    // Those of @fastify/websocket would cut the connection before the close frame has left.
    socket.removeAllListeners('error')
    socket.on('message', onMessage)
    socket.on('error', onError)
    socket.on('close', onClose)
    const { controller, clients, live, heartbeat, counts } = this.#route
    clients.add(this.connection)
    counts.add(this)
    live.add(this)
    heartbeat?.add(this)
    this.#watchExpiry()

    this.#running = 1
    const pending = controller.onOpen === undefined
      ? undefined
      : this.#call('onOpen', () => controller.onOpen!(this.connection, clients))
    if (pending === undefined) this.#opened()
    else pending.then(() => { this.#opened() })
  }

  /** A message has come. */
  receive (bytes: Buffer, isBinary: boolean): void {
    if (this.#stage === 'closing' || this.#stage === 'ended') {
      this.#drop(1)
    } else if (bytes.length > this.#route.maxPayload) {
      this.violated(new errors.MessageTooBig())
    } else if (this.#stage === 'open' && this.#inbox.length === 0 && this.#running < this.#route.concurrency && this.#mayTake(bytes.length)) {
      this.#handle(new Message(bytes, isBinary))
    } else {
      this.#inbox.push(new Message(bytes, isBinary))
    }
  }

  /** The client broke the protocol or a limit: the app hears of it, and the connection is closed. */
  violated (error: Error): void {
    this.connection.log.info({ err: error }, 'the client broke a rule')
    if (this.#stage === 'closing' || this.#stage === 'ended') return
    this.#running++
    this.#shut(closeReasonOf(error))
    const pending = this.#route.controller.onError === undefined ? undefined : this.#fail('onMessage', error)
    if (pending === undefined) this.#finished()
    else pending.then(() => { this.#finished() })
  }

  get traffic (): undefined | number {
    // Nothing can come while nothing is read.
    if (this.#tcp === undefined || this.#socket.isPaused) return
    return this.#tcp.bytesRead + this.#tcp.bytesWritten - this.#tcp.writableLength
  }

  ping (): void {
    this.#outbox.ping()
  }

  silent (): void {
    this.connection.log.info('the client is silent')
    this.#socket.terminate()
  }

  get ip (): string {
    return this.connection.ip
  }

  get sub (): undefined | string {
    return this.#identity.sub
  }

  replaced (): void {
    this.#shut(closeCodes.replaced)
  }

  get identity (): Identity {
    return this.#identity
  }

  tokenExpired (): void {
    this.#shut(closeCodes.tokenExpired)
  }

  revoked (): void {
    this.#shut(closeCodes.revoked)
  }

  async renew (token: string): Promise<unknown> {
    let renewed: Identity
    try {
      renewed = await this.#route.renew(this.#request, token, this.#identity)
    } catch (error) {
      if (error instanceof errors.NotGranted) this.revoked()
      throw error
    }
    this.#unwatchExpiry()
    this.#identity = renewed
    if (this.#stage === 'opening' || this.#stage === 'open') this.#watchExpiry()
    return renewed.user
  }

  tooSlow (): void {
    this.#shut(closeCodes.tooSlow)
  }

  /** The socket is closed. */
  gone (code: number, reason: string): void {
    this.#outbox.end()
    if (this.#stage === 'opening' || this.#stage === 'open') {
      this.#begin('leaving', { code, reason, wasClean: code !== 1006 })
    }
    this.#settle()
  }

  close (code: number, reason: string): void {
    this.#end({ code, reason, wasClean: true })
  }

  terminate (): void {
    this.#end({ code: 1006, reason: '', wasClean: false })
    this.#socket.terminate()
  }

  /** The time to close in an orderly way is over: `onClose` runs whatever else does not end, and the socket is cut. */
  expire (): void {
    this.#streams?.stop()
    if (this.#stage !== 'ended') {
      this.connection.log.warn({ running: this.#running, unhandled: this.#inbox.length }, 'handlers did not end in time, closing without them')
      this.#drop(this.#inbox.clear())
      this.#route.closing.add(this)
      this.#callOnClose()
    } else if (!this.#hasSettled) {
      this.connection.log.warn('onClose did not end in time')
      this.#hasSettled = true
    }
    this.#socket.terminate()
    this.#settle()
  }

  join (connection: WsConnection, room: string): void {
    // A handler that is still running must not bring a connection back that the rooms have forgotten.
    if (this.#stage === 'opening' || this.#stage === 'open') this.#route.rooms.join(connection, room, this.#route.roomsPerConnection)
  }

  leave (connection: WsConnection, room: string): void {
    this.#route.rooms.leave(connection, room)
  }

  to (room: string, except: WsConnection): Room {
    return this.#route.rooms.room(room, except)
  }

  #opened (): void {
    this.#hasOpened = true
    if (this.#stage === 'opening') this.#stage = 'open'
    this.#finished()
  }

  // Handles what waits, as far as it may at once, and closes when nothing is left to do.
  #work (): void {
    while (this.#hasOpened && this.#running < this.#route.concurrency && (this.#stage === 'open' || this.#stage === 'leaving')) {
      const { next } = this.#inbox
      if (next === undefined || !this.#mayTake(next.bytes.length)) break
      this.#inbox.shift()
      this.#handle(next)
    }
    if (this.#stage === 'open') this.#readOn()
    else if (this.#running === 0 && this.#inbox.length === 0 && this.#stage !== 'opening' && this.#stage !== 'ended') this.#callOnClose()
  }

  // Whether the rate of the client lets a message in now; if not, all waits for the next window.
  #mayTake (bytes: number): boolean {
    const { rate, windows } = this.#route
    // What a client sent that is gone cannot be slowed down any more.
    if (rate === undefined || this.#stage === 'leaving') return true
    this.#meter ??= new Meter(rate)
    if (this.#meter.take(bytes)) return true
    if (this.#meter.isExcessive) {
      this.#shut(closeCodes.tooManyMessages)
    } else {
      this.#isSlowed = true
      this.#socket.pause()
      windows!.add(this)
    }
    return false
  }

  /** The next window of the client's rate has begun. */
  nextWindow (): void {
    this.#isSlowed = false
    this.#work()
  }

  #readOn (): void {
    if (!this.#isSlowed) this.#inbox.resume()
  }

  #handle (message: Message): void {
    const { controller, clients } = this.#route
    if (controller.onMessage === undefined) {
      this.#drop(1)
      return
    }
    this.#running++
    const pending = this.#call('onMessage', () => controller.onMessage!(this.connection, message, clients))
    if (pending === undefined) this.#running--
    else pending.then(() => { this.#finished() })
  }

  #finished (): void {
    this.#running--
    this.#work()
  }

  // Calls user code and sends what it returns. What onError is about is `handled`, so that it is not lost if onError fails too.
  #call (source: Source, callback: () => Returned, handled?: unknown): Pending {
    try {
      return this.#deliver(source, callback(), handled)
    } catch (error) {
      return this.#fail(source, error, handled)
    }
  }

  #deliver (source: Source, returned: unknown, handled?: unknown): Pending {
    if (returned === undefined || returned === null) return
    if (isThenable(returned)) {
      return Promise.resolve(returned).then((value) => this.#deliver(source, value, handled)).catch((error: unknown) => this.#fail(source, error, handled))
    }
    if (isAsyncIterable(returned)) {
      const pending = this.#stream(source, returned)
      if (source !== 'onOpen') return pending.catch((error: unknown) => this.#fail(source, error, handled))
      // It may never end, and messages are not to wait for it; onClose waits for what its failure calls.
      pending.catch(async (error: unknown) => {
        this.#running++
        await this.#fail(source, error, handled)
        this.#finished()
      })
      return
    }
    return this.#reply(returned)
  }

  #reply (message: object): Pending {
    const frame = toFrame(message)
    const before = this.#outbox.dropped
    if (this.#outbox.reply(frame)) return
    if (this.#outbox.dropped > before) this.#log('debug', 'a returned message was dropped, as the connection is closed')
    // What onClose returned is only to leave before the close frame.
    return this.#stage === 'ended' ? undefined : this.#outbox.drained()
  }

  // Sends the items of a stream as fast as the client reads, until it ends or the connection does.
  #stream (source: Source, iterable: AsyncIterable<unknown>): Promise<void> {
    this.#streams ??= new Streams((error) => { this.#log('debug', 'a stream failed when it was stopped', { err: error }) })
    // The goodbye of onClose may be a stream too, as long as it can be sent.
    const isWanted = source === 'onClose' ? this.#outbox.isOpen : this.#stage === 'opening' || this.#stage === 'open'
    if (!isWanted) {
      this.#log('debug', 'a returned stream was dropped, as the connection is closed')
      this.#streams.drop(iterable)
      return Promise.resolve()
    }
    return this.#streams.pump(iterable, (item) => this.#reply(item as object) ?? (source === 'onClose' ? this.#outbox.drained() : undefined))
  }

  #fail (source: Source, error: unknown, handled?: unknown): Pending {
    const { controller, clients } = this.#route
    if (controller.onError !== undefined && source !== 'onError') {
      return this.#call('onError', () => controller.onError!(this.connection, asError(error), clients), error)
    }
    // Nobody deals with it: the connection ends, the process does not.
    const reason = closeReasonOf(error)
    const level = reason === closeCodes.handlerFailed ? 'error' : 'info'
    this.#log(level, 'connection closed after an error', { err: error, callback: source, ...(handled === undefined ? undefined : { handled }) })
    this.#shut(reason)
  }

  // What user code has thrown may be anything, also something that throws when a logger looks at it.
  #log (level: 'debug' | 'info' | 'error', message: string, details: object = {}): void {
    try {
      this.connection.log[level](details, message)
    } catch {
      this.connection.log[level](`${message}; it cannot be shown`)
    }
  }

  #shut ({ code, reason }: CloseReason): void {
    this.close(code, reason)
  }

  // The server ends the connection; what has come but is not handled yet never will be.
  #end (closed: CloseInfo): void {
    if (this.#stage !== 'opening' && this.#stage !== 'open') return
    this.#drop(this.#inbox.clear())
    this.#begin('closing', closed)
  }

  #begin (stage: 'leaving' | 'closing', closed: CloseInfo): void {
    this.#stage = stage
    this.#closed = closed
    const { clients, rooms, closing, heartbeat, counts, windows } = this.#route
    counts.delete(this)
    heartbeat?.delete(this)
    this.#unwatchExpiry()
    clients.delete(this.connection)
    rooms.forget(this.connection)
    closing.add(this)
    windows?.delete(this)
    this.#streams?.stop()
    // Not at once: this may be deep inside a broadcast, or inside the handler that closes.
    queueMicrotask(() => {
      this.connection.end()
      this.#work()
    })
  }

  #watchExpiry (): void {
    const { exp } = this.#identity
    if (exp !== undefined) this.#route.expiry.add(this, exp)
  }

  #unwatchExpiry (): void {
    const { exp } = this.#identity
    if (exp !== undefined) this.#route.expiry.delete(this, exp)
  }

  #callOnClose (): void {
    const { controller, clients } = this.#route
    const isServer = this.#stage === 'closing'
    const closed = this.#closed!
    this.#stage = 'ended'
    const pending = controller.onClose === undefined
      ? undefined
      : this.#call('onClose', () => controller.onClose!(this.connection, closed, clients))
    const settled = () => {
      this.#hasSettled = true
      if (isServer) this.#outbox.close(closed.code, closed.reason)
      // The client's answer to the close frame is to be read.
      this.#socket.resume()
      this.#settle()
    }
    if (pending === undefined) settled()
    else pending.then(settled)
  }

  // Done, when onClose has settled and the socket is closed.
  #settle (): void {
    if (!this.#hasSettled || this.#socket.readyState !== CLOSED) return
    this.#route.closing.delete(this)
    this.#route.live.delete(this)
  }

  #drop (count: number): void {
    if (count > 0) this.connection.log.debug({ count }, 'messages were not handled')
  }
}

const CLOSED = 3

// What ws calls the ways to break the protocol. It sends the close code of each by itself.
const violations: Record<string, undefined | typeof errors.ProtocolViolated> = {
  WS_ERR_INVALID_UTF8: errors.MessageNotUtf8,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: errors.FragmentsTooMany,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: errors.MessageTooBig,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: errors.MessageTooBig
}

function onMessage (this: WebSocket, data: unknown, isBinary: boolean): void {
  // ws gives a Buffer, as binaryType is left at 'nodebuffer'.
  (this as DispatchedSocket)[kDispatch].receive(data as Buffer, isBinary)
}

function onError (this: WebSocket, cause: NodeJS.ErrnoException): void {
  (this as DispatchedSocket)[kDispatch].violated(new (violations[String(cause.code)] ?? errors.ProtocolViolated)({ cause }))
}

function onClose (this: WebSocket, code: number, reason: Buffer): void {
  (this as DispatchedSocket)[kDispatch].gone(code, reason.toString('utf8'))
}

function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function isAsyncIterable (value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

function asError (error: unknown): Error {
  try {
    if (error instanceof Error) return error
  } catch {
    // A revoked proxy, which is not even that.
  }
  return new errors.NotAnError({ cause: error })
}
