import type { WebSocket } from 'ws'
import type { Message } from '../message/message.js'

// What may wait for a busy handler before the socket is paused, so that TCP slows the client down. What one read of the
// socket brought (64 KiB), and 16 KiB more, come on top. Not zero: a close that waits behind a few messages should still be seen.
const MESSAGES = 16
const BYTES = 65_536

// How many times as much may wait while a renewal is looked for.
const FURTHER = 16

// ws inflates all that one read of the socket brought, also while the socket is paused: 64 KiB can become 64 MiB. What is not
// compressed never comes to this.
const INFLATED = 2_097_152

/** The messages of one connection that wait for a handler. It pauses the socket when they are too many. */
export class Inbox {
  readonly #socket: WebSocket
  readonly #messages: Message[] = []
  readonly #most: number
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
    this.#most = INFLATED + maxPayload
  }

  /** The bytes of all messages that wait. */
  get bytes (): number {
    return this.#bytes
  }

  get length (): number {
    return this.#messages.length
  }

  /** How many bytes are too many. */
  get most (): number {
    return this.#most
  }

  /** Whether so much waits that only compressed messages can have come to it. */
  get isFull (): boolean {
    return this.#bytes > this.#most
  }

  /** The message whose turn it is. */
  get next (): undefined | Message {
    return this.#messages[0]
  }

  /** The one that has come last. */
  get last (): undefined | Message {
    return this.#messages.at(-1)
  }

  push (message: Message): void {
    message.compact()
    this.#messages.push(message)
    this.#bytes += message.size
    if (this.#isEnough) this.#socket.pause()
  }

  /** Whether more may wait than usual: 16 times as many messages and bytes. */
  lookFurther (isFurther: boolean): void {
    this.#times = isFurther ? FURTHER : 1
    if (this.#isEnough) this.#socket.pause()
  }

  /** Takes the next message out. */
  shift (): void {
    this.#bytes -= this.#messages.shift()!.size
  }

  /** Drops all that waits, and answers how many that were. */
  clear (): number {
    const count = this.#messages.length
    this.#messages.length = 0
    this.#bytes = 0
    return count
  }

  /** Reads on, if what waits is little enough. */
  resume (): void {
    if (this.#socket.isPaused && !this.#isEnough) this.#socket.resume()
  }

  get #isEnough (): boolean {
    return this.#messages.length >= this.#count * this.#times || this.#bytes >= BYTES * this.#times
  }
}
