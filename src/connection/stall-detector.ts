import type { Clock, Timer } from '../clock.js'

// Milliseconds between two looks, and what counts as held up: an event loop that is busy is later than it should be all the time.
const PACE = 100
const HELD_UP = 50

/** How long the event loop has been held up, while anybody asks: what came in that time was all read at once. */
export class StallDetector {
  readonly #clock: Clock
  #askers = 0
  #timer: undefined | Timer
  #looked = 0
  #total = 0
  #ended = -Infinity

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds in all. */
  get total (): number {
    return this.#total
  }

  /** When it was last seen to be held up no more, by the clock. */
  get ended (): number {
    return this.#ended
  }

  /** From now on one more asks. */
  watch (): void {
    if (++this.#askers > 1) return
    this.#looked = this.#clock.now()
    this.#timer = this.#clock.every(PACE, () => { this.#look() })
  }

  /** One less asks. */
  unwatch (): void {
    if (--this.#askers > 0) return
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
