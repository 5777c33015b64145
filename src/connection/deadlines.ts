import type { Clock, Timer } from '../clock.js'

/**
 * Calls back when things are not done in time: one timer for any number of them, as all have the same time.
 * It keeps no process alive.
 */
export class Deadlines<T> {
  readonly #clock: Clock
  readonly #milliseconds: number
  readonly #onDeadline: (item: T) => void
  // In the order of their deadlines, as every item is given the same time.
  readonly #due = new Map<T, number>()
  #timer: undefined | Timer

  constructor (clock: Clock, milliseconds: number, onDeadline: (item: T) => void) {
    this.#clock = clock
    this.#milliseconds = milliseconds
    this.#onDeadline = onDeadline
  }

  /** Starts the time of an item; an item whose time runs already keeps it. */
  add (item: T): void {
    if (this.#due.has(item)) return
    this.#due.set(item, this.#clock.now() + this.#milliseconds)
    this.#timer ??= this.#start(this.#milliseconds)
  }

  /** Forgets an item that is done. */
  delete (item: T): void {
    this.#due.delete(item)
  }

  #start (milliseconds: number): Timer {
    return this.#clock.after(milliseconds, () => { this.#check() })
  }

  #check (): void {
    const now = this.#clock.now()
    for (const [item, due] of this.#due) {
      // Timers may fire up to a millisecond early.
      if (due > now + 1) {
        this.#timer = this.#start(due - now)
        return
      }
      this.#due.delete(item)
      this.#onDeadline(item)
    }
    this.#timer = undefined
  }
}
