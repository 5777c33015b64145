import type { Closable } from '../connection/closable.js'

/** What is counted, and closed where there would be too many. */
export interface Counted extends Closable {
  readonly ip: string
  readonly sub: undefined | string
}

/** Counts the connections of an app by user and by address. */
export class ConnectionCounts {
  readonly #perIp = new Map<string, number>()
  // In the order in which they came.
  readonly #perUser = new Map<string, Set<Counted>>()

  add (connection: Counted): void {
    const { ip, sub } = connection
    this.#perIp.set(ip, this.ofIp(ip) + 1)
    if (sub === undefined) return
    const own = this.#perUser.get(sub)
    if (own === undefined) this.#perUser.set(sub, new Set([connection]))
    else own.add(connection)
  }

  delete (connection: Counted): void {
    const { ip, sub } = connection
    const left = this.ofIp(ip) - 1
    if (left > 0) this.#perIp.set(ip, left)
    else this.#perIp.delete(ip)
    if (sub === undefined) return
    const own = this.#perUser.get(sub)
    if (own?.delete(connection) === true && own.size === 0) this.#perUser.delete(sub)
  }

  ofIp (ip: string): number {
    return this.#perIp.get(ip) ?? 0
  }

  ofUser (sub: string): ReadonlySet<Counted> {
    return this.#perUser.get(sub) ?? NONE
  }
}

const NONE: ReadonlySet<Counted> = new Set()
