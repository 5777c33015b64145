import type { Clock, Timer } from '../clock.js'
import { Deadlines } from './deadlines.js'
import type { Beating, Traffic } from './connection-roles.js'

/** How unresponsive clients are detected. */
export interface HeartbeatOptions {
  /**
   * Milliseconds between two pings to a client. Proxies close connections that are idle for a
   * minute, so keep it well below that.
   *
   * @default 25_000
   */
  readonly interval?: undefined | number
  /**
   * Milliseconds in which a pong or any other traffic must follow a ping. Otherwise the connection
   * is terminated.
   *
   * @default 10_000
   */
  readonly timeout?: undefined | number
}

// Missed pings in a row that are tolerated when the client is not to blame: see #isExcused. Two
// minutes with the default interval.
const EXCUSES = 4

// The pings of an interval are sent in this many slices, to avoid bursts with many clients.
const SLICES = 25

/**
 * Pings any number of connections with one timer, and reports those that do not respond (RFC 6455
 * section 5.5.2).
 */
export class Heartbeat {
  readonly #clock: Clock
  readonly #slices: ReadonlyArray<Set<Beating>> =
    Array.from({ length: SLICES }, () => new Set())

  // The traffic at the ping, for each connection that has yet to respond.
  readonly #pinged = new Map<Beating, undefined | Traffic>()
  // The number of tolerated pings in a row.
  readonly #excuses = new Map<Beating, number>()
  // Connections that have timed out unless the next read brings something.
  readonly #suspects = new Set<Beating>()
  readonly #deadlines: Deadlines<Beating>
  readonly #timeout: number
  readonly #pause: number
  // How far Unix time is ahead of the clock, which stands still while most machines sleep; and when
  // this machine was last seen to wake.
  #ahead: number
  #woke = -Infinity
  #size = 0
  #turn = 0
  #timer: undefined | Timer

  constructor (clock: Clock, interval: number, timeout: number) {
    this.#clock = clock
    this.#ahead = clock.unixNow() - clock.now()
    this.#timeout = timeout
    this.#pause = interval / SLICES
    this.#deadlines = new Deadlines(clock, timeout, (item, due) => { this.#check(item, due) })
  }

  add (item: Beating): void {
    // The slice that was just pinged: its next ping is an interval away.
    this.#slices[(this.#turn + SLICES - 1) % SLICES]!.add(item)
    this.#size++
    this.#timer ??= this.#clock.every(this.#pause, () => { this.#beat() })
  }

  delete (item: Beating): void {
    // The slice of each connection is not stored, to save memory.
    if (this.#slices.some((slice) => slice.delete(item))) this.#size--
    this.#clear(item)
    if (this.#size === 0) {
      this.#clock.cancel(this.#timer)
      this.#timer = undefined
    }
  }

  #beat (): void {
    this.#detectWake()
    const slice = this.#slices[this.#turn]!
    this.#turn = (this.#turn + 1) % SLICES
    for (const item of slice) {
      // If the timeout is longer than the interval, the last ping may still be pending.
      if (this.#pinged.has(item)) {
        if (!this.#isAlive(item)) continue
        this.#clear(item)
      }
      const isWaiting = (item.traffic?.waiting ?? 0) > 0
      item.ping()
      // Read after the ping, which is traffic itself. Over TLS the kernel takes the ping a moment
      // later, which proves nothing about the client.
      const { traffic } = item
      this.#pinged.set(item, traffic === undefined || isWaiting
        ? traffic
        : { ...traffic, sent: traffic.sent + traffic.waiting })
      this.#deadlines.add(item)
    }
  }

  #check (item: Beating, due: number): void {
    if (this.#isAlive(item)) this.#clear(item)
    else if (this.#isExcused(item, due)) this.#excuse(item)
    else this.#suspect(item)
  }

  // Reading may have resumed only just now: pending input is read before the connection is judged.
  #suspect (item: Beating): void {
    this.#suspects.add(item)
    if (this.#suspects.size === 1) setImmediate(() => { this.#judge() })
  }

  #judge (): void {
    for (const item of this.#suspects) {
      if (this.#isAlive(item)) {
        this.#clear(item)
      } else {
        this.#forget(item)
        item.onHeartbeatTimeout()
      }
    }
  }

  #clear (item: Beating): void {
    this.#forget(item)
    this.#excuses.delete(item)
  }

  #excuse (item: Beating): void {
    const excuses = (this.#excuses.get(item) ?? 0) + 1
    if (excuses > EXCUSES) {
      this.#suspect(item)
    } else {
      this.#forget(item)
      this.#excuses.set(item, excuses)
    }
  }

  #forget (item: Beating): void {
    this.#pinged.delete(item)
    this.#suspects.delete(item)
    this.#deadlines.delete(item)
  }

  // Whether the client may be alive although nothing has come: it is still reading earlier data,
  // the socket is paused, or this machine was blocked for so long that a pong may still be on its
  // way.
  #isExcused (item: Beating, due: number): boolean {
    const { isPaused, sent } = item.traffic!
    return isPaused || sent > this.#pinged.get(item)!.sent || this.#wasHeldUp(due)
  }

  #detectWake (): void {
    const now = this.#clock.now()
    const ahead = this.#clock.unixNow() - now
    if (ahead - this.#ahead > this.#timeout) this.#woke = now
    this.#ahead = ahead
  }

  #wasHeldUp (due: number): boolean {
    this.#detectWake()
    return this.#clock.now() - due > this.#timeout || this.#woke > due - this.#timeout
  }

  // Whether the client has responded since the last ping, or had no way to.
  #isAlive (item: Beating): boolean {
    const before = this.#pinged.get(item)
    const { traffic } = item
    return before === undefined || traffic === undefined || traffic.received > before.received ||
      (traffic.waiting > 0 && traffic.sent > before.sent)
  }
}
