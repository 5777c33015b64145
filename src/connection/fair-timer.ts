import type { Clock, Timer } from '../clock.js'

// Milliseconds that a timer is late on a server that is only busy.
const LATE = 20

// Milliseconds in which what has come while the event loop was held up is not only read, but has its effect.
const GRACE = 1_000

/** How a patient timer runs; times in milliseconds. */
export interface FairTimerOptions {
  /** Until when others have time, by the clock. */
  readonly due: number
  /** How much longer they are given at most, once, if the event loop was held up when that came: up to 1_000. */
  readonly grace: number
  /** Whether the process goes on while it waits. @default false */
  readonly keepsAlive?: boolean
}

/**
 * A timer for what others have to do in time. It runs when all that came in time has been read: after a turn of the event loop that was
 * long, timers are served before sockets are.
 */
export class FairTimer {
  readonly #clock: Clock
  readonly #options: FairTimerOptions
  readonly #run: (now: number) => void
  #timer: Timer
  #wasLate = false
  #isOver = false

  /** @param run is given the time until which all that came has been read. */
  constructor (clock: Clock, options: FairTimerOptions, run: (now: number) => void) {
    this.#clock = clock
    this.#options = options
    this.#run = run
    // Newer versions of Node warn of a negative delay.
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
      // Sockets are read between timers and this.
      setImmediate(() => { if (!this.#isOver) this.#run(now) })
    }
  }
}
