import type { WebSocket } from 'ws'
import { closeCodes, type CloseReason } from '../close-codes.js'
import type { FrameBatch } from '../message/frame-batch.js'
import { compactLarge, encodeFrames, wholeOf, wireSize, type Compression, type Frame } from '../message/frame.js'
import { toFrame, type Sendable } from '../message/outbound.js'
import { DropQueue, type Overflow } from './drop-queue.js'
import type { Budget } from './budget.js'
import type { Closable } from './live.js'
import type { ConnectionContext } from '../socket/async-context.js'
import { FrameSocket } from '../socket/frame-socket.js'
import { CLOSED, OPEN } from '../socket/ready-state.js'
import { flushLater, type Flushable } from '../socket/flush-queue.js'

/** How much may wait for a client that reads more slowly than it is sent to. */
export interface OutboxOptions {
  /**
   * Bytes that may wait in this process; a message that waits counts 512 bytes besides its payload, and several that left in one write
   * count once. What a callback returns is always sent: the next message is handled only after it has drained.
   *
   * @default 1_048_576
   */
  readonly limit?: undefined | number
  /**
   * What happens to a message that finds more than `limit` waiting. What is dropped is counted in `connection.dropped`.
   *
   * @default 'close'
   */
  readonly overflow?: undefined | Overflow
  /**
   * Makes the message that tells a client how many were dropped since the last such message. It is called when the client has
   * caught up, so that nothing waits for it any more; never with `'close'`. If it throws, or returns what cannot be sent, that is
   * logged and nothing is sent.
   *
   * @default none: the client is not told
   */
  readonly notice?: undefined | ((dropped: number) => Sendable)
}

/** What the outboxes of a route have in common. */
export interface OutboxSettings {
  readonly limit: number
  readonly overflow: Overflow
  readonly notice?: OutboxOptions['notice']
  readonly budget: Budget
  /** How messages are compressed for clients that it was agreed on with. */
  readonly compression: undefined | Compression
}

/** Whose outbox it is. */
export interface OutboxOwner extends Closable, Pick<ConnectionContext, 'enter'> {
  /** Whatever was sent before to many, this client among them, and has not left yet, is to leave now. */
  flushBroadcasts (): void
  /** What was sent is not there any more. */
  sendFailed (error: unknown): void
  /** The app's `notice` threw, or returned what cannot be sent. */
  noticeFailed (error: unknown): void
}

// Above this many waiting bytes a sender that can wait should: the first that `send` answers with false.
const MARK = 65_536

// Bytes of a message that is compressed in this thread, once for all its receivers: what is larger would hold everybody up, and ws
// compresses it in another, for each of them.
const DEFLATED_AT_ONCE = 16_384

// Bytes that Node and ws spend on a write that waits, besides what is written: measured with one-byte messages on Node 20.
const WRITE_COST = 512

const AS_TEXT = { binary: false } as const
const AS_BINARY = { binary: true } as const

/** All that leaves for one client passes here: nothing else in this plugin writes to a socket. */
export class Outbox implements Flushable {
  /** Messages that were not sent, because the connection had ended or the client was too slow. */
  dropped = 0
  readonly #socket: WebSocket
  // The same, if frames can be written to it as they are.
  readonly #fast: undefined | FrameSocket
  readonly #compression: undefined | Compression
  readonly #settings: OutboxSettings
  readonly #mark: number
  readonly #owner: OutboxOwner
  // What leaves in one write at the end of the tick.
  #gathered: undefined | Frame[]
  #gatheredSize = 0
  // What was held when that began: within a tick nothing is written but by this.
  #heldBefore = 0
  // How many writes wait in Node, or ws, for a client that lags.
  #heldWrites = 0
  // What waits here, where the policy is to drop: only as much as the mark is given to ws, which nothing can be taken back from.
  #dropQueue: undefined | DropQueue
  // How many messages the client has missed, and has not been told of.
  #missed = 0
  #accounted = 0
  #waiting: undefined | Array<() => void>
  #onWritten: undefined | (() => void)

  constructor (socket: WebSocket, settings: OutboxSettings, owner: OutboxOwner) {
    this.#socket = socket
    this.#fast = socket instanceof FrameSocket ? socket : undefined
    this.#compression = settings.compression !== undefined && socket.extensions !== '' ? settings.compression : undefined
    this.#settings = settings
    this.#mark = Math.min(MARK, settings.limit)
    this.#owner = owner
  }

