import { networkOf } from './ip-prefix.js'
import type { Counted } from './connection-roles.js'

/**
 * Counts the connections of an app by route; by address and by user only if a route limits these.
 */
export class ConnectionCounts {
  readonly #perRoute = new Map<string, number>()
  // By network: see networkOf.
  readonly #perIp = new Map<string, number>()
  // In order of arrival.
  readonly #perUser = new Map<string, Set<Counted>>()
  #isIpCapped = false
  #isUserCapped = false

  /** Registers the limits of a route. A count without a limit is not kept, to save memory. */
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

  /** The connection begins to close and no longer counts for its user. */
  deleteFromUser (connection: Counted): void {
    if (!this.#isUserCapped) return
    for (const subject of connection.subjects) {
      const own = this.#perUser.get(subject)
      if (own?.delete(connection) === true && own.size === 0) this.#perUser.delete(subject)
    }
  }

  /**
   * The socket has closed, after `deleteFromUser`. Until then the connection counts for its route
   * and its address, also if the client does not answer the close frame.
   */
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
