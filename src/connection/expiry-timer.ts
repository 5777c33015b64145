import type { Clock } from '../clock.js'
import { FairTimer } from './fair-timer.js'

const TICK = 1_000

/**
 * Calls back when items expire, to the second, with one timer for any number of items. The timer
 * does not keep the process alive.
 */
export class ExpiryTimer<T> {
  readonly #clock: Clock
  readonly #onExpired: (item: T) => void
  // By the second of Unix time in which they expire.
  readonly #seconds = new Map<number, Set<T>>()
  #timer: undefined | FairTimer

  constructor (clock: Clock, onExpired: (item: T) => void) {
    this.#clock = clock
    this.#onExpired = onExpired
  }

  /**
   * @param at seconds of Unix time, as the `exp` of a token (RFC 7519 section 4.1.4); `undefined`:
   * never.
   */
  add (item: T, at: undefined | number): void {
    if (at === undefined) return
    const second = Math.ceil(at)
    const items = this.#seconds.get(second)
    if (items === undefined) this.#seconds.set(second, new Set([item]))
    else items.add(item)
    // A tick a second rather than a timer to the next: the clock may be set, and a timer ends after
    // 24.8 days.
    this.#timer ??= this.#start()
  }

  delete (item: T, at: undefined | number): void {
    if (at === undefined) return
    const second = Math.ceil(at)
    const items = this.#seconds.get(second)
    if (items?.delete(item) === true && items.size === 0) this.#deleteSecond(second)
  }

  #start (): FairTimer {
    return new FairTimer(
      this.#clock,
      { due: this.#clock.now() + TICK, grace: TICK },
      (now) => { this.#tick(now) }
    )
  }

  // All input that came before `read` has been read: a renewal, for instance.
  #tick (read: number): void {
    this.#timer = this.#start()
    const now = (this.#clock.unixNow() - (this.#clock.now() - read)) / 1000
    for (const [second, items] of this.#seconds) {
      if (second > now) continue
      this.#deleteSecond(second)
      for (const item of items) this.#onExpired(item)
    }
  }

  #deleteSecond (second: number): void {
    this.#seconds.delete(second)
    if (this.#seconds.size > 0) return
    this.#timer!.cancel()
    this.#timer = undefined
  }
}
