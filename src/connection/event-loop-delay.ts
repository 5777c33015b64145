import type { Clock, Timer } from '../clock.js'

// Milliseconds between two checks, and the delay that counts as a stall: a busy event loop is
// always somewhat late.
const PACE = 100
const HELD_UP = 50

/**
 * Measures how long the event loop was blocked, while any meter watches. Input of that time is read
 * all at once.
 */
export class EventLoopDelay {
  readonly #clock: Clock
  #watchers = 0
  #timer: undefined | Timer
  #looked = 0
  #total = 0
  #ended = -Infinity

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** Total milliseconds of all stalls. */
  get total (): number {
    return this.#total
  }

  /** When the last stall was seen to have ended, in the time of the clock. */
  get ended (): number {
    return this.#ended
  }

  /** Registers a watcher. */
  watch (): void {
    if (++this.#watchers > 1) return
    this.#looked = this.#clock.now()
    this.#timer = this.#clock.every(PACE, () => { this.#look() })
  }

  /** Removes a watcher. */
  unwatch (): void {
    if (--this.#watchers > 0) return
    this.#clock.cancel(this.#timer)
  }

  #look (): void {
    const now = this.#clock.now()
    const late = now - this.#looked - PACE
    this.#looked = now
    if (late < HELD_UP) return
    this.#total += late
    this.#ended = now
  }
}
