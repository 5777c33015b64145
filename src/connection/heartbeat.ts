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
  /** Whether more waits to be taken, so that what is taken shows that the client reads. */
  readonly isWaiting: boolean
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
  readonly #deadlines: Deadlines<Beating>
  readonly #pause: number
  #size = 0
  #turn = 0
  #timer: undefined | Timer

  constructor (clock: Clock, interval: number, timeout: number) {
    this.#clock = clock
    this.#pause = interval / SLICES
    this.#deadlines = new Deadlines(clock, timeout, (item) => { this.#check(item) })
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
    this.#pinged.delete(item)
    this.#excuses.delete(item)
    this.#deadlines.delete(item)
    if (this.#size === 0) {
      this.#clock.cancel(this.#timer)
      this.#timer = undefined
    }
  }

  #beat (): void {
    const slice = this.#slices[this.#turn]!
    this.#turn = (this.#turn + 1) % SLICES
    for (const item of slice) {
      // Where the timeout is longer than the interval, the last ping may still have time.
      if (this.#pinged.has(item)) {
        if (!this.#isAlive(item)) continue
        this.#deadlines.delete(item)
        this.#excuses.delete(item)
      }
      item.ping()
      // After the ping, which is traffic itself.
      this.#pinged.set(item, item.traffic)
      this.#deadlines.add(item)
    }
  }

  #check (item: Beating): void {
    const before = this.#pinged.get(item)
    const isAlive = this.#isAlive(item)
    this.#pinged.delete(item)
    if (isAlive) {
      this.#excuses.delete(item)
      return
    }
    const excuses = (this.#excuses.get(item) ?? 0) + 1
    const isExcused = item.traffic!.isPaused || item.traffic!.sent > before!.sent
    if (!isExcused || excuses > EXCUSES) item.silent()
    else this.#excuses.set(item, excuses)
  }

  // Whether the client has shown life since the last ping, or could not have.
  #isAlive (item: Beating): boolean {
    const before = this.#pinged.get(item)
    const { traffic } = item
    return before === undefined || traffic === undefined || traffic.received > before.received || (traffic.isWaiting && traffic.sent > before.sent)
  }
}
