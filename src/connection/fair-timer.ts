import type { Clock, Timer } from '../clock.js'

// Milliseconds by which a timer may be late on a server that is merely busy.
const LATE = 20

// Milliseconds in which input that came while the event loop was blocked is read and handled.
const GRACE = 1_000

/** Settings of a fair timer; times in milliseconds. */
export interface FairTimerOptions {
  /** The deadline, in the time of the clock. */
  readonly due: number
  /** The longest extension, granted once if the event loop was blocked at `due`; at most 1_000. */
  readonly grace: number
  /** Whether the timer keeps the process alive. @default false */
  readonly keepsAlive?: boolean
}

/**
 * A timer for a deadline of the client or the app. It fires only after all input that came in time
 * has been read: after a long turn of the event loop, Node runs timers before it reads sockets.
 */
export class FairTimer {
  readonly #clock: Clock
  readonly #options: FairTimerOptions
  readonly #run: (now: number) => void
  #timer: Timer
  #wasLate = false
  #isOver = false

  /** @param run receives the time up to which all input has been read. */
  constructor (clock: Clock, options: FairTimerOptions, run: (now: number) => void) {
    this.#clock = clock
    this.#options = options
    this.#run = run
    // Newer versions of Node warn about a negative delay.
    this.#timer = this.#start(Math.max(0, options.due - clock.now()))
  }

  cancel (): void {
    this.#isOver = true
    this.#clock.cancel(this.#timer)
  }

  #start (milliseconds: number): Timer {
    return this.#clock.after(milliseconds, () => { this.#fired() }, this.#options.keepsAlive)
  }

  #fired (): void {
    const { due, grace } = this.#options
    const now = this.#clock.now()
    const late = now - due
    if (late > LATE && !this.#wasLate) {
      this.#wasLate = true
      this.#timer = this.#start(Math.min(late, grace, GRACE))
    } else {
      // Node reads sockets between timers and setImmediate.
      setImmediate(() => { if (!this.#isOver) this.#run(now) })
    }
  }
}
