import type { WebSocket } from 'ws'
import type { Message } from '../message/message.js'

// Messages and bytes that may wait for a busy handler before the socket is paused, so that TCP
// slows the client down. A single read of the socket (64 KiB) and 16 KiB more come on top. Not
// zero: a close frame behind a few messages should still be seen.
const MESSAGES = 16
const BYTES = 65_536

// The factor by which both limits rise while a renewal is looked for.
const FURTHER = 16

// Bytes. ws inflates all messages of one read, also while the socket is paused: 64 KiB can become
// 64 MiB. Messages that are not compressed never reach this.
const INFLATED = 2_097_152

/**
 * The messages of one connection that wait for a handler. Pauses the socket when there are too
 * many.
 */
export class Inbox {
  readonly #socket: WebSocket
  readonly #messages: Message[] = []
  readonly #limit: number
  readonly #count: number
  #bytes = 0
  #times = 1

  /**
   * @param maxPayload bytes of the largest message.
   * @param count how many messages may wait before the socket is paused.
   */
  constructor (socket: WebSocket, maxPayload: number, count = MESSAGES) {
    this.#socket = socket
    this.#count = count
    this.#limit = INFLATED + maxPayload
  }

  /** Bytes of all waiting messages. */
  get bytes (): number {
    return this.#bytes
  }

  get length (): number {
    return this.#messages.length
  }

  /** Bytes that may wait: with more, `isFull` is true. */
  get limit (): number {
    return this.#limit
  }

  /** Whether more bytes wait than messages without compression can reach. */
  get isFull (): boolean {
    return this.#bytes > this.#limit
  }

  /** The message to be handled next. */
  get next (): undefined | Message {
    return this.#messages[0]
  }

  /** The message that came last. */
  get last (): undefined | Message {
    return this.#messages.at(-1)
  }

  push (message: Message): void {
    message.compact()
    this.#messages.push(message)
    this.#bytes += message.size
    if (this.#isEnough) this.#socket.pause()
  }

  /** Raises both limits to 16 times their usual value, or sets them back. */
  lookFurther (isFurther: boolean): void {
    this.#times = isFurther ? FURTHER : 1
    if (this.#isEnough) this.#socket.pause()
  }

  /** Removes the next message. */
  shift (): void {
    this.#bytes -= this.#messages.shift()!.size
  }

  /** Drops all messages, and returns their number. */
  clear (): number {
    const count = this.#messages.length
    this.#messages.length = 0
    this.#bytes = 0
    return count
  }

  /** Resumes the socket if few enough messages wait. */
  resume (): void {
    if (this.#socket.isPaused && !this.#isEnough) this.#socket.resume()
  }

  get #isEnough (): boolean {
    return this.#messages.length >= this.#count * this.#times || this.#bytes >= BYTES * this.#times
  }
}
