import { closeCodes } from '../close-codes.js'
import { errors, type SocketError } from '../errors.js'
import type { ConnectionCounts } from '../connection/connection-counts.js'

/** How many connections there may be at a time. Nothing is capped that is not set: only the app knows the right numbers. */
export interface ConnectionCaps {
  /** Of one route; more are answered 503 with `Retry-After`. */
  readonly perRoute?: undefined | number
  /**
   * Of one user (the option `subject`) over all routes; more are answered 429, or, with `on: 'close-oldest'`, let in while the user's
   * oldest connection is closed with 1008.
   */
  readonly perUser?: undefined | number | { readonly max: number, readonly on?: undefined | 'refuse' | 'close-oldest' }
  /**
   * Of one address over all routes, of IPv6 one /64; more are answered 429. Fastify's `trustProxy` decides whose word counts.
   */
  readonly perIp?: undefined | number
}

/**
 * The reason to refuse who would be one too many, if there is one. It has to be the last question before the upgrade, asked and
 * acted on in one turn.
 *
 * @param route the name of the route.
 */
export function refuseByLimits ({ perRoute, perUser, perIp }: ConnectionCaps, counts: ConnectionCounts, route: string, ip: undefined | string, subjects: readonly string[]): undefined | SocketError {
  if (perRoute !== undefined && counts.ofRoute(route) >= perRoute) return new errors.RouteFull()
  if (perIp !== undefined && counts.ofIp(ip) >= perIp) return new errors.ConnectionsTooMany()
  return refuseUser(perUser, counts, subjects)
}

/** The same of the user only, where that is known later than the rest. */
export function refuseUser (perUser: ConnectionCaps['perUser'], counts: ConnectionCounts, subjects: readonly string[]): undefined | SocketError {
  if (perUser === undefined) return
  const { max, on } = typeof perUser === 'number' ? { max: perUser, on: undefined } : perUser
  const full = subjects.map((subject) => counts.ofUser(subject)).filter(({ size }) => size >= max)
  if (full.length > 0 && on !== 'close-oldest') return new errors.ConnectionsTooMany()
  // More than one where another route allows more. One that was closed for another subject is not among them any more.
  for (const own of full) for (const each of [...own].slice(0, Math.max(0, own.size - max + 1))) each.closeWith(closeCodes.replaced)
}
