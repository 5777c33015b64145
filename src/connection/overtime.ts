import type { Clock } from '../clock.js'
import { Deadlines } from './deadlines.js'

/** A connection that ends with its token. */
export interface Expiring {
  /** The token has expired, or the time is over in which more was read behind it. */
  expired (): void
  /** A renewal that came in time was not verified in time. */
  overdue (): void
}

// Milliseconds in which more is read of a client that waits for a handler.
const READING = 1_000

// For how many connections at a time, as the messages of each may take 1 MiB.
const MOST = 64

/** The time that a connection has after the end of its token, for a renewal that came before that. */
export class Overtime {
  readonly #reading: Deadlines<Expiring>
  readonly #verifying: Deadlines<Expiring>

  /** @param verification milliseconds that the check of a token may take. */
  constructor (clock: Clock, verification: number) {
    this.#reading = new Deadlines(clock, READING, (item) => { item.expired() })
    this.#verifying = new Deadlines(clock, verification, (item) => { item.overdue() })
  }

  /** Gives a second to read on. Returns whether it may: others may have all of that. */
  read (item: Expiring): boolean {
    if (this.#reading.size >= MOST) return false
    this.#reading.add(item)
    return true
  }

  /** Gives the time of a check. */
  verify (item: Expiring): void {
    this.#verifying.add(item)
  }

  delete (item: Expiring): void {
    this.#reading.delete(item)
    this.#verifying.delete(item)
  }
}
