import { isUtf8 } from 'node:buffer'
import { nextTick } from 'node:process'
import {
  BINARY, headerOf, isBroken, isFinal, isWhole, PING, PONG, sizeOf, TEXT
} from '../message/header.js'
import { partOf, unmask } from '../message/bytes.js'
import { Message } from '../message/message.js'
import { LazySocket } from './lazy-socket.js'
import { kAnnounced, kListener, kOutbox } from './socket-events.js'
import { PartialFrame } from './partial-frame.js'
import { flushLater } from './flush-queue.js'
import { beginTurn } from './turns.js'

// Bytes that a paused socket still reads, so that a disconnect is noticed.
const MOST_WAITING = 16_384

// Bytes of the header of a short, masked frame.
const SHORT_HEADER = 6

// Whether a socket writes its replies.
let isFlushing = false

/**
 * A server's socket of `ws` that reads whole messages itself. Everything else goes to `ws`:
 * fragments, compressed messages, control frames other than pongs, and protocol violations, so that
 * all limits are those of `ws`.
 */
export class FastSocket extends LazySocket {
  // Bytes that were read, but cannot or must not be parsed yet.
  #rest: undefined | PartialFrame

  override resume (): void {
    if (this.#rest?.isReady !== true) {
      super.resume()
      return
    }
    // Deferred, as the caller may be in the middle of its work; but before the socket delivers
    // anything else.
    this.unpause()
    nextTick(() => {
      this.#enter(this.#readOn, false)
      if (!this.isPaused) super.resume()
    })
  }

  override read (chunk: Buffer, mayHaveMore: boolean, isInContext: boolean): void {
    beginTurn(this, mayHaveMore)
    this.isReading = true
    try {
      if (isInContext) this.#read(chunk)
      else this.#enter(this.#read, chunk)
    } finally {
      this.isReading = false
      this.#flush()
    }
  }

