import type { Clock } from '../clock.js'

/** The number of invalid messages that one client may send in a row. */
export interface RefusalOptions {
  /** Messages in a row that the contract rejects. @default 100 */
  readonly max?: undefined | number
  /** Milliseconds after which a rejected message begins a new row. @default 10_000 */
  readonly per?: undefined | number
}

/** The effective limit of a route. */
export type RefusalLimit = Readonly<Required<{
  [Key in keyof RefusalOptions]: NonNullable<RefusalOptions[Key]>
}>>

/** Counts the rejected messages of one client since the last accepted one. */
export class InvalidMessages {
  readonly #clock: Clock
  readonly #limit: RefusalLimit
  #count = 0
  #begun = 0

  constructor (clock: Clock, limit: RefusalLimit) {
    this.#clock = clock
    this.#limit = limit
  }

  /** Counts a rejected message. Returns whether the limit is exceeded. */
  add (): boolean {
    const now = this.#clock.now()
    if (this.#count === 0 || now - this.#begun >= this.#limit.per) {
      this.#count = 0
      this.#begun = now
    }
    return ++this.#count > this.#limit.max
  }

  /** A message was accepted. */
  clear (): void {
    this.#count = 0
  }
}
