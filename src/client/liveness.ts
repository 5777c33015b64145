import { startTimer, type Timer } from './timer.js'

/** The connection, as `Liveness` uses it. */
export interface LivenessParts {
  /** Milliseconds. `Infinity` sends no pings. */
  readonly interval: number
  /** Milliseconds. */
  readonly timeout: number
  /** Sends a ping to the server. */
  ping (): void
  /** Returns the number of bytes that are not yet on the network. */
  buffered (): number
  /** Called when the server has not answered. */
  dead (): void
}

// The longest time to answer, in milliseconds, where there is a reason to doubt the connection.
const CHECK_TIMEOUT = 4_000

/**
 * Detects a connection that is gone without a close. A page can neither send nor see WebSocket
 * pings, so this sends a message of the protocol when nothing has arrived for half of `interval` to
 * all of it. The connection is dead when nothing arrives for `timeout` after that.
 *
 * The timeout is two timers in sequence: after a blocked event loop or a sleep of the machine the
 * first one is late, and data that arrived meanwhile is read before the second. If the second is
 * late itself, the data is read before a third.
 */
export class Liveness {
  readonly #parts: LivenessParts
  #timer: undefined | Timer
  #hasHeard = false
  #buffered = 0
  // The timeout of the pending ping, and how many of its timers have passed. 0: no ping is pending.
  #timeout = 0
  #passed = 0

  constructor (parts: LivenessParts) {
    this.#parts = parts
  }

  /** Starts with an open connection. */
  start (): void {
    this.#hasHeard = true
    if (this.#parts.interval < Infinity) this.#onTimer()
  }

  stop (): void {
    clearTimeout(this.#timer)
  }

  /** Notes that data has arrived. */
  heard (): void {
    this.#hasHeard = true
  }

  /**
   * Sends a ping at once, as there is a reason to doubt the connection, and waits for at most four
   * seconds.
   */
  check (): void {
    if (this.#parts.interval < Infinity && this.#passed === 0) {
      this.#ask(Math.min(this.#parts.timeout, CHECK_TIMEOUT))
    }
  }

  #onTimer (): void {
    if (this.#isAlive()) this.#wait(this.#parts.interval / 2, 0)
    else if (this.#passed === 0) this.#ask(this.#parts.timeout)
    else if (this.#passed === 1) this.#wait(this.#timeout / 2, 2)
    else if (this.#passed === 2) this.#wait(0, 3)
    else this.#parts.dead()
  }

  // Progress of a slow upload, behind which the ping waits, also shows that the connection is
  // alive.
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
    this.#timer = startTimer(milliseconds, () => { this.#onTimer() })
  }
}
