import type { FastifyRequest } from 'fastify'
import type { Clock } from '../clock.js'
import type { Identity } from '../connection/identity.js'
import { errors } from '../errors.js'
import type { Jwt } from '../host/fastify-jwt-internals.js'
import { writeLog } from '../log.js'
import { createEndOf, identityOf, isOver, ownEnd } from './claims.js'
import type { Claims, NamedUser, SubjectReader } from './subject.js'

/** The options of `createIdentify`. */
export interface IdentifyOptions {
  /** undefined: only tickets, and users set by a hook, are accepted. */
  readonly jwt: undefined | Jwt
  readonly requireExpiry: boolean
  readonly subject: SubjectReader
  readonly isGuarded: boolean
  readonly clock: Clock
}

/**
 * Creates the identity of a user from claims.
 *
 * @param isOfToken whether the claims are those of a verified token, rather than of a user that a
 * hook has set.
 * @throws `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`.
 */
export type Identify = (
  request: Pick<FastifyRequest, 'log'>,
  user: unknown,
  given: unknown,
  isOfToken: boolean
) => Identity

/** Creates the function that identifies the users of a route. */
export function createIdentify (options: IdentifyOptions): Identify {
  const { jwt, clock, requireExpiry, isGuarded } = options
  const endOfToken = createEndOf(jwt?.options.verify ?? {})
  return (request, user, given, isOfToken) => {
    const claims = Object(given) as Claims
    const { iat } = claims
    const exp = (isOfToken ? endOfToken : ownEnd)(claims)
    // A token whose age is unknown could never be revoked. The verifier does not check iat.
    if (isOfToken && iat !== undefined && typeof iat !== 'number') throw new errors.TokenInvalid()
    if (requireExpiry && exp === undefined && (isGuarded || isOfToken)) {
      writeLog(request, 'debug', { isOfToken },
        'a user was refused: requireExpiry is set, but the token or the user has no expiry')
      throw new errors.TokenInvalid()
    }
    const name = nameOf(request, claims, isOfToken, options)
    return notOver(identityOf(user, name, claims, exp), clock)
  }
}

function nameOf (
  request: Pick<FastifyRequest, 'log'>,
  claims: Claims,
  isOfToken: boolean,
  { subject, isGuarded }: IdentifyOptions
): undefined | NamedUser {
  try {
    return subject(claims)
  } catch (error) {
    // A user without a subject can be neither revoked nor counted.
    if (!isGuarded || (!isOfToken && !subject.isOwn)) return
    const reason = (error as Error).message
    writeLog(request, 'warn', { reason }, 'a user has no subject')
    throw new errors.TokenInvalid()
  }
}

/** Returns an identity. @throws `FSR_ERR_TOKEN_EXPIRED` if it has expired. */
export function notOver (identity: Identity, clock: Clock): Identity {
  if (isOver(identity, clock)) throw new errors.TokenExpired()
  return identity
}
