import type { Clock } from '../clock.js'
import { Deadlines } from './deadlines.js'
import type { Expiring } from './connection-roles.js'

// Milliseconds for reading on from a client whose messages wait for a handler.
const READING = 1_000

// Connections that may read on at a time, as the messages of each may take 1 MiB.
const MOST = 64

/** Keeps a connection open after its token has expired, for a renewal that came before that. */
export class RenewalGrace {
  readonly #reading: Deadlines<Expiring>
  readonly #verifying: Deadlines<Expiring>

  /** @param verification milliseconds that the check of a token may take. */
  constructor (clock: Clock, verification: number) {
    this.#reading = new Deadlines(clock, READING, (item) => { item.onExpired() })
    this.#verifying = new Deadlines(clock, verification, (item) => { item.onRenewalTimeout() })
  }

  /** Grants a second for reading on. Returns `false` if too many connections do so already. */
  read (item: Expiring): boolean {
    if (this.#reading.size >= MOST) return false
    this.#reading.add(item)
    return true
  }

  /** Grants the time for verifying a renewal. */
  verify (item: Expiring): void {
    this.#verifying.add(item)
  }

  delete (item: Expiring): void {
    this.#reading.delete(item)
    this.#verifying.delete(item)
  }
}
