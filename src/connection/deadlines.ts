import type { Clock } from '../clock.js'
import { FairTimer } from './fair-timer.js'

/**
 * Calls back when things are not done in time: one timer for any number of them, as all have the same time. What was done in time, but
 * could not be seen as the event loop was held up, is seen first. It keeps no process alive.
 */
export class Deadlines<T> {
  readonly #clock: Clock
  readonly #milliseconds: number
  readonly #onDeadline: (item: T, due: number) => void
  // In the order of their deadlines, as every item is given the same time.
  readonly #due = new Map<T, number>()
  readonly #grace: number
  #timer: undefined | FairTimer

  /**
   * @param onDeadline is given the item, and when its time was over.
   * @param grace milliseconds more at most, after the event loop was held up.
   */
  constructor (clock: Clock, milliseconds: number, onDeadline: (item: T, due: number) => void, grace = milliseconds) {
    this.#clock = clock
    this.#milliseconds = milliseconds
    this.#onDeadline = onDeadline
    this.#grace = grace
  }

  get size (): number {
    return this.#due.size
  }

  /** Starts the time of an item; an item whose time runs already keeps it. */
  add (item: T): void {
    if (this.#due.has(item)) return
    const due = this.#clock.now() + this.#milliseconds
    this.#due.set(item, due)
    this.#timer ??= this.#start(due)
  }

  /** Forgets an item that is done. */
  delete (item: T): void {
    this.#due.delete(item)
  }

  #start (due: number): FairTimer {
    return new FairTimer(this.#clock, { due, grace: this.#grace }, (now) => { this.#check(now) })
  }

  #check (now: number): void {
    for (const [item, due] of this.#due) {
      // Timers may fire up to a millisecond early.
      if (due > now + 1) {
        this.#timer = this.#start(due)
        return
      }
      this.#due.delete(item)
      this.#onDeadline(item, due)
    }
    this.#timer = undefined
  }
}
