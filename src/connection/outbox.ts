import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { closeCodes, type CloseReason } from '../protocol/close-codes.js'
import type { Broadcaster } from '../broadcast/broadcaster.js'
import type { Receiver } from '../broadcast/channel.js'
import type { FrameBatch } from '../broadcast/frame-batch.js'
import {
  compactLarge, encodeFrames, wholeOf, wireSize, type Compression, type Frame
} from '../message/frame.js'
import { toFrame, type Sendable } from '../message/outbound.js'
import { DropQueue, type Overflow } from './drop-queue.js'
import type { Budget } from './budget.js'
import type { Log } from '../log.js'
import type { Closable } from './connection-roles.js'
import type { ConnectionContext } from '../socket/async-context.js'
import { FrameSocket, kTcp } from '../socket/frame-socket.js'
import { CLOSED, OPEN, type PendingFrames } from '../socket/socket-events.js'
import { flushLater, type Flushable } from '../socket/flush-queue.js'

/**
 * The bound of the messages that wait for a slow client.
 *
 * @typeParam Message the messages of the route, for `latestBy`; with a contract `{ type, data }`.
 * @typeParam Notice the messages that `notice` may return, as they are on the wire.
 */
export interface OutboxOptions<Message = unknown, Notice = Sendable> {
  /**
   * Bytes that may wait in this process. A waiting message counts 512 bytes more than its payload;
   * several messages in one write add 512 bytes once. The return value of a callback is always
   * sent: the next message is handled only after it has drained.
   *
   * @default 1_048_576
   */
  readonly limit?: undefined | number
  /**
   * The policy for a message when more than `limit` waits. Dropped messages are counted in
   * `connection.dropped`.
   *
   * @default 'close'
   */
  readonly overflow?: undefined | Overflow<Message>
  /**
   * Returns a message that tells the client how many messages were dropped since the last notice.
   * It is called when the client has caught up and nothing waits; never with `'close'`. If it
   * throws, or returns something that cannot be sent, the error is logged and nothing is sent.
   *
   * @default none: the client is not told
   */
  readonly notice?: undefined | ((dropped: number) => Notice)
}

/** The settings that the outboxes of a route share. */
export interface OutboxSettings {
  readonly limit: number
  readonly overflow: Overflow
  readonly notice?: OutboxOptions['notice']
  readonly budget: Budget
  /** The compression for clients that have negotiated it. */
  readonly compression: undefined | Compression
}

/** The runner of the connection, as its outbox uses it. */
export interface OutboxHost extends Closable, Pick<ConnectionContext, 'enter'> {
  readonly connection: Receiver
  terminate (): void
  /** Writes a line to the log of the connection. */
  log: Log
}

// Waiting bytes above which `send` returns false, so that a sender can wait for `drained()`.
const MARK = 65_536

// Bytes of the largest broadcast that is compressed in this thread, once for all receivers. A
// larger one would block the event loop: ws compresses it in another thread, for each receiver.
const DEFLATED_AT_ONCE = 16_384

// Bytes that Node and ws spend on each waiting write besides its data: measured with one-byte
// messages on Node 20.
const WRITE_COST = 512

const AS_TEXT = { binary: false } as const
const AS_BINARY = { binary: true } as const

/** Sends everything to one client: nothing else in this plugin writes to a socket. */
export class Outbox implements Flushable, PendingFrames {
  /** The number of messages not sent: the connection had ended, or the client was too slow. */
  dropped = 0
  readonly #socket: WebSocket
  // The same socket, if it takes encoded frames.
  readonly #fast: undefined | FrameSocket
  readonly #compression: undefined | Compression
  readonly #settings: OutboxSettings
  readonly #mark: number
  readonly #broadcaster: Broadcaster
  readonly #host: OutboxHost
  // The frames to be written together at the end of the tick.
  #gathered: undefined | Frame[]
  #gatheredSize = 0
  // `#held` before the first of them. It stays valid: within a tick only this outbox writes.
  #heldBefore = 0
  // The number of writes that wait in Node or ws for a client that lags.
  #heldWrites = 0
  // The queue of a policy that drops. Node and ws get no more than `#mark` bytes at a time, as
  // nothing can be taken back from them.
  #dropQueue: undefined | DropQueue
  // The number of dropped messages that no notice has reported yet.
  #missed = 0
  #accounted = 0
  #waiting: undefined | Array<() => void>
  #onWritten: undefined | (() => void)

