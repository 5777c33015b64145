import type { WebSocket } from 'ws'
import { closeCodes } from '../close-codes.js'
import type { Frame } from '../message/frame.js'
import type { Closable } from './closable.js'

/** How much may wait for a client that reads more slowly than it is sent to. */
export interface OutboxOptions {
  /**
   * Bytes that may wait in this process. A message that finds more than this waiting is dropped, and the client is
   * closed with 1013. What a callback returns is always sent: the next message is handled only after it has drained.
   *
   * @default 1_048_576
   */
  readonly limit?: undefined | number
}

// Above this many waiting bytes a sender that can wait should: the first that `send` answers with false.
const MARK = 65_536

// Bytes that Node and ws spend on a frame that waits, besides its payload: measured with one-byte messages on Node 20.
const FRAME_COST = 512

// Of a frame from a server (RFC 6455 section 5.2).
const LONGEST_HEADER = 10

const OPEN = 1
const TEXT = { binary: false } as const
const BINARY = { binary: true } as const

/** All that leaves for one client passes here: nothing else in this plugin writes to a socket. */
export class Outbox {
  /** Messages that were not sent, because the connection had ended or the client was too slow. */
  dropped = 0
  readonly #socket: WebSocket
  readonly #limit: number
  readonly #mark: number
  readonly #owner: Closable
  #waitingFrames = 0
  #waiting: undefined | Array<() => void>
  #onWritten: undefined | (() => void)

  constructor (socket: WebSocket, limit: number, owner: Closable) {
    this.#socket = socket
    this.#limit = limit
    this.#mark = Math.min(MARK, limit)
    this.#owner = owner
  }

  /** Bytes that wait in this process for the client to read. */
  get bufferedAmount (): number {
    return this.#socket.bufferedAmount
  }

  /** Whether more waits than a sender that can wait should add to. */
  get isOverMark (): boolean {
    return this.#load > this.#mark
  }

  // What waiting costs this process: a small frame costs more to keep than its bytes.
  get #load (): number {
    return this.#socket.bufferedAmount + this.#waitingFrames * FRAME_COST
  }

  /** Sends, or drops what finds the outbox over its limit. Answers whether it was sent and the client keeps up. */
  send (frame: Frame): boolean {
    if (this.#load <= this.#limit) return this.reply(frame)
    this.dropped++
    this.#owner.shut(closeCodes.tooSlow)
    return false
  }

  /** Sends without regard to the limit; the caller waits for `drained()` before the next. */
  reply (frame: Frame): boolean {
    const socket = this.#socket
    if (socket.readyState !== OPEN) {
      this.dropped++
      return false
    }
    const options = frame.isBinary ? BINARY : TEXT
    if (socket.bufferedAmount === 0 && frame.bytes.length + LONGEST_HEADER <= this.#mark) {
      socket.send(frame.bytes, options)
      return true
    }
    // Only a client that lags, or may, costs a callback.
    this.#onWritten ??= () => {
      this.#waitingFrames--
      if (!this.isOverMark) this.end()
    }
    this.#waitingFrames++
    socket.send(frame.bytes, options, this.#onWritten)
    return !this.isOverMark
  }

  /** Whether anything can still be sent. */
  get isOpen (): boolean {
    return this.#socket.readyState === OPEN
  }

  /** Resolves when the client has caught up, or the connection has ended. */
  drained (): Promise<void> {
    if (!this.isOverMark || this.#socket.readyState > OPEN) return Promise.resolve()
    return new Promise((resolve) => { (this.#waiting ??= []).push(resolve) })
  }

  /** Asks the client for a sign of life, behind all that waits (RFC 6455 section 5.5.2). */
  ping (): void {
    if (this.#socket.readyState === OPEN) this.#socket.ping()
  }

  /** Begins the closing handshake (RFC 6455 section 7.1.2), behind all that waits. */
  close (code: number, reason: string): void {
    this.#socket.close(code, reason)
  }

  /** Ends the wait of those who wait for `drained()`. */
  end (): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting !== undefined) for (const resolve of waiting) resolve()
  }
}
