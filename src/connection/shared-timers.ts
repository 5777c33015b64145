import type { Clock } from '../clock.js'
import type { WsConnection } from './connection.js'
import { Deadlines } from './deadlines.js'
import { ExpiryTimer } from './expiry-timer.js'
import { Heartbeat } from './heartbeat.js'
import { RenewalGrace } from './renewal-grace.js'
import type { Expiring, Live, Metered } from './connection-roles.js'
import { EventLoopDelay } from './event-loop-delay.js'

/** The timers of an app: one per distinct setting, shared by all routes and connections. */
export class SharedTimers {
  readonly clock: Clock
  readonly stalls: EventLoopDelay
  /** Closes connections when their tokens expire. */
  readonly expiry: ExpiryTimer<Expiring>
  /** Keeps them open for renewals that came before their tokens expired. */
  readonly overtime: RenewalGrace
  /** Compacts connections once they have been open for a second: shorter ones are not worth it. */
  readonly compaction: Deadlines<WsConnection>
  readonly #closing = new Map<number, Deadlines<Live>>()
  readonly #windows = new Map<number, Deadlines<Metered>>()
  readonly #heartbeats = new Map<string, Heartbeat>()

  /** @param verification milliseconds that the check of a token may take. */
  constructor (clock: Clock, verification: number) {
    this.clock = clock
    this.stalls = new EventLoopDelay(clock)
    this.expiry = new ExpiryTimer(clock, (item) => { item.onExpired() })
    this.overtime = new RenewalGrace(clock, verification)
    this.compaction = new Deadlines(clock, 1_000, (connection) => { connection.compact() })
  }

  /** Deadlines for connections that are closing. @param timeout milliseconds. */
  closing (timeout: number): Deadlines<Live> {
    return getOrMake(this.#closing, timeout, () =>
      new Deadlines(this.clock, timeout, (connection) => { connection.onCloseTimeout() }))
  }

  /** Deadlines for the next window of clients over their rate. @param per milliseconds. */
  windows (per: number): Deadlines<Metered> {
    return getOrMake(this.#windows, per, () =>
      new Deadlines(this.clock, per, (client) => { client.onNextWindow() }, 0))
  }

  heartbeat (
    options: false | { readonly interval: number, readonly timeout: number }
  ): undefined | Heartbeat {
    if (options === false) return
    const { interval, timeout } = options
    return getOrMake(this.#heartbeats, `${interval} ${timeout}`, () =>
      new Heartbeat(this.clock, interval, timeout))
  }
}

function getOrMake<Key, Value> (map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
