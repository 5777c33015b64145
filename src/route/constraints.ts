import { isDeepStrictEqual, types } from 'node:util'
import type { RouteOptions } from 'fastify'
import { errors } from '../errors.js'

/** The constraints of a route: a host, a version, and custom ones. */
export type Constraints = NonNullable<RouteOptions['constraints']>

/** A route, with the properties by which the router tells routes at one path apart. */
export interface Constrained {
  /** Whether the route handles plain requests or upgrades. */
  readonly kind: 'rest' | 'socket'
  readonly path: string
  /** The path as the app has given it, with its prefixes: `/a/`, where `path` is `/a` as well. */
  readonly written: string
  readonly constraints: Constraints
  /** The number of constraints, including the one for upgrades if the route has it. */
  readonly count: number
}

/** Whether no request can meet the constraints of both routes, be it an upgrade or not. */
export function areSeparate (one: Constraints, other: Constraints): boolean {
  return Object.entries(one).some(([name, value]) =>
    Object.hasOwn(other, name) && !isSame(name, value, Reflect.get(other, name)))
}

/**
 * Rejects two routes at one path if one would lose requests to the other. If a request meets the
 * constraints of several routes, the router takes the route with the most constraints, then the one
 * registered last. For host patterns it takes the first that matches.
 *
 * @param later the route to be registered.
 * @throws `FSR_ERR_PATH_DUPLICATE`, `FSR_ERR_PATH_AMBIGUOUS`.
 */
export function refuseConfused (later: Constrained, earlier: Constrained): void {
  const [own, others] = [later.constraints, earlier.constraints]
  const rank = lengthOf(own) - lengthOf(others)
  const areSockets = later.kind === 'socket' && earlier.kind === 'socket'
  const areMixed = later.kind !== earlier.kind
  const confused = (why: string) => new errors.PathAmbiguous(later.written, earlier.written, why)
  const duplicate = () => new errors.PathDuplicate(earlier.written, later.written)
  if ((areSockets || areMixed) && types.isRegExp(own['host']) && types.isRegExp(others['host'])) {
    if (areSockets && isDeepStrictEqual(own, others)) throw duplicate()
    throw confused('the router takes the first host pattern that matches, and tries no other. ' +
      'Give each of the two a host as a string, or another path')
  }
  if (areSeparate(own, others)) return
  // The router tries '/*' before '*', regardless of their constraints.
  if (areSockets && (rank === 0 || later.path === '*' || earlier.path === '*')) throw duplicate()
  if (isRight(later, earlier, rank, areMixed)) return
  throw confused('the order of registration decides which of the two the router takes. ' +
    `Register '${later.written}' before '${earlier.written}'`)
}

// Whether the router takes the right route of the two for requests that meet the constraints of
// both.
function isRight (
  later: Constrained,
  earlier: Constrained,
  rank: number,
  areMixed: boolean
): boolean {
  // One route takes only upgrades, or everything but upgrades, and has the constraint for that.
  if (areMixed) {
    return earlier.count > lengthOf(earlier.constraints) ||
      (later.count >= earlier.count && later.path !== '*')
  }
  return rank < 0 ? earlier.count > later.count : later.count >= earlier.count
}

function lengthOf (constraints: Constraints): number {
  return Object.keys(constraints).length
}

function isSame (name: string, one: unknown, other: unknown): boolean {
  return name === 'version'
    ? isDeepStrictEqual(versionOf(one), versionOf(other))
    : isDeepStrictEqual(one, other)
}

// Parses a version as find-my-way does: '1' is '1.0.0'. A custom strategy may use any value.
function versionOf (version: unknown): unknown {
  const [major, minor, patch] = String(version)
    .split('.', 3)
    .map(Number) as [number, number?, number?]
  return Number.isNaN(major) ? version : [major, minor || 0, patch || 0]
}