  // Writes the replies to the messages of a read, without waiting for the end of the tick.
  #flush (): void {
    const outbox = this[kOutbox]
    if (outbox === undefined) return
    if (isFlushing) {
      // A stream in memory has been written to, and its client has answered at once.
      flushLater(outbox)
      return
    }
    isFlushing = true
    try {
      outbox.flush()
    } finally {
      isFlushing = false
    }
  }

  // Enters the context of the listener once for all messages of a read.
  #enter<Argument> (
    call: (this: FastSocket, argument: Argument) => void,
    argument: Argument
  ): void {
    const listener = this[kListener]
    if (listener === undefined) call.call(this, argument)
    else listener.enter(call, this, argument)
  }

  #read (chunk: Buffer): void {
    let start = 0
    while (this.#rest !== undefined && start < chunk.length) {
      start += this.#rest.take(chunk, start)
      // A rest that waits for `resume` has taken the whole chunk.
      if (this.#rest.isReady) this.#readOn(false)
    }
    if (start < chunk.length) this.#parse(chunk, start, chunk.length, false)
    if (this.#rest !== undefined && this.#rest.size >= MOST_WAITING &&
      (this.isPaused || this.isReceiverBusy)) this.stopReading()
  }

  // Parses the waiting bytes now, also while the socket is paused.
  override readLast (): void {
    this.#enter(this.#readOn, true)
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) this.delegate(rest.bytes.subarray(rest.start, rest.end))
  }

  protected override taken (): void {
    if (!this.isPaused && this.#rest?.isReady === true) this.resume()
  }

  #readOn (isLast: boolean): void {
    const rest = this.#rest
    if (rest === undefined) return
    this.#rest = undefined
    this.#parse(rest.bytes, rest.start, rest.end, isLast)
  }

  // Parses the bytes frame by frame, until they end or the socket is paused. The loop is small, so
  // that V8 inlines the code for short messages.
  #parse (bytes: Buffer, start: number, end: number, isLast: boolean): void {
    const most = this.#most
    // One listener is the plugin's. Others are the app's.
    const isEmitted = this.listenerCount('message') > 1
    let at = start
    while (at < end) {
      // Most frames are whole, short messages to a socket without a receiver of ws.
      const size = shortSizeOf(bytes[at]!, bytes[at + 1]!)
      if (size <= most && at + size <= end && !this.isComplete && (!this.isPaused || isLast)) {
        this.#message(bytes, at, at + SHORT_HEADER, at + size, isEmitted)
        at += size
        continue
      }
      at = this.#parseOther(bytes, at, end, isLast, isEmitted)
    }
  }

  // Parses any frame. Returns the start of the next frame, or `end` if no further frame can be
  // parsed. ws gets whole frames only: it would keep the chunks of a partial frame apart.
  #parseOther (
    bytes: Buffer,
    at: number,
    end: number,
    isLast: boolean,
    isEmitted: boolean
  ): number {
    const { isComplete } = this
    if (isComplete && this.isDone) return end
    const isWaiting = (this.isPaused || (isComplete && this.isReceiverBusy)) && !isLast
    if (isWaiting || end - at < 2) {
      this.#rest = new PartialFrame(bytes, at, end, isWaiting ? 0 : 2)
      return end
    }
    const first = bytes[at]!
    const size = sizeOf(bytes, at, end)
    const isOwn = isWhole(first, bytes[at + 1]!) && (!isComplete || this.#isIdleFor(first))
    if (this.#isRefused(first, bytes[at + 1]!, size, isOwn)) {
      this.delegate(bytes.subarray(at, end))
      return end
    }
    if (size < 0 || at + size > end) {
      this.#rest = new PartialFrame(bytes, at, end, Math.abs(size))
      return end
    }
    if (!isOwn) {
      this.#passToWs(bytes, at, at + size)
    } else if (first === PONG) {
      this.#pong(bytes, at, at + size)
    } else {
      this.#message(bytes, at, at + headerOf(bytes[at + 1]!), at + size, isEmitted)
    }
    return at + size
  }

  // Bytes of the largest frame of a short message within maxPayload.
  get #most (): number {
    const { maxPayload = 0 } = this.settings
    return maxPayload === 0 ? 132 : Math.min(maxPayload + 6, 132)
  }

  // Whether ws is neither between fragments nor busy, so that a frame can be handled here.
  #isIdleFor (first: number): boolean {
    return (first === PONG || !this.isReceiverBetweenFragments) && !this.isReceiverBusy
  }

  // Whether ws rejects a frame by its header, before all of it has come.
  #isRefused (first: number, second: number, size: number, isOwn: boolean): boolean {
    const { maxPayload = 0 } = this.settings
    if (maxPayload !== 0 && size - headerOf(second) > maxPayload) {
      this[kAnnounced] = size - headerOf(second)
      return true
    }
    return !isOwn && isBroken(
      first,
      second,
      this.isReceiverBetweenFragments,
      (first & 0x40) !== 0 && this.extensions !== ''
    )
  }

  // Passes a frame to ws. A fragment waits for the others, and must not keep the whole chunk alive.
  #passToWs (bytes: Buffer, at: number, end: number): void {
    const first = bytes[at]!
    const size = end - at - headerOf(bytes[at + 1]!)
    this.delegate(isFinal(first) ? bytes.subarray(at, end) : partOf(bytes, at, end))
    if (first === PING) this[kListener]?.onControlOrFragment(size, false)
    else if (!isFinal(first)) this[kListener]?.onControlOrFragment(0, false)
  }

  // @param start the start of the payload.
  // @param isEmitted whether the app listens to the socket as well.
  #message (
    bytes: Buffer,
    at: number,
    start: number,
    end: number,
    isEmitted: boolean
  ): void {
    const isBinary = bytes[at] === BINARY
    const isAscii = unmask(bytes, start, end, start - 4)
    if (!isAscii && !isBinary && this.settings.skipUTF8Validation !== true &&
      !isUtf8(bytes.subarray(start, end))) {
      // ws reports the error.
      unmask(bytes, start, end, start - 4)
      this.delegate(bytes.subarray(at, end))
      return
    }
    const listener = this[kListener]
    if (listener === undefined || isEmitted) {
      this.emit('message', bytes.subarray(start, end), isBinary)
    } else {
      listener.onMessage(new Message(bytes, isBinary, start, end))
    }
  }

  #pong (bytes: Buffer, at: number, end: number): void {
    const start = at + headerOf(bytes[at + 1]!)
    if (this.listenerCount('pong') > 0) {
      unmask(bytes, start, end, start - 4)
      this.emit('pong', bytes.subarray(start, end))
    }
    this[kListener]?.onControlOrFragment(end - start, true)
  }
}

// Returns the frame size of a whole message of up to 125 bytes, from its first two bytes; Infinity
// for any other frame.
function shortSizeOf (first: number, second: number): number {
  return (first === TEXT || first === BINARY) && second >= 0x80 && second < 0x80 + 126
    ? SHORT_HEADER + second - 0x80
    : Infinity
}
