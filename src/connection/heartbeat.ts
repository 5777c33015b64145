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

/** What a heartbeat looks after. */
export interface Beating {
  /** A number that grows with whatever goes over the connection, or `undefined` while that cannot be known. */
  readonly traffic: undefined | number
  ping (): void
  /** Nothing has come since the ping. */
  silent (): void
}

// The pings of an interval are spread over this many moments, so that a server with many clients has no bursts.
const SLICES = 25

/** Pings any number of connections on one timer, and finds those that are silent (RFC 6455 section 5.5.2). */
export class Heartbeat {
  readonly #slices: ReadonlyArray<Set<Beating>> = Array.from({ length: SLICES }, () => new Set())
  readonly #sliceOf = new Map<Beating, Set<Beating>>()
  // The traffic at the ping, of those that have to show life.
  readonly #pinged = new Map<Beating, undefined | number>()
  readonly #deadlines: Deadlines<Beating>
  readonly #pause: number
  #turn = 0
  #timer: undefined | NodeJS.Timeout

  constructor (interval: number, timeout: number) {
    this.#pause = interval / SLICES
    this.#deadlines = new Deadlines(timeout, (item) => { this.#check(item) })
  }

  add (item: Beating): void {
    // The slice that has just been: its first ping is an interval away.
    const slice = this.#slices[(this.#turn + SLICES - 1) % SLICES]!
    slice.add(item)
    this.#sliceOf.set(item, slice)
    this.#timer ??= setInterval(() => { this.#beat() }, this.#pause).unref()
  }

  delete (item: Beating): void {
    this.#sliceOf.get(item)?.delete(item)
    this.#sliceOf.delete(item)
    this.#pinged.delete(item)
    this.#deadlines.delete(item)
    if (this.#sliceOf.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  #beat (): void {
    const slice = this.#slices[this.#turn]!
    this.#turn = (this.#turn + 1) % SLICES
    for (const item of slice) {
      item.ping()
      // After the ping, which is traffic itself.
      this.#pinged.set(item, item.traffic)
      this.#deadlines.add(item)
    }
  }

  #check (item: Beating): void {
    const before = this.#pinged.get(item)
    this.#pinged.delete(item)
    if (before !== undefined && item.traffic === before) item.silent()
  }
}
