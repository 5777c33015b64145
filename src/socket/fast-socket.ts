import { isUtf8 } from 'node:buffer'
import { nextTick } from 'node:process'
import { partOf } from '../message/copy.js'
import { BINARY, headerOf, isBroken, isFinal, isWhole, PING, PONG, shortSizeOf, sizeOf } from '../message/header.js'
import { unmask } from '../message/mask.js'
import { Message } from '../message/message.js'
import { LazySocket } from './lazy-socket.js'
import { kAnnounced, kOwner } from './socket-events.js'
import { PartialFrame } from './partial-frame.js'
import { hold, release } from './flush-queue.js'
import { beginTurn } from './turns.js'

// Bytes that a paused socket goes on to read.
const MOST_WAITING = 16_384

/**
 * A server's socket of `ws` that reads whole messages itself. All the rest is left to `ws`: fragments, what is compressed, all control
 * frames but pongs, and whatever breaks the protocol, so that every limit holds as it does there.
 */
export class FastSocket extends LazySocket {
  // What has been read, and cannot or must not be looked at yet.
  #rest: undefined | PartialFrame

  override resume (): void {
    if (this.#rest?.isReady !== true) {
      super.resume()
      return
    }
    // Not at once, as whoever resumes is in the middle of something; but before anything else comes from the socket.
    this.unpause()
    nextTick(() => {
      this.#enter(this.#readOn, false)
      if (!this.isPaused) super.resume()
    })
  }

  override read (chunk: Buffer, mayHaveMore: boolean, isInContext: boolean): void {
    beginTurn(this, mayHaveMore)
    hold()
    try {
      if (isInContext) this.#read(chunk)
      else this.#enter(this.#read, chunk)
    } finally {
      release()
    }
  }

  // In the context of the owner, which is entered once for all messages of a read.
  #enter<Argument> (call: (this: FastSocket, argument: Argument) => void, argument: Argument): void {
    const owner = this[kOwner]
    if (owner === undefined) call.call(this, argument)
    else owner.enter(call, this, argument)
  }

  #read (chunk: Buffer): void {
    let start = 0
    while (this.#rest !== undefined && start < chunk.length) {
      start += this.#rest.take(chunk, start)
      // Where it waits for the socket to be resumed, all of the chunk was taken.
      if (this.#rest.isReady) this.#readOn(false)
    }
    if (start < chunk.length) this.#peel(chunk, start, chunk.length, false)
    if (this.#rest !== undefined && this.#rest.size >= MOST_WAITING && (this.isPaused || this.isReceiverBusy)) this.stopReading()
  }

  // What waits for the socket to be resumed is read now.
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
    this.#peel(rest.bytes, rest.start, rest.end, isLast)
  }

  // Takes one frame after the other out of the bytes, until they end or the socket is paused. The loop is short, so that V8 inlines
  // what a short message takes.
  #peel (bytes: Buffer, start: number, end: number, isLast: boolean): void {
    const most = this.#most
    let at = start
    while (at < end) {
      // Most are whole, short messages to a socket without a receiver of ws.
      const size = shortSizeOf(bytes[at]!, bytes[at + 1]!)
      if (size <= most && at + size <= end && !this.isComplete && (!this.isPaused || isLast)) {
        this.#message(bytes, at, at + size)
        at += size
        continue
      }
      at = this.#peelOther(bytes, at, end, isLast)
    }
  }

  // Takes any frame out of the bytes; returns where the next begins, or the end if none can be taken. ws is given whole frames, however
  // they come: it would keep each piece of one apart.
  #peelOther (bytes: Buffer, at: number, end: number, isLast: boolean): number {
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
      this.#leave(bytes, at, at + size)
    } else if (first === PONG) {
      this.#pong(bytes, at, at + size)
    } else {
      this.#message(bytes, at, at + size)
    }
    return at + size
  }

  // Bytes of the largest frame of a short message that ws takes.
  get #most (): number {
    const { maxPayload = 0 } = this.settings
    return maxPayload === 0 ? 132 : Math.min(maxPayload + 6, 132)
  }

  // Whether nothing that ws was left comes before a frame or goes on behind it.
  #isIdleFor (first: number): boolean {
    return (first === PONG || !this.isReceiverBetweenFragments) && !this.isReceiverBusy
  }

  // Whether ws closes the connection for it at once, before all of it has come.
  #isRefused (first: number, second: number, size: number, isOwn: boolean): boolean {
    const { maxPayload = 0 } = this.settings
    if (maxPayload !== 0 && size - headerOf(second) > maxPayload) {
      this[kAnnounced] = size - headerOf(second)
      return true
    }
    return !isOwn && isBroken(first, second, this.isReceiverBetweenFragments, (first & 0x40) !== 0 && this.extensions !== '')
  }

  // Leaves a frame to ws. A fragment waits for the others, and must not keep all that it was read with.
  #leave (bytes: Buffer, at: number, end: number): void {
    const first = bytes[at]!
    const size = end - at - headerOf(bytes[at + 1]!)
    this.delegate(isFinal(first) ? bytes.subarray(at, end) : partOf(bytes, at, end))
    if (first === PING) this[kOwner]?.onControlOrFragment(size, false)
    else if (!isFinal(first)) this[kOwner]?.onControlOrFragment(0, false)
  }

  #message (bytes: Buffer, at: number, end: number): void {
    const start = at + headerOf(bytes[at + 1]!)
    const isBinary = bytes[at] === BINARY
    const isAscii = unmask(bytes, start, end, start - 4)
    if (!isAscii && !isBinary && this.settings.skipUTF8Validation !== true && !isUtf8(bytes.subarray(start, end))) {
      // ws says what is wrong with it.
      unmask(bytes, start, end, start - 4)
      this.delegate(bytes.subarray(at, end))
      return
    }
    const owner = this[kOwner]
    if (owner === undefined) this.emit('message', bytes.subarray(start, end), isBinary)
    else owner.onMessage(new Message(bytes, isBinary, start, end))
  }

  #pong (bytes: Buffer, at: number, end: number): void {
    const start = at + headerOf(bytes[at + 1]!)
    if (this.listenerCount('pong') > 0) {
      unmask(bytes, start, end, start - 4)
      this.emit('pong', bytes.subarray(start, end))
    }
    this[kOwner]?.onControlOrFragment(end - start, true)
  }
}