  /** @param broadcaster holds broadcasts to this client until the end of the turn. */
  constructor (
    socket: WebSocket,
    settings: OutboxSettings,
    broadcaster: Broadcaster,
    host: OutboxHost
  ) {
    this.#socket = socket
    this.#fast = socket instanceof FrameSocket ? socket : undefined
    this.#compression = settings.compression !== undefined && socket.extensions !== ''
      ? settings.compression
      : undefined
    this.#settings = settings
    this.#mark = Math.min(MARK, settings.limit)
    this.#broadcaster = broadcaster
    this.#host = host
  }

  /**
   * Bytes that wait in this process for the client to read, without the broadcasts of this turn of
   * the event loop.
   */
  get bufferedAmount (): number {
    return this.#given + this.#gatheredSize + (this.#dropQueue?.cost ?? 0)
  }

  /** Whether so much waits that a sender should wait for `drained()`. */
  get isOverMark (): boolean {
    return this.#held + (this.#dropQueue?.cost ?? 0) > this.#mark
  }

  /** Whether messages can still be sent. */
  get isOpen (): boolean {
    return this.#socket.readyState === OPEN
  }

  // Bytes that were written, but not yet taken by the kernel.
  get #given (): number {
    return this.#fast === undefined ? this.#socket.bufferedAmount : this.#fast.waiting
  }

  // The memory cost of written and gathered frames: a small write costs more than its bytes.
  get #held (): number {
    return this.#gathered === undefined
      ? this.#given + this.#heldWrites * WRITE_COST
      : this.#heldBefore + this.#gatheredSize
  }

  /**
   * Sends a message. If the outbox is over its limit, the policy applies. Returns whether the
   * message was sent and the client keeps up.
   *
   * @param key the key of the message, if the policy is `latestBy`.
   */
  send (frame: Frame, key?: unknown): boolean {
    this.flushBroadcasts()
    return this.#send(frame, key)
  }

  /**
   * Sends the frames of a batch.
   *
   * @param from the index of the first frame.
   * @param without the indexes of the frames that exclude this client, in ascending order.
   */
  sendBatch (batch: FrameBatch, from: number, without: readonly number[]): void {
    const fast = this.#fast
    this.flush()
    const isForWs = this.#compression !== undefined && batch.largest > DEFLATED_AT_ONCE
    if (fast?.isSenderIdle === true && !isForWs && this.isOpen && this.#mayTake(batch.size)) {
      const { waiting } = fast
      if (waiting > 0) batch.compact()
      const parts = this.#encode(() => batch.encode(from, without, this.#compression))
      if (parts.length > 0) this.#writeNow(fast, parts, waiting)
      return
    }
    for (const index of batch.indexes(from, without)) {
      this.sendShared(batch.frames[index]!, batch.keys[index])
    }
  }

  /** Sends a message that is shared between receivers. */
  sendShared (frame: Frame, key: unknown): void {
    for (const form of this.#encode(() => [this.#sharedForm(frame)])) this.#send(form, key)
  }

  /**
   * Sends a reply regardless of the limit. The caller awaits `drained()` before the next message.
   */
  reply (frame: Frame): boolean {
    this.flushBroadcasts()
    return this.#reply(frame)
  }

  /** Resolves when the client has caught up, or the connection has ended. */
  drained (): Promise<void> {
    this.flushBroadcasts()
    if (!this.isOverMark || this.#socket.readyState > OPEN) return Promise.resolve()
    return new Promise((resolve) => { (this.#waiting ??= []).push(resolve) })
  }

  /** Sends a ping behind all that was written (RFC 6455 section 5.5.2). */
  ping (): void {
    if (this.isOpen) this.#socket.ping()
  }

  /** Begins the closing handshake (RFC 6455 section 7.1.2), behind all that waits. */
  close (code: number, reason: string): void {
    this.flushBroadcasts()
    if (this.isOpen) {
      for (
        let frame = this.#dropQueue?.shift();
        frame !== undefined;
        frame = this.#dropQueue?.shift()
      ) this.#write(frame)
    }
    this.#socket.close(code, reason)
  }

  /** Sends the broadcasts to this client that are pending. */
  flushBroadcasts (): void {
    const broadcaster = this.#broadcaster
    if (broadcaster.pending.size > 0) broadcaster.flushTo(this.#host.connection)
  }

  /** Writes the pending broadcasts and the gathered frames. */
  flushAll (): void {
    this.flushBroadcasts()
    this.flush()
  }

  /** Writes the gathered frames. */
  flush (): void {
    const frames = this.#gathered
    if (frames === undefined) return
    this.#gathered = undefined
    this.#gatheredSize = 0
    const fast = this.#fast!
    const { waiting } = fast
    // Data for a client that lags may wait for long.
    if (waiting > 0) compactLarge(frames)
    let parts: readonly Buffer[]
    try {
      parts = encodeFrames(frames, waiting > 0)
    } catch (error) {
      this.#encodingFailed(error)
      return
    }
    this.#writeNow(fast, parts, waiting)
  }

  /** Called when the socket is closed: drops the queue and resolves all `drained()` promises. */
  onSocketClosed (): void {
    this.flush()
    this.dropped += this.#dropQueue?.size ?? 0
    this.#dropQueue = undefined
    this.#settings.budget.adjust(-this.#accounted)
    this.#accounted = 0
    this.#resolveDrained()
  }

  // Whether a batch can be written at once, because the policy would send each of its frames.
  #mayTake (size: number): boolean {
    if ((this.#dropQueue?.size ?? 0) > 0) return false
    const held = this.#held
    const { overflow } = this.#settings
    return held === 0 || held + size <= (overflow === 'close' ? this.#limit : this.#mark)
  }

  // While the budget of all clients is exceeded, each client's limit is the mark.
  get #limit (): number {
    return this.#settings.budget.isExceeded ? this.#mark : this.#settings.limit
  }

  #send (frame: Frame, key: unknown): boolean {
    const { overflow } = this.#settings
    if (overflow === 'close') {
      if (this.#held <= this.#limit) return this.#reply(frame)
      this.dropped++
      this.#closeTooSlow()
      return false
    }
    if (!this.#mustWait) return this.#reply(frame)
    this.#dropQueue ??= new DropQueue(overflow)
    frame.compact()
    const limit = this.#limit
    const dropped = this.#dropQueue.add(frame, frame.size + WRITE_COST, limit, key)
    this.dropped += dropped
    this.#missed += dropped
    this.#account()
    if (this.#dropQueue.isOver(limit)) this.#closeTooSlow()
    return false
  }

  #closeTooSlow (): void {
    const { budget, limit } = this.#settings
    const size = this.#held + (this.#dropQueue?.cost ?? 0)
    this.#host.closeWith(closeCodes.tooSlow, budget.isExceeded
      ? { option: 'outboxBudget', limit: budget.limit, size }
      : { option: 'outbox.limit', limit, size })
  }

  #reply (frame: Frame): boolean {
    if (!this.isOpen) {
      this.dropped++
      return false
    }
    if (this.#dropQueue === undefined || this.#dropQueue.size === 0) return this.#write(frame)
    frame.compact()
    this.#dropQueue.addReply(frame, frame.size + WRITE_COST)
    this.#account()
    return false
  }

  // Whether a message that may be dropped has to wait in the queue.
  get #mustWait (): boolean {
    return this.isOpen && ((this.#dropQueue?.size ?? 0) > 0 || this.#held > this.#mark)
  }

  // Returns the frame as compressed once for all receivers, where that applies.
  #sharedForm (frame: Frame): Frame {
    return this.#fast === undefined || this.#compression === undefined ||
      frame.size > DEFLATED_AT_ONCE
      ? frame
      : frame.deflated(this.#compression)
  }

  // Gathers a frame; or passes it to ws, if ws has to compress it or is still compressing an
  // earlier one.
  #write (frame: Frame): boolean {
    const fast = this.#fast
    if (fast === undefined || (this.#compression !== undefined && (
      !fast.isSenderIdle || (frame.size >= this.#compression.threshold && frame.plain === frame)
    ))) {
      this.flush()
      return this.#sendByWs(frame.plain)
    }
    if (this.#gathered === undefined) {
      this.#heldBefore = this.#held
      this.#gathered = [frame]
      if (!fast.isReading) flushLater(this)
    } else {
      this.#gathered.push(frame)
    }
    this.#gatheredSize += wireSize(frame)
    if (this.#gatheredSize >= this.#mark || this.#heldWrites > 0) this.flush()
    return !this.isOverMark
  }

  #encode<Form> (encode: () => readonly Form[]): readonly Form[] {
    try {
      return encode()
    } catch (error) {
      this.#encodingFailed(error)
      return []
    }
  }

  // Encoding fails if the app has sent bytes, and then transferred them to a worker.
  #encodingFailed (error: unknown): void {
    const message = 'a sent ArrayBuffer was detached; terminating the connection'
    this.#host.log('error', message, { err: error })
    this.#host.terminate()
  }

  // @param waiting bytes that the socket has not written yet.
  #writeNow (fast: FrameSocket, parts: readonly Buffer[], waiting: number): void {
    if (waiting === 0 && sizeOf(parts) <= this.#mark) {
      writeAll(fast[kTcp], parts)
      return
    }
    writeAll(fast[kTcp], parts, this.#expectWritten())
    this.#account()
  }

  #sendByWs (frame: Frame): boolean {
    const socket = this.#socket
    const options = frame.isBinary ? AS_BINARY : AS_TEXT
    const [bytes] = this.#encode(() => [wholeOf(frame)])
    if (bytes === undefined) return false
    const isToWait = socket.bufferedAmount > 0 || wireSize(frame) > this.#mark
    const done = isToWait ? this.#expectWritten() : undefined
    // Broadcasts that are pending were sent later than a message of the queue.
    if (this.#fast === undefined) socket.send(bytes, options, done)
    else this.#fast.sendByWs(bytes, options, done)
    if (!isToWait) return true
    this.#account()
    return !this.isOverMark
  }

  // Returns a callback for a write that may wait. Other writes need none.
  #expectWritten (): () => void {
    this.#heldWrites++
    this.#onWritten ??= () => { this.#written() }
    return this.#onWritten
  }

  #written (): void {
    this.#heldWrites--
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) this.#write(frame)
    if (this.#missed > 0 && this.#dropQueue?.size === 0 && this.isOpen) {
      this.#host.enter(this.#notify, this, undefined)
    }
    this.#account()
    if (!this.isOverMark) this.#resolveDrained()
  }

  #notify (): void {
    const { notice } = this.#settings
    const dropped = this.#missed
    this.#missed = 0
    if (notice === undefined) return
    try {
      this.#reply(toFrame(notice(dropped)))
    } catch (error) {
      const message = 'outbox.notice failed; the client was not told about missed messages'
      this.#host.log('warn', message, { err: error })
    }
  }

  // Returns the next queued frame, if it may be written now.
  #next (): undefined | Frame {
    return this.isOpen && this.#held <= this.#mark ? this.#dropQueue?.shift() : undefined
  }

  // Updates the budget of the process, for clients that lag.
  #account (): void {
    const load = this.#socket.readyState === CLOSED ? 0 : this.#held + (this.#dropQueue?.cost ?? 0)
    this.#settings.budget.adjust(load - this.#accounted)
    this.#accounted = load
  }

  #resolveDrained (): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting !== undefined) for (const resolve of waiting) resolve()
  }
}

function sizeOf (parts: readonly Buffer[]): number {
  if (parts.length === 1) return parts[0]!.length
  let size = 0
  for (const { length } of parts) size += length
  return size
}

// Writes encoded frames. @param onWritten is called when the kernel has taken them.
function writeAll (tcp: Duplex, parts: readonly Buffer[], onWritten?: () => void): void {
  const last = parts.length - 1
  if (last === 0) {
    tcp.write(parts[0], onWritten)
    return
  }
  tcp.cork()
  for (let index = 0; index < last; index++) tcp.write(parts[index])
  tcp.write(parts[last], onWritten)
  tcp.uncork()
}

/** Begins the closing handshake of a connection without an outbox (RFC 6455 section 7.1.2). */
export function closeUnused (socket: WebSocket, { code, reason }: CloseReason): void {
  socket.close(code, reason)
}
