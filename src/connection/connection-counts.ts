import type { Closable } from './live.js'
import { networkOf } from './network.js'

/** What is counted, and closed where there would be too many. */
export interface Counted extends Closable {
  readonly ip: undefined | string
  /** The name of its route. */
  readonly route: string
  /** The subjects of its user: see `Identity`. */
  readonly subjects: readonly string[]
}

/** Counts the connections of an app by route, and by address and by user if any route caps these. */
export class ConnectionCounts {
  readonly #perRoute = new Map<string, number>()
  // By network.
  readonly #perIp = new Map<string, number>()
  // In the order in which they came.
  readonly #perUser = new Map<string, Set<Counted>>()
  #isIpCapped = false
  #isUserCapped = false

  /** A route has these caps: what none has is not counted, as that would be kept for each connection. */
  expect ({ perIp, perUser }: { readonly perIp?: unknown, readonly perUser?: unknown }): void {
    this.#isIpCapped ||= perIp !== undefined
    this.#isUserCapped ||= perUser !== undefined
  }

  add (connection: Counted): void {
    const { route, ip } = connection
    adjust(this.#perRoute, route, 1)
    if (this.#isIpCapped) adjust(this.#perIp, networkOf(ip), 1)
    if (!this.#isUserCapped) return
    for (const subject of connection.subjects) {
      const own = this.#perUser.get(subject)
      if (own === undefined) this.#perUser.set(subject, new Set([connection]))
      else own.add(connection)
    }
  }

  /** It begins to close: its user may have another. */
  leave (connection: Counted): void {
    if (!this.#isUserCapped) return
    for (const subject of connection.subjects) {
      const own = this.#perUser.get(subject)
      if (own?.delete(connection) === true && own.size === 0) this.#perUser.delete(subject)
    }
  }

  /** Its socket is closed, after it has left: until then it takes room, also of whoever does not answer the close. */
  delete ({ route, ip }: Counted): void {
    adjust(this.#perRoute, route, -1)
    if (this.#isIpCapped) adjust(this.#perIp, networkOf(ip), -1)
  }

  ofRoute (name: string): number {
    return this.#perRoute.get(name) ?? 0
  }

  ofIp (ip: undefined | string): number {
    return this.#perIp.get(networkOf(ip)) ?? 0
  }

  ofUser (subject: string): ReadonlySet<Counted> {
    return this.#perUser.get(subject) ?? NONE
  }
}

const NONE: ReadonlySet<Counted> = new Set()

function adjust (counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}
