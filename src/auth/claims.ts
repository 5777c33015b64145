import type { Clock } from '../clock.js'
import type { Identity } from '../connection/identity.js'
import type { VerifierTimes } from '../host/fastify-jwt-internals.js'
import type { Claims, NamedUser } from './subject.js'

/**
 * Returns when a token or user with these claims expires, in seconds of Unix time; undefined:
 * never.
 */
export type EndOf = (claims: Claims) => undefined | number

// A Unix time from here on is in milliseconds: in seconds it would be the year 5138.
const MILLISECONDS = 1e11

/** Whether a time is in milliseconds, where seconds are expected. */
export function isInMilliseconds (time: number): boolean {
  return time >= MILLISECONDS
}

// An expiry in milliseconds would be thousands of years away, which is no expiry.
function endAt (time: number): undefined | number {
  return Number.isFinite(time) && !isInMilliseconds(time) ? time : undefined
}

/** The expiry of a user that a hook has set: its own `exp`. */
export const ownEnd: EndOf = ({ exp }) => typeof exp === 'number' ? endAt(exp) : undefined

/** The expiry of a token: the time from which its verifier rejects it. */
export function createEndOf (
  { clockTolerance, clockTimestamp, ignoreExpiration, maxAge }: VerifierTimes
): EndOf {
  // The clock of this verifier stands still.
  if (clockTimestamp) return () => undefined
  const tolerance = (clockTolerance ?? 0) / 1000
  const longest = ageOf(maxAge)
  return ({ exp, iat }) => {
    const end = Math.min(
      typeof exp === 'number' && ignoreExpiration !== true ? exp + tolerance : Infinity,
      // The verifier does not add clockTolerance to maxAge.
      typeof iat === 'number' ? iat + longest : Infinity
    )
    return endAt(end)
  }
}

const SECONDS: Readonly<Record<string, number>> = {
  s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800, y: 31_557_600
}

/**
 * Returns `maxAge` in seconds, parsed as `@fastify/jwt` parses it; `Infinity` without one.
 * `@fastify/jwt` has already rejected invalid values.
 */
export function ageOf (maxAge: VerifierTimes['maxAge']): number {
  if (maxAge === undefined || maxAge === null) return Infinity
  if (typeof maxAge === 'number') return maxAge
  const unit = /[a-z]+/i.exec(maxAge)?.[0].toLowerCase() ?? 'ms'
  return parseFloat(maxAge) * (/^m(s|illi)/.test(unit) ? 0.001 : SECONDS[unit[0]!]!)
}

/** The age in seconds from which a verifier rejects every token; `Infinity` without a limit. */
export function oldestOf ({ clockTimestamp, maxAge }: VerifierTimes): number {
  // The clock of a verifier with clockTimestamp stands still.
  return clockTimestamp ? Infinity : ageOf(maxAge)
}

/** Whether a verifier lets tokens expire, by `exp` or by age. */
export function endsTokens (times: VerifierTimes): boolean {
  const { clockTimestamp, ignoreExpiration } = times
  return oldestOf(times) < Infinity || (!clockTimestamp && ignoreExpiration !== true)
}

/** The claims of a verified token; undefined if its payload is not that of a JWT. */
export function claimsOf (token: string): undefined | Claims {
  try {
    const begin = token.indexOf('.') + 1
    const payload = token.slice(begin, token.indexOf('.', begin))
    // As fast-jwt decodes it: what is read must be what was verified.
    return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Claims
  } catch {
    return undefined
  }
}

/** Creates the identity of a user. */
export function identityOf (
  user: unknown,
  named: undefined | NamedUser,
  { iat }: Claims,
  exp: undefined | number
): Identity {
  return {
    user,
    subject: named?.subject,
    sub: named?.sub,
    iat: typeof iat === 'number' ? iat : undefined,
    exp
  }
}

/** Whether an identity has expired. It is then rejected rather than admitted and closed at once. */
export function isOver ({ exp }: Identity, clock: Clock): boolean {
  return exp !== undefined && exp * 1000 <= clock.unixNow()
}

/**
 * Merges the identities of two tokens of one user: the earlier `iat` and the earlier expiry count.
 */
export function stricterOf (one: Identity, other: Identity): Identity {
  // A token without iat counts as older than any other.
  const iat = one.iat === undefined || other.iat === undefined
    ? undefined
    : Math.min(one.iat, other.iat)
  return { ...one, iat, exp: earlierOf(one.exp, other.exp) }
}

/** Returns the earlier of two expiries; undefined: never. */
export function earlierOf (
  one: undefined | number,
  other: undefined | number
): undefined | number {
  return one === undefined || other === undefined ? one ?? other : Math.min(one, other)
}
