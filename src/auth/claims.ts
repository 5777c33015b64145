import type { Clock } from '../clock.js'
import type { Identity } from '../connection/identity.js'
import type { Claims, NamedUser, SubjectReader } from './subject.js'

/** What a verifier of `@fastify/jwt` is told of time: its options `verify`, as the app has given them. */
export interface VerifierTimes {
  /** Milliseconds. */
  readonly clockTolerance?: undefined | number
  /** A fixed time for the verifier, in milliseconds. */
  readonly clockTimestamp?: undefined | number
  readonly ignoreExpiration?: undefined | boolean
  /** Seconds, or a text such as `'10m'`. */
  readonly maxAge?: undefined | null | number | string
}

/** When something that the claims are of is over, in seconds of Unix time; nothing if never. */
export type EndOf = (claims: Claims) => undefined | number

// Above this Unix time is not in seconds: they come to it in the year 5138.
const MILLISECONDS = 1e11

/** Whether a time is in milliseconds, where seconds are meant. */
export function isInMilliseconds (time: number): boolean {
  return time >= MILLISECONDS
}

// What would end in thousands of years, as it was written in milliseconds, is not said to have an end.
function endAt (time: number): undefined | number {
  return Number.isFinite(time) && !isInMilliseconds(time) ? time : undefined
}

/** The end that a user itself says, whom a hook has set. */
export const ownEnd: EndOf = ({ exp }) => typeof exp === 'number' ? endAt(exp) : undefined

/** The end of a token: the moment from which its verifier takes it no more. */
export function createEndOf ({ clockTolerance, clockTimestamp, ignoreExpiration, maxAge }: VerifierTimes): EndOf {
  // For such a verifier no time goes by.
  if (clockTimestamp) return () => undefined
  const tolerance = (clockTolerance ?? 0) / 1000
  const longest = ageOf(maxAge)
  return ({ exp, iat }) => {
    const end = Math.min(
      typeof exp === 'number' && ignoreExpiration !== true ? exp + tolerance : Infinity,
      // The verifier adds no tolerance to this.
      typeof iat === 'number' ? iat + longest : Infinity
    )
    return endAt(end)
  }
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800, y: 31_557_600 }

/** A `maxAge` in seconds, as `@fastify/jwt` has read it: it has refused what is none. `Infinity` for none. */
export function ageOf (maxAge: VerifierTimes['maxAge']): number {
  if (maxAge === undefined || maxAge === null) return Infinity
  if (typeof maxAge === 'number') return maxAge
  const unit = /[a-z]+/i.exec(maxAge)?.[0].toLowerCase() ?? 'ms'
  return parseFloat(maxAge) * (/^m(s|illi)/.test(unit) ? 0.001 : SECONDS[unit[0]!]!)
}

/** The age, in seconds, from which a verifier takes no token any more; `Infinity` where there is none. */
export function oldestOf ({ clockTimestamp, maxAge }: VerifierTimes): number {
  // For such a verifier no time goes by.
  return clockTimestamp ? Infinity : ageOf(maxAge)
}

/** Whether a verifier ends any token: by its `exp`, or by its age. */
export function endsTokens (times: VerifierTimes): boolean {
  const { clockTimestamp, ignoreExpiration } = times
  return oldestOf(times) < Infinity || (!clockTimestamp && ignoreExpiration !== true)
}

/** The claims of a token that is verified; one of another form than JWT has none to read. */
export function claimsOf (token: string): undefined | Claims {
  try {
    const begin = token.indexOf('.') + 1
    return JSON.parse(Buffer.from(token.slice(begin, token.indexOf('.', begin)), 'base64url').toString('utf8')) as Claims
  } catch {
    return undefined
  }
}

/** Puts together who somebody is. */
export function identityOf (user: unknown, named: undefined | NamedUser, { iat }: Claims, exp: undefined | number): Identity {
  return { user, subject: named?.subject, sub: named?.sub, iat: typeof iat === 'number' ? iat : undefined, exp }
}

/** Whether the end of a user has come: who is over is refused, rather than let in and closed. */
export function isOver ({ exp }: Identity, clock: Clock): boolean {
  return exp !== undefined && exp * 1000 <= clock.unixNow()
}

/** One identity of two tokens of the same user: it is revoked, and ends, with the first of them. */
export function stricterOf (one: Identity, other: Identity): Identity {
  // A token that does not say when it was issued is older than any.
  const iat = one.iat === undefined || other.iat === undefined ? undefined : Math.min(one.iat, other.iat)
  const exp = Math.min(one.exp ?? Infinity, other.exp ?? Infinity)
  return { ...one, iat, exp: exp === Infinity ? undefined : exp }
}

/**
 * The identity of a token, where a hook has set the user. That may be of a session, with a token of the client's own beside it: what
 * the hook says of the user, and the token does not, counts as well.
 *
 * @param said the claims of the tokens, and what `@fastify/jwt` has made of each.
 * @param subject reads a name; it may throw.
 */
export function withOwn (identity: Identity, user: unknown, said: readonly Claims[], subject: SubjectReader): Identity {
  const [claims = {}] = said
  const own = Object(user) as Claims
  const { iat } = own
  const name = nameOf(laidOver(own, claims), subject)
  const isNew = name !== undefined && said.every((each) => nameOf(laidOver(each, claims), subject)?.subject !== name.subject)
  const end = said.some(({ exp }) => exp === own['exp']) ? undefined : ownEnd(own)
  return {
    ...identity,
    ...(isNew && { own: { ...name, iat: typeof iat === 'number' ? iat : undefined } }),
    ...(end !== undefined && { exp: Math.min(end, identity.exp ?? Infinity) })
  }
}

// The claims as others that say less of a user, or something else, would have them. A user may have getters, of a class of the app.
function laidOver (given: Claims, claims: Claims): Claims {
  return new Proxy(claims, { get: (_claims, name) => Reflect.get(given, name) ?? Reflect.get(claims, name) })
}

function nameOf (claims: Claims, subject: SubjectReader): undefined | NamedUser {
  try {
    return subject(claims)
  } catch {
    // It has none.
  }
}
