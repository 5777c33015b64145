import type { Clock } from '../clock.js'
import type { StallDetector } from './stall-detector.js'

/** How fast one client may send. */
export interface RateOptions {
  /** Messages in each `per`. @default any number */
  readonly messages?: undefined | number
  /** Bytes of messages in each `per`. @default any number */
  readonly bytes?: undefined | number
  /** Milliseconds. @default 1_000 */
  readonly per?: undefined | number
  /**
   * For how many `per` in a row a client may send more than it is allowed. So long it is only slowed down, as it is not read from
   * for one `per`; then it is closed with 4429.
   *
   * @default 10
   */
  readonly tolerance?: undefined | number
}

/** What a client sends to stay connected, which is of the protocol and not of the app. */
export type Upkeep = 'alive' | 'renew'

// Milliseconds in which one of each is free. A typed client that only listens sends an `alive` every ten seconds at most.
const FREE_EVERY = 5_000

// Bytes of the largest that is free: a token is no longer where it is sent as a header.
const LARGEST_FREE = 16_384

/** Who was too fast for its rate. */
export interface Metered {
  /** The next window of the rate has begun. */
  nextWindow (): void
}

/** The rate in force. */
export type Rate = Readonly<Required<{ [Key in keyof RateOptions]: NonNullable<RateOptions[Key]> }>>

/** Counts what one client sends, in windows of `per` that begin with its first message. */
export class Meter {
  readonly #clock: Clock
  readonly #rate: Rate
  readonly #stalls: StallDetector
  #windowEnd = 0
  #messages = 0
  #bytes = 0
  #isOver = false
  #timesOver = 0
  // How many windows' worth may come in this one, and the stalls that count in that.
  #windows = 1
  #seen: number
  // When one of each was last free.
  readonly #free: Record<Upkeep, number> = { alive: -Infinity, renew: -Infinity }
  #isPongExpected = false

  constructor (clock: Clock, rate: Rate, stalls: StallDetector) {
    this.#clock = clock
    this.#rate = rate
    this.#stalls = stalls
    this.#seen = stalls.total
    stalls.watch()
  }

  /** Nothing more comes. */
  end (): void {
    this.#stalls.unwatch()
  }

  /** Whether a message is free: a client that only listens is not to be slowed down. At most one of each kind is in five seconds. */
  isFree (bytes: number, kind: undefined | Upkeep): boolean {
    if (kind === undefined || bytes > LARGEST_FREE) return false
    const now = this.#clock.now()
    if (now - this.#free[kind] < FREE_EVERY) return false
    this.#free[kind] = now
    return true
  }

  /** The client has been asked for a pong. */
  pinged (): void {
    this.#isPongExpected = true
  }

  /** A pong has come. Returns whether it is free, as the answer to a ping. */
  ponged (): boolean {
    const wasExpected = this.#isPongExpected
    this.#isPongExpected = false
    return wasExpected
  }

  /** Takes one message in, if it may come now; a single message that is larger than `bytes` may come in a window of its own. */
  take (bytes: number): boolean {
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
    return this.#messages < messages * this.#windows && (this.#bytes + bytes <= most * this.#windows || this.#bytes === 0)
  }

  // What came while the event loop was held up comes all at once, and has as many windows as that took.
  #wasHeldUp (): boolean {
    const lost = this.#stalls.total - this.#seen
    this.#seen += lost
    this.#windows += lost / this.#rate.per
    return lost > 0
  }

  /** The next window has come, also where the clock of a timer has run a little ahead. */
  turn (): void {
    this.#windowEnd = Math.min(this.#windowEnd, this.#clock.now())
  }

  /** Whether the client has been over its rate for longer than is tolerated. */
  get isExcessive (): boolean {
    return this.#timesOver >= this.#rate.tolerance
  }

  #begin (now: number): void {
    // A pause of more than a window is a good deed.
    this.#timesOver = this.#isOver && now < this.#windowEnd + this.#rate.per ? this.#timesOver + 1 : 0
    this.#windowEnd = now + this.#rate.per
    this.#windows = 1
    // One that has ended long ago explains nothing any more.
    if (now - this.#stalls.ended > this.#rate.per) this.#seen = this.#stalls.total
    this.#messages = 0
    this.#bytes = 0
    this.#isOver = false
  }
}
