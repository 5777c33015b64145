import type { Clock, Timer } from '../clock.js'

/**
 * Calls back when things expire, to the second: one timer for any number of them. It keeps no process alive.
 */
export class Expiry<T> {
  readonly #clock: Clock
  readonly #onExpired: (item: T) => void
  // By the second of the Unix time in which they expire.
  readonly #seconds = new Map<number, Set<T>>()
  #timer: undefined | Timer

  constructor (clock: Clock, onExpired: (item: T) => void) {
    this.#clock = clock
    this.#onExpired = onExpired
  }

  /** @param at seconds of Unix time, as in the `exp` of a token (RFC 7519 section 4.1.4); nothing for what never expires. */
  add (item: T, at: undefined | number): void {
    if (at === undefined) return
    const second = Math.ceil(at)
    const items = this.#seconds.get(second)
    if (items === undefined) this.#seconds.set(second, new Set([item]))
    else items.add(item)
    // A tick a second rather than a timer to the next: the clock may be set, and a timer ends after 24.8 days.
    this.#timer ??= this.#clock.every(1_000, () => { this.#tick() })
  }

  delete (item: T, at: undefined | number): void {
    if (at === undefined) return
    const second = Math.ceil(at)
    const items = this.#seconds.get(second)
    if (items?.delete(item) === true && items.size === 0) this.#forget(second)
  }

  #tick (): void {
    const now = this.#clock.unixNow() / 1000
    for (const [second, items] of this.#seconds) {
      if (second > now) continue
      this.#forget(second)
      for (const item of items) this.#onExpired(item)
    }
  }

  #forget (second: number): void {
    this.#seconds.delete(second)
    if (this.#seconds.size > 0) return
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
  }
}
