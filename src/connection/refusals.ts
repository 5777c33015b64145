import type { Clock } from '../clock.js'

/** How many messages that are refused one client may send in a row. */
export interface RefusalOptions {
  /** Messages in a row, none of which the contract takes. @default 100 */
  readonly max?: undefined | number
  /** Milliseconds in which they come: one that is refused later begins a new row. @default 10_000 */
  readonly per?: undefined | number
}

/** The bound in force. */
export type RefusalLimit = Readonly<Required<{ [Key in keyof RefusalOptions]: NonNullable<RefusalOptions[Key]> }>>

/** Counts the messages of one client that are refused, since one was taken. */
export class Refusals {
  readonly #clock: Clock
  readonly #limit: RefusalLimit
  #count = 0
  #begun = 0

  constructor (clock: Clock, limit: RefusalLimit) {
    this.#clock = clock
    this.#limit = limit
  }

  /** Counts one. Returns whether it is one too many. */
  add (): boolean {
    const now = this.#clock.now()
    if (this.#count === 0 || now - this.#begun >= this.#limit.per) {
      this.#count = 0
      this.#begun = now
    }
    return ++this.#count > this.#limit.max
  }

  /** A message was taken. */
  clear (): void {
    this.#count = 0
  }
}
