import type { Clock } from '../clock.js'
import type { EventLoopDelay } from './event-loop-delay.js'

/** The rate at which one client may send. */
export interface RateOptions {
  /** Messages in each `per`. @default unlimited */
  readonly messages?: undefined | number
  /** Bytes of messages in each `per`. @default unlimited */
  readonly bytes?: undefined | number
  /** The window, in milliseconds. @default 1_000 */
  readonly per?: undefined | number
  /**
   * Number of windows (`per`) in a row in which a client may exceed the rate. Until then it is only
   * slowed down: reading pauses for one `per`. Then the connection is closed with 4429.
   *
   * @default 10
   */
  readonly tolerance?: undefined | number
}

/** The protocol messages by which a client stays connected. */
export type Upkeep = 'alive' | 'renew'

// Milliseconds in which one of each is free. A typed client that only listens sends an `alive`
// every ten seconds at most.
const FREE_EVERY = 5_000

// Bytes of the largest free message: a token in a header is no longer either.
const LARGEST_FREE = 16_384

/** The effective rate of a route. */
export type Rate = Readonly<Required<{ [Key in keyof RateOptions]: NonNullable<RateOptions[Key]> }>>

/** Meters the messages of one client, in windows of `per` that begin with its first message. */
export class Meter {
  readonly #clock: Clock
  readonly #rate: Rate
  readonly #stalls: EventLoopDelay
  #windowEnd = 0
  #messages = 0
  #bytes = 0
  #isOver = false
  #timesOver = 0
  // How many times the rate applies in this window, and the stalls already counted for it.
  #windows = 1
  #seen: number
  // When one of each was last free.
  readonly #free: Record<Upkeep, number> = { alive: -Infinity, renew: -Infinity }
  #isPongExpected = false

  constructor (clock: Clock, rate: Rate, stalls: EventLoopDelay) {
    this.#clock = clock
    this.#rate = rate
    this.#stalls = stalls
    this.#seen = stalls.total
    stalls.watch()
  }

  /** The connection begins to close: stops watching for stalls. */
  stopWatchingStalls (): void {
    this.#stalls.unwatch()
  }

  /**
   * Whether a message is free, so that a client that only listens is never slowed down: at most one
   * of each kind in five seconds.
   */
  isFree (bytes: number, kind: undefined | Upkeep): boolean {
    if (kind === undefined || bytes > LARGEST_FREE) return false
    const now = this.#clock.now()
    if (now - this.#free[kind] < FREE_EVERY) return false
    this.#free[kind] = now
    return true
  }

  /** A ping has been sent. */
  pinged (): void {
    this.#isPongExpected = true
  }

  /** A pong has come. Returns whether it answers a ping, and so is free. */
  ponged (): boolean {
    const wasExpected = this.#isPongExpected
    this.#isPongExpected = false
    return wasExpected
  }

  /**
   * Counts a message if the rate allows it now, and returns whether it does. A message larger than
   * the rate's `bytes` may come in a window of its own.
   */
  admit (bytes: number): boolean {
    const now = this.#clock.now()
    if (now >= this.#windowEnd) this.#begin(now)
    const fits = this.#fits(bytes) || (this.#wasHeldUp() && this.#fits(bytes))
    if (fits) {
      this.#messages++
      this.#bytes += bytes
    } else {
      this.#isOver = true
    }
    return fits
  }

  #fits (bytes: number): boolean {
    const { messages, bytes: most } = this.#rate
    return this.#messages < messages * this.#windows &&
      (this.#bytes + bytes <= most * this.#windows || this.#bytes === 0)
  }

  // Messages that came while the event loop was blocked arrive at once: the rate applies once for
  // each window that it was blocked.
  #wasHeldUp (): boolean {
    const lost = this.#stalls.total - this.#seen
    this.#seen += lost
    this.#windows += lost / this.#rate.per
    return lost > 0
  }

  /** Starts the next window, also if a timer fired slightly early. */
  startWindow (): void {
    this.#windowEnd = Math.min(this.#windowEnd, this.#clock.now())
  }

  /** Whether the client has exceeded its rate for longer than `tolerance`. */
  get isExcessive (): boolean {
    return this.#timesOver >= this.#rate.tolerance
  }

  #begin (now: number): void {
    // A pause of more than a window resets the count.
    this.#timesOver = this.#isOver && now < this.#windowEnd + this.#rate.per
      ? this.#timesOver + 1
      : 0
    this.#windowEnd = now + this.#rate.per
    this.#windows = 1
    // A stall that ended more than a window ago no longer counts.
    if (now - this.#stalls.ended > this.#rate.per) this.#seen = this.#stalls.total
    this.#messages = 0
    this.#bytes = 0
    this.#isOver = false
  }
}
