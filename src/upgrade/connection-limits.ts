import { closeCodes } from '../protocol/close-codes.js'
import { errors, type SocketError } from '../errors.js'
import type { ConnectionCounts } from '../connection/connection-counts.js'

/**
 * Limits on concurrent connections. There are no defaults: only the app knows the right numbers.
 */
export interface ConnectionCaps {
  /** Connections to one route. Further upgrades get 503 with `Retry-After`. */
  readonly perRoute?: undefined | number
  /**
   * Connections of one user (the option `subject`) to all routes. Further upgrades get 429; with
   * `on: 'close-oldest'` they succeed, and the user's oldest connection is closed with 1008.
   */
  readonly perUser?: undefined | number | {
    readonly max: number
    readonly on?: undefined | 'refuse' | 'close-oldest'
  }
  /**
   * Connections of one IP address (of IPv6: of one /64) to all routes. Further upgrades get 429.
   * `trustProxy` of Fastify decides whether the headers of a proxy count.
   */
  readonly perIp?: undefined | number
}

/**
 * Returns an error if a connection would exceed a limit. It is the last check before the upgrade,
 * which must follow in the same turn.
 *
 * @param route the name of the route.
 */
export function refuseByLimits (
  { perRoute, perUser, perIp }: ConnectionCaps,
  counts: ConnectionCounts,
  route: string,
  ip: undefined | string,
  subjects: readonly string[]
): undefined | SocketError {
  if (perRoute !== undefined && counts.ofRoute(route) >= perRoute) return new errors.RouteFull()
  if (perIp !== undefined && counts.ofIp(ip) >= perIp) return new errors.ConnectionsTooMany()
  return refuseUser(perUser, counts, subjects)
}

/** Checks the limit of the user alone, for a user that is known only after the upgrade. */
export function refuseUser (
  perUser: ConnectionCaps['perUser'],
  counts: ConnectionCounts,
  subjects: readonly string[]
): undefined | SocketError {
  if (perUser === undefined) return
  const { max, on } = typeof perUser === 'number' ? { max: perUser, on: undefined } : perUser
  const full = subjects
    .map((subject) => counts.ofUser(subject))
    .filter(({ size }) => size >= max)
  if (full.length > 0 && on !== 'close-oldest') return new errors.ConnectionsTooMany()
  for (const own of full) {
    // More than one is closed if another route allows more. The size is read again, as a connection
    // may have been closed for the user's other subject.
    const surplus = Math.max(0, own.size - max + 1)
    for (const each of [...own].slice(0, surplus)) each.closeWith(closeCodes.replaced)
  }
}
