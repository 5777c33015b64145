import type { Clock, Timer } from '../clock.js'
import { Deadlines } from './deadlines.js'

/** How silent clients are found. */
export interface HeartbeatOptions {
  /**
   * Milliseconds between two pings to a client. Proxies cut what is silent for a minute, so it should stay well below that.
   *
   * @default 25_000
   */
  readonly interval?: undefined | number
  /**
   * Milliseconds that a client has to show life after a ping: with its pong or any other traffic. Then it is cut.
   *
   * @default 10_000
   */
  readonly timeout?: undefined | number
}

/** What has gone over a connection so far, in bytes. */
export interface Traffic {
  readonly received: number
  /** What the kernel has taken. */
  readonly sent: number
  /** What waits to be taken: while it does, what is taken shows that the client reads. */
  readonly waiting: number
  /** Whether the client is not read from, because it does not read its own replies. */
  readonly isPaused: boolean
}

/** What a heartbeat looks after. */
export interface Beating {
  /** `undefined` while nothing can be told from it. */
  readonly traffic: undefined | Traffic
  ping (): void
  /** Nothing has come since the ping. */
  silent (): void
}

// How many pings in a row may stay without an answer where something else may explain that: the client reads what was sent before, or
// it is not read from. Two minutes with the default interval.
const EXCUSES = 4

// The pings of an interval are spread over this many moments, so that a server with many clients has no bursts.
const SLICES = 25

/** Pings any number of connections on one timer, and finds those that are silent (RFC 6455 section 5.5.2). */
export class Heartbeat {
  readonly #clock: Clock
  readonly #slices: ReadonlyArray<Set<Beating>> = Array.from({ length: SLICES }, () => new Set())
  // The traffic at the ping, of those that have to show life.
  readonly #pinged = new Map<Beating, undefined | Traffic>()
  // How often in a row that was excused.
  readonly #excuses = new Map<Beating, number>()
  // Nothing of them has come in time, unless it comes with the next read.
  readonly #suspects = new Set<Beating>()
  readonly #deadlines: Deadlines<Beating>
  readonly #timeout: number
  readonly #pause: number
  // How far Unix time is ahead of the clock, which stands still while most machines sleep; and when this one has last been seen to wake.
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
    // The slice that has just been: its first ping is an interval away.
    this.#slices[(this.#turn + SLICES - 1) % SLICES]!.add(item)
    this.#size++
    this.#timer ??= this.#clock.every(this.#pause, () => { this.#beat() })
  }

  delete (item: Beating): void {
    // Which one it is in is not worth keeping for each connection.
    if (this.#slices.some((slice) => slice.delete(item))) this.#size--
    this.#clear(item)
    if (this.#size === 0) {
      this.#clock.cancel(this.#timer)
      this.#timer = undefined
    }
  }

  #beat (): void {
    this.#lookWhetherAwake()
    const slice = this.#slices[this.#turn]!
    this.#turn = (this.#turn + 1) % SLICES
    for (const item of slice) {
      // Where the timeout is longer than the interval, the last ping may still have time.
      if (this.#pinged.has(item)) {
        if (!this.#isAlive(item)) continue
        this.#clear(item)
      }
      const isWaiting = (item.traffic?.waiting ?? 0) > 0
      item.ping()
      // After the ping, which is traffic itself. Over TLS it is taken a moment later, which says nothing of the client.
      const { traffic } = item
      this.#pinged.set(item, traffic === undefined || isWaiting ? traffic : { ...traffic, sent: traffic.sent + traffic.waiting })
      this.#deadlines.add(item)
    }
  }

  #check (item: Beating, due: number): void {
    if (this.#isAlive(item)) this.#clear(item)
    else if (this.#isExcused(item, due)) this.#excuse(item)
    else this.#suspect(item)
  }

  // It may have been read from again only just now: what has come of it by then is read before it is judged.
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
        item.silent()
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

  // Whether something else than the client may explain that nothing has come: it reads what was sent before, or it is not read from, or
  // this machine was held up for so long that an answer may still be on its way.
  #isExcused (item: Beating, due: number): boolean {
    const { isPaused, sent } = item.traffic!
    return isPaused || sent > this.#pinged.get(item)!.sent || this.#wasHeldUp(due)
  }

  #lookWhetherAwake (): void {
    const now = this.#clock.now()
    const ahead = this.#clock.unixNow() - now
    if (ahead - this.#ahead > this.#timeout) this.#woke = now
    this.#ahead = ahead
  }

  #wasHeldUp (due: number): boolean {
    this.#lookWhetherAwake()
    return this.#clock.now() - due > this.#timeout || this.#woke > due - this.#timeout
  }

  // Whether the client has shown life since the last ping, or could not have.
  #isAlive (item: Beating): boolean {
    const before = this.#pinged.get(item)
    const { traffic } = item
    return before === undefined || traffic === undefined || traffic.received > before.received || (traffic.waiting > 0 && traffic.sent > before.sent)
  }
}
