import { isUtf8 } from 'node:buffer'
import { nextTick } from 'node:process'
import { BINARY, headerOf, isWhole, PONG, sizeOf } from '../message/header.js'
import { unmask } from '../message/mask.js'
import { Message } from '../message/message.js'
import { LazySocket } from './lazy-socket.js'
import { kOwner } from './listening.js'
import { Rest } from './rest.js'
import { hold, release } from './tick.js'

// Bytes that a paused socket goes on to read.
const MOST_WAITING = 16_384

/**
 * A server's socket of `ws` that reads whole messages itself. All the rest is left to `ws`: fragments, what is compressed, all control
 * frames but pongs, and whatever breaks the protocol, so that every limit holds as it does there.
 */
export class FastSocket extends LazySocket {
  // What has been read, and cannot or must not be looked at yet.
  #rest: undefined | Rest

  override resume (): void {
    // Not at once, as whoever resumes is in the middle of something; but before anything else comes from the socket.
    if (this.#rest?.isReady === true) nextTick(() => { this.#enter(this.#readOn, false) })
    super.resume()
  }

  override read (chunk: Buffer): void {
    hold()
    try {
      this.#enter(this.#read, chunk)
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
    if (this.isPaused && this.#rest !== undefined && this.#rest.size >= MOST_WAITING) this.stopReading()
  }

  // What waits for the socket to be resumed is read now.
  override readLast (): void {
    this.#enter(this.#readOn, true)
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) this.delegate(rest.bytes.subarray(rest.start, rest.end))
  }

  #readOn (isLast: boolean): void {
    const rest = this.#rest
    if (rest === undefined) return
    this.#rest = undefined
    this.#peel(rest.bytes, rest.start, rest.end, isLast)
  }

  // Takes one frame after the other out of the bytes, until they end or the socket is paused.
  #peel (bytes: Buffer, start: number, end: number, isLast: boolean): void {
    let at = start
    while (at < end) {
      const isWaiting = this.isPaused && !isLast
      if (this.isComplete) {
        if (this.isDone) return
        if (!isWaiting && !this.isReceiverAtRest) {
          this.delegate(bytes.subarray(at, end))
          return
        }
      }
      if (isWaiting || end - at < 2) {
        this.#rest = new Rest(bytes, at, end, isWaiting ? 0 : 2)
        return
      }
      const size = sizeOf(bytes, at, end)
      if (!this.#isOwn(bytes[at]!, bytes[at + 1]!, size)) {
        // Where its length is not known, neither is where the next begins: then `ws` is in the middle of a frame, and gets what follows.
        const next = size > 0 ? Math.min(at + size, end) : end
        this.delegate(bytes.subarray(at, next))
        at = next
      } else if (size < 0 || at + size > end) {
        this.#rest = new Rest(bytes, at, end, Math.abs(size))
        return
      } else {
        if (bytes[at] === PONG) this.#pong(bytes, at, at + size)
        else this.#message(bytes, at, at + size)
        at += size
      }
    }
  }

  // Whether a frame is read here, as far as is known of it.
  #isOwn (first: number, second: number, size: number): boolean {
    const { maxPayload = 0 } = this.settings
    return isWhole(first, second) && (maxPayload === 0 || size - headerOf(second) <= maxPayload)
  }

  #message (bytes: Buffer, at: number, end: number): void {
    const start = at + headerOf(bytes[at + 1]!)
    const isBinary = bytes[at] === BINARY
    if (isBinary && this[kOwner] === undefined && this.binaryType !== 'nodebuffer') {
      this.delegate(bytes.subarray(at, end))
      return
    }
    const isAscii = unmask(bytes, start, end, start - 4)
    if (!isAscii && !isBinary && this.settings.skipUTF8Validation !== true && !isUtf8(bytes.subarray(start, end))) {
      // ws says what is wrong with it.
      unmask(bytes, start, end, start - 4)
      this.delegate(bytes.subarray(at, end))
      return
    }
    const owner = this[kOwner]
    if (owner === undefined) this.emit('message', bytes.subarray(start, end), isBinary)
    else owner.receive(new Message(bytes, isBinary, start, end))
  }

  #pong (bytes: Buffer, at: number, end: number): void {
    if (this.listenerCount('pong') === 0) return
    const start = at + headerOf(bytes[at + 1]!)
    unmask(bytes, start, end, start - 4)
    this.emit('pong', bytes.subarray(start, end))
  }
}