  /** Bytes that wait in this process for the client to read; not what it was sent among many in this turn of the event loop. */
  get bufferedAmount (): number {
    return this.#given + this.#gatheredSize + (this.#dropQueue?.cost ?? 0)
  }

  /** Whether more waits than a sender that can wait should add to. */
  get isOverMark (): boolean {
    return this.#held + (this.#dropQueue?.cost ?? 0) > this.#mark
  }

  /** Whether anything can still be sent. */
  get isOpen (): boolean {
    return this.#socket.readyState === OPEN
  }

  // What has been written, and not been taken by the kernel.
  get #given (): number {
    return this.#fast === undefined ? this.#socket.bufferedAmount : this.#fast.waiting
  }

  // What that costs this process: a small write costs more to keep than its bytes.
  get #held (): number {
    return this.#gathered === undefined ? this.#given + this.#heldWrites * WRITE_COST : this.#heldBefore + this.#gatheredSize
  }

  /**
   * Sends, or does what the policy says with what finds the outbox over its limit. Answers whether it was sent and the client
   * keeps up.
   *
   * @param key of the message, where the policy is `latestBy`.
   */
  send (frame: Frame, key?: unknown): boolean {
    this.#owner.flushBroadcasts()
    return this.#send(frame, key)
  }

  /** Sends what many are sent, less what this client is not. @param from the first frame. */
  sendBatch (batch: FrameBatch, from: number, without: readonly number[]): void {
    const fast = this.#fast
    this.flush()
    const isForWs = this.#compression !== undefined && batch.largest > DEFLATED_AT_ONCE
    if (fast?.isSenderIdle === true && !isForWs && this.isOpen && this.#mayTake(batch.size)) {
      if (fast.waiting > 0) batch.compact()
      const parts = this.#encode(() => batch.encode(from, without, this.#compression))
      if (parts.length > 0) this.#writeNow(fast, parts)
      return
    }
    for (const index of batch.indexes(from, without)) this.sendShared(batch.frames[index]!, batch.keys[index])
  }

  /** Sends one of the messages that others are sent too. */
  sendShared (frame: Frame, key: unknown): void {
    for (const form of this.#encode(() => [this.#sharedForm(frame)])) this.#send(form, key)
  }

  /** Sends without regard to the limit; the caller waits for `drained()` before the next. */
  reply (frame: Frame): boolean {
    this.#owner.flushBroadcasts()
    return this.#reply(frame)
  }

  /** Resolves when the client has caught up, or the connection has ended. */
  drained (): Promise<void> {
    this.#owner.flushBroadcasts()
    if (!this.isOverMark || this.#socket.readyState > OPEN) return Promise.resolve()
    return new Promise((resolve) => { (this.#waiting ??= []).push(resolve) })
  }

  /** Asks the client for a sign of life, behind all that was sent (RFC 6455 section 5.5.2). */
  ping (): void {
    if (this.isOpen) this.#socket.ping()
  }

  /** Begins the closing handshake (RFC 6455 section 7.1.2), behind all that waits. */
  close (code: number, reason: string): void {
    this.#owner.flushBroadcasts()
    if (this.isOpen) for (let frame = this.#dropQueue?.shift(); frame !== undefined; frame = this.#dropQueue?.shift()) this.#write(frame)
    this.#socket.close(code, reason)
  }

  /** Writes what was gathered. A fast socket asks for it before a frame of its own. */
  flush (): void {
    const frames = this.#gathered
    if (frames === undefined) return
    this.#gathered = undefined
    this.#gatheredSize = 0
    const fast = this.#fast!
    // What is written to a client that lags may wait for long.
    const isToWait = fast.waiting > 0
    if (isToWait) compactLarge(frames)
    const parts = this.#encode(() => encodeFrames(frames, isToWait))
    if (parts.length > 0) this.#writeNow(fast, parts)
  }

  /** The connection has ended: nothing waits any more, and nobody for it. */
  end (): void {
    this.flush()
    this.dropped += this.#dropQueue?.size ?? 0
    this.#dropQueue = undefined
    this.#settings.budget.adjust(-this.#accounted)
    this.#accounted = 0
    this.#release()
  }

  // Whether frames for many may be written at once, because the policy would let each of them through.
  #mayTake (size: number): boolean {
    if ((this.#dropQueue?.size ?? 0) > 0) return false
    const held = this.#held
    return held === 0 || held + size <= (this.#settings.overflow === 'close' ? this.#limit : this.#mark)
  }

  // While all clients together hold too much, none may lag far.
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
    this.#owner.closeWith(closeCodes.tooSlow, budget.isExceeded ? { option: 'outboxBudget', limit: budget.limit, size } : { option: 'outbox.limit', limit, size })
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

  // Whether a message that may be dropped has to wait where it can be.
  get #mustWait (): boolean {
    return this.isOpen && ((this.#dropQueue?.size ?? 0) > 0 || this.#held > this.#mark)
  }

  // What is compressed once for all receivers.
  #sharedForm (frame: Frame): Frame {
    return this.#fast === undefined || this.#compression === undefined || frame.size > DEFLATED_AT_ONCE ? frame : frame.deflated(this.#compression)
  }

  // Gathers a frame, or gives it to ws where that has to compress it, or is compressing what was before it.
  #write (frame: Frame): boolean {
    const fast = this.#fast
    if (fast === undefined || (this.#compression !== undefined && (!fast.isSenderIdle || (frame.size >= this.#compression.threshold && frame.plain === frame)))) {
      this.flush()
      return this.#handOn(frame.plain)
    }
    if (this.#gathered === undefined) {
      this.#heldBefore = this.#held
      this.#gathered = [frame]
      flushLater(this)
    } else {
      this.#gathered.push(frame)
    }
    this.#gatheredSize += wireSize(frame)
    if (this.#gatheredSize >= this.#mark || this.#heldWrites > 0) this.flush()
    return !this.isOverMark
  }

  // The bytes are the app's, which may have handed them to a worker meanwhile: then they are not there any more.
  #encode<Form> (encode: () => readonly Form[]): readonly Form[] {
    try {
      return encode()
    } catch (error) {
      this.#owner.sendFailed(error)
      return []
    }
  }

  #writeNow (fast: FrameSocket, parts: readonly Buffer[]): void {
    if (fast.waiting === 0 && sizeOf(parts) <= this.#mark) {
      fast.writeFrames(parts)
      return
    }
    fast.writeFrames(parts, this.#expectWritten())
    this.#account()
  }

  #handOn (frame: Frame): boolean {
    const socket = this.#socket
    const options = frame.isBinary ? AS_BINARY : AS_TEXT
    const [bytes] = this.#encode(() => [wholeOf(frame)])
    if (bytes === undefined) return false
    if (socket.bufferedAmount === 0 && wireSize(frame) <= this.#mark) {
      socket.send(bytes, options)
      return true
    }
    socket.send(bytes, options, this.#expectWritten())
    this.#account()
    return !this.isOverMark
  }

  // Only a client that lags, or may, costs a callback.
  #expectWritten (): () => void {
    this.#heldWrites++
    this.#onWritten ??= () => { this.#written() }
    return this.#onWritten
  }

  #written (): void {
    this.#heldWrites--
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) this.#write(frame)
    if (this.#missed > 0 && this.#dropQueue?.size === 0 && this.isOpen) this.#owner.enter(this.#notify, this, undefined)
    this.#account()
    if (!this.isOverMark) this.#release()
  }

  #notify (): void {
    const { notice } = this.#settings
    const dropped = this.#missed
    this.#missed = 0
    if (notice === undefined) return
    try {
      this.#reply(toFrame(notice(dropped)))
    } catch (error) {
      this.#owner.noticeFailed(error)
    }
  }

  // What may be given to ws now.
  #next (): undefined | Frame {
    return this.isOpen && this.#held <= this.#mark ? this.#dropQueue?.shift() : undefined
  }

  // Keeps the budget of the process up to date, for clients that lag.
  #account (): void {
    const load = this.#socket.readyState === CLOSED ? 0 : this.#held + (this.#dropQueue?.cost ?? 0)
    this.#settings.budget.adjust(load - this.#accounted)
    this.#accounted = load
  }

  #release (): void {
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

/** Begins the closing handshake of a connection that is sent nothing else (RFC 6455 section 7.1.2). */
export function closeUnused (socket: WebSocket, { code, reason }: CloseReason): void {
  socket.close(code, reason)
}
