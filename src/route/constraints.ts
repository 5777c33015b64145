import { isDeepStrictEqual, types } from 'node:util'
import type { RouteOptions } from 'fastify'
import { errors } from '../errors.js'

/** The constraints of a route: a host, a version, and those of the app's own. */
export type Constraints = NonNullable<RouteOptions['constraints']>

/** A route at a path, as far as the router tells it from others there. */
export interface Constrained {
  /** Whether it answers plain requests or upgrades. */
  readonly kind: 'rest' | 'socket'
  readonly path: string
  readonly constraints: Constraints
  /** How many constraints there are, with the one that tells upgrades apart if the route has it. */
  readonly count: number
}

/** Whether no request can meet the constraints of both of two routes, whatever kind of request it is. */
export function areSeparate (one: Constraints, other: Constraints): boolean {
  return Object.entries(one).some(([name, value]) => Object.hasOwn(other, name) && !isSame(name, value, Reflect.get(other, name)))
}

/**
 * Refuses two routes at one path if one of them would lose requests to the other. Of those that a request meets the router takes the one
 * with most constraints, of several the one that was registered last; of patterns for the host the first that matches.
 *
 * @param later the one to be registered.
 * @throws `FSR_ERR_PATH_DUPLICATE`, `FSR_ERR_PATH_AMBIGUOUS`.
 */
export function refuseConfused (later: Constrained, earlier: Constrained): void {
  const [own, others] = [later.constraints, earlier.constraints]
  const rank = lengthOf(own) - lengthOf(others)
  const areSockets = later.kind === 'socket' && earlier.kind === 'socket'
  const areMixed = later.kind !== earlier.kind
  const confused = (why: string) => new errors.PathAmbiguous(later.path, earlier.path, why)
  if ((areSockets || areMixed) && types.isRegExp(own['host']) && types.isRegExp(others['host'])) {
    if (areSockets && isDeepStrictEqual(own, others)) throw new errors.PathDuplicate(earlier.path, later.path)
    throw confused('of patterns for the host the router asks the first that matches, and no other. Give each of the two a host as text, or another path')
  }
  if (areSeparate(own, others)) return
  // The router asks '/*' before '*', whatever their constraints.
  if (areSockets && (rank === 0 || later.path === '*' || earlier.path === '*')) throw new errors.PathDuplicate(earlier.path, later.path)
  if (isRight(later, earlier, rank, areMixed)) return
  throw confused(`it depends on their order which of the two the router takes. Register '${later.path}' before '${earlier.path}'`)
}

// Whether the router takes the right one of the two for requests that meet both.
function isRight (later: Constrained, earlier: Constrained, rank: number, areMixed: boolean): boolean {
  // One of the two has upgrades alone, or all but upgrades, and is marked so.
  if (areMixed) return earlier.count > lengthOf(earlier.constraints) || (later.count >= earlier.count && later.path !== '*')
  return rank < 0 ? earlier.count > later.count : later.count >= earlier.count
}

function lengthOf (constraints: Constraints): number {
  return Object.keys(constraints).length
}

function isSame (name: string, one: unknown, other: unknown): boolean {
  return name === 'version' ? isDeepStrictEqual(versionOf(one), versionOf(other)) : isDeepStrictEqual(one, other)
}

// As find-my-way reads one: '1' is '1.0.0'. Strategies of the app's own may have anything.
function versionOf (version: unknown): unknown {
  const [major, minor, patch] = String(version).split('.', 3).map(Number) as [number, number?, number?]
  return Number.isNaN(major) ? version : [major, minor || 0, patch || 0]
}
