import type { Clock } from '../clock.js'
import { FairTimer } from './fair-timer.js'

/**
 * Calls back for each item that is not done in time. All items have the same time, so one timer
 * serves any number of them. After the event loop was blocked, pending input is read before an item
 * counts as late. The timer does not keep the process alive.
 */
export class Deadlines<T> {
  readonly #clock: Clock
  readonly #milliseconds: number
  readonly #onDeadline: (item: T, due: number) => void
  // In order of deadline, as all items have the same time.
  readonly #due = new Map<T, number>()
  readonly #grace: number
  #timer: undefined | FairTimer

  /**
   * @param onDeadline receives the item and the time of its deadline.
   * @param grace extra milliseconds at most, after the event loop was blocked.
   */
  constructor (
    clock: Clock,
    milliseconds: number,
    onDeadline: (item: T, due: number) => void,
    grace = milliseconds
  ) {
    this.#clock = clock
    this.#milliseconds = milliseconds
    this.#onDeadline = onDeadline
    this.#grace = grace
  }

  get size (): number {
    return this.#due.size
  }

  /** Starts the time of an item. An item that is already waiting keeps its deadline. */
  add (item: T): void {
    if (this.#due.has(item)) return
    const due = this.#clock.now() + this.#milliseconds
    this.#due.set(item, due)
    this.#timer ??= this.#start(due)
  }

  /** Removes an item that is done. */
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
