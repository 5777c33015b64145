import { LONGEST } from './timer.js'

/** What is needed of a connection. */
export interface LivenessParts {
  /** Milliseconds: `Infinity` asks for nothing. */
  readonly interval: number
  /** Milliseconds. */
  readonly timeout: number
  /** Asks the server for a sign of life. */
  ping (): void
  /** The bytes that the network has not taken yet. */
  buffered (): number
  /** The server has not answered. */
  dead (): void
}

// The longest time, in milliseconds, that the server has for its answer where there is a reason to doubt the connection.
const DOUBT = 4_000

/**
 * Finds a connection that is gone without a close. A page can neither send nor see the pings of WebSocket, so this asks with a message
 * of the protocol when nothing has come for half of `interval` to all of it. The connection is dead when nothing comes for `timeout`
 * after that.
 *
 * The timeout is two timers, one after the other: after a stall of the event loop or a sleep of the machine the first is late, and what
 * has come meanwhile is read before the second. Where the second is late itself, that is read before a third.
 */
export class Liveness {
  readonly #parts: LivenessParts
  #timer: undefined | ReturnType<typeof setTimeout>
  #hasHeard = false
  #buffered = 0
  // The timeout of the ping that waits for an answer, and how many of its timers have passed; 0: none waits.
  #timeout = 0
  #passed = 0

  constructor (parts: LivenessParts) {
    this.#parts = parts
  }

  /** A connection has been made. */
  start (): void {
    this.#hasHeard = true
    if (this.#parts.interval < Infinity) this.#check()
  }

  stop (): void {
    clearTimeout(this.#timer)
  }

  /** Something has come. */
  heard (): void {
    this.#hasHeard = true
  }

  /** There is a reason to doubt the connection: asks at once, and waits for four seconds at most. */
  doubt (): void {
    if (this.#parts.interval < Infinity && this.#passed === 0) this.#ask(Math.min(this.#parts.timeout, DOUBT))
  }

  #check (): void {
    if (this.#isAlive()) this.#wait(this.#parts.interval / 2, 0)
    else if (this.#passed === 0) this.#ask(this.#parts.timeout)
    else if (this.#passed === 1) this.#wait(this.#timeout / 2, 2)
    else if (this.#passed === 2) this.#wait(0, 3)
    else this.#parts.dead()
  }

  // A slow upload, behind which the ping waits, is a sign of life as well.
  #isAlive (): boolean {
    const buffered = this.#parts.buffered()
    const isAlive = this.#hasHeard || buffered < this.#buffered
    this.#buffered = buffered
    this.#hasHeard = false
    return isAlive
  }

  #ask (timeout: number): void {
    this.#timeout = timeout
    this.#hasHeard = false
    this.#parts.ping()
    this.#buffered = this.#parts.buffered()
    this.#wait(timeout / 2, 1)
  }

  #wait (milliseconds: number, passed: number): void {
    this.#passed = passed
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => { this.#check() }, Math.min(milliseconds, LONGEST))
  }
}
