import { isDeepStrictEqual } from 'node:util'
import type { FastifyRequest } from 'fastify'
import type { Clock } from '../clock.js'
import type { Identity } from '../connection/identity.js'
import { errors } from '../errors.js'
import type { Jwt, JwtRequest } from '../host/jwt-internals.js'
import { readText, writeLog } from '../log.js'
import { attempt, isThenable, then } from '../thenable.js'
import { claimsOf, createEndOf, identityOf, isOver, ownEnd, stricterOf, withOwn } from './claims.js'
import { verifyToken } from './jwt.js'
import type { Claims, NamedUser, SubjectReader } from './subject.js'
import {
  findAll,
  findFirst,
  formsOf,
  isLookedAt,
  isOfJwt,
  type Found,
  type TokenSource
} from './token-source.js'

/** Authenticates the client of a request. */
export interface Authenticator {
  /** Whether a hook of the app has set a user on a request, or a promise of one. */
  isKnown (request: FastifyRequest): boolean
  /**
   * Returns the identity of the user that a hook of the app has set on a request; undefined if
   * there is no user, or the user is a promise that rejects. If the user comes from a token, all
   * claims of the token count, also those that formatUser has dropped.
   *
   * @param offered the token of the sub-protocol header.
   * @throws `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED` (401), synchronously or by the
   * promise.
   */
  recognise (
    request: FastifyRequest,
    offered: undefined | string
  ): undefined | Identity | Promise<undefined | Identity>
  /**
   * Returns the identity of a request: that of the user set by a hook of the app, or that of its
   * token or ticket, verified once. Undefined if the token is to come as the first message.
   *
   * @param offered the token of the sub-protocol header.
   * @throws `FSR_ERR_TOKEN_MISSING`, `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`,
   * `FSR_ERR_TICKET_INVALID` (401).
   */
  authenticate (
    request: FastifyRequest,
    offered: undefined | string
  ): undefined | Identity | Promise<undefined | Identity>
  /**
   * Returns the identity of a token that arrives while connected, or is passed to `renew()`. A
   * route whose `tokenFrom` has no source of tokens rejects it.
   *
   * @throws `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`.
   */
  verify (request: FastifyRequest, token: string): Promise<Identity>
}

/** Redeems a ticket. */
export type Redeem = (request: FastifyRequest, ticket: string) => Promise<Identity>

/** The options of an authenticator. */
export interface AuthenticatorOptions {
  /** undefined: only tickets, and users set by a hook, are accepted. */
  readonly jwt: undefined | Jwt
  /** The sources of tokens and tickets; empty on a route without a guard. */
  readonly tokenFrom: readonly TokenSource[]
  readonly requireExpiry: boolean
  readonly subject: SubjectReader
  readonly isGuarded: boolean
  /** The longest duration of an upgrade, in milliseconds. */
  readonly handshakeTimeout: number
  readonly clock: Clock
  readonly redeem: Redeem
}

// The sources where a hook of the app may have found a token, in the order of @fastify/jwt. They
// are searched besides those of the route.
const usual: readonly TokenSource[] = ['header', 'cookie', 'protocol']

// The user that hooks of the app have set on a request.
function userOf (request: FastifyRequest, jwt: undefined | Jwt): unknown {
  // A falsy value means no user: some libraries set false.
  return (request as unknown as Record<string, unknown>)[nameOfUser(jwt)] || null
}

function nameOfUser (jwt: undefined | Jwt): string {
  return jwt?.decoratorName ?? 'user'
}

// An async formatUser of @fastify/jwt leaves its promise on the request. A rejection means no user.
function settleUser (request: FastifyRequest, jwt: undefined | Jwt): undefined | Promise<void> {
  const user = userOf(request, jwt)
  if (!isThenable(user)) return
  const put = (user: unknown): void => {
    Object.assign(request, { [nameOfUser(jwt)]: user })
  }
  return attempt(() => user, put, (error) => {
    put(null)
    writeLog(request, 'warn', { type: readText(error, 'name') },
      'the user of a request is a promise that rejected, such as that of an async formatUser: ' +
      'continuing without a user')
  }) as Promise<void>
}

/** Creates the authenticator of a route. */
export function createAuthenticator (options: AuthenticatorOptions): Authenticator {
  const { jwt, redeem, clock, subject } = options
  const sources = options.tokenFrom.filter((source) =>
    jwt === undefined ? source === 'ticket' : isLookedAt(source, jwt))
  const takesTokens = sources.some(isOfJwt)
  const places = jwt === undefined
    ? []
    : [...new Set([...usual, ...sources])].filter((source) =>
        isOfJwt(source) && isLookedAt(source, jwt))
  // If the verifier accepts expired tokens, a forged token could remove the expiry of a session.
  const { ignoreExpiration, clockTimestamp } = jwt?.options.verify ?? {}
  const mayBeVerified = jwt?.isOnly === true && ignoreExpiration !== true && !clockTimestamp
  const isNamed = (source: Found['source']) =>
    source === 'extractToken' ? takesTokens : sources.includes(source)
  const identify = createIdentify(options)
  const lookedFor = formsOf(jwt, sources)

  // Returns the identity of a user that a hook has set on a request with tokens. The hook may have
  // made the user from one of them; the request does not show which. The claims of the tokens
  // count, as formatUser may have dropped some.
  const ofTokens = async (
    jwt: Jwt,
    request: JwtRequest,
    user: unknown,
    found: readonly Found[]
  ): Promise<Identity> => {
    let known: undefined | Identity
    const said: Claims[] = []
    for (const { source, token } of found) {
      let made: unknown
      try {
        made = await verifyAside(jwt, request, token, user)
      } catch (error) {
        if (known === undefined && (isNamed(source) || hasJustExpired(error, token, options))) {
          throw error
        }
        // An invalid token is ignored beside a valid one, or where the route does not look for
        // tokens: it may have another purpose.
        continue
      }
      const claims = Object(claimsOf(token)) as Claims
      const next = identify(request, user, claims, true)
      // Tokens of different subjects are rejected, as a client sends one token only (RFC 6750
      // section 2), and the one that the hook used is not known.
      if (known !== undefined && known.subject !== next.subject) throw new errors.TokenInvalid()
      known = known === undefined ? next : stricterOf(known, next)
      said.push(claims, Object(made) as Claims)
    }
    return known === undefined
      ? identify(request, user, user, false)
      : notOver(withOwn(known, user, said, subject), clock)
  }

  const recogniseNow: Authenticator['recognise'] = (request, offered) => {
    const user = userOf(request, jwt)
    if (user === null) return
    const found = jwt === undefined
      ? []
      : findAll(jwt, places, request as unknown as JwtRequest, offered)
    // If the user equals the claims of a token, a hook has verified that token. A forged token with
    // the claims of a session adds nothing to the session.
    const isVerified = mayBeVerified &&
      found.some(({ token }) => isDeepStrictEqual(user, claimsOf(token)))
    if (isVerified || found.length === 0) return identify(request, user, user, isVerified)
    return ofTokens(jwt!, request as unknown as JwtRequest, user, found)
  }

  const recognise: Authenticator['recognise'] = (request, offered) =>
    then(settleUser(request, jwt), () => recogniseNow(request, offered))

  const verify: Authenticator['verify'] = async (request, token) => {
    if (!takesTokens) throw new errors.TokenInvalid()
    const user = await verifyToken(jwt!, request as unknown as JwtRequest, token)
    return identify(request, user, claimsOf(token), true)
  }

  // For a request on which no hook has set a user.
  const find = (
    request: FastifyRequest,
    offered: undefined | string
  ): undefined | Promise<Identity> => {
    const { source, token } =
      findFirst(jwt, sources, request as unknown as JwtRequest, offered) ?? {}
    if (token === undefined) {
      if (sources.includes('message')) return
      writeLog(request, 'debug', { lookedFor },
        'no token was found, and no hook has set a user')
      throw new errors.TokenMissing()
    }
    return (source === 'ticket' ? redeem : verify)(request, token)
  }

  return {
    isKnown: (request) => userOf(request, jwt) !== null,
    recognise,
    verify,
    authenticate: (request, offered) =>
      then(recognise(request, offered), (known) => known ?? find(request, offered))
  }
}

type Identify = (
  request: Pick<FastifyRequest, 'log'>,
  user: unknown,
  given: unknown,
  isOfToken: boolean
) => Identity

// Creates identities from claims: those of a token, or of a user that a hook has set without one.
function createIdentify (
  { jwt, clock, requireExpiry, subject, isGuarded }: AuthenticatorOptions
): Identify {
  const endOfToken = createEndOf(jwt?.options.verify ?? {})
  const nameOf = (
    request: Pick<FastifyRequest, 'log'>,
    claims: Claims,
    isOfToken: boolean
  ): undefined | NamedUser => {
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
    return notOver(identityOf(user, nameOf(request, claims, isOfToken), claims, exp), clock)
  }
}

function notOver (identity: Identity, clock: Clock): Identity {
  if (isOver(identity, clock)) throw new errors.TokenExpired()
  return identity
}

// Verifies a token and returns its user. The user that a hook has set stays on the request.
async function verifyAside (
  jwt: Jwt,
  request: JwtRequest,
  token: string,
  user: unknown
): Promise<unknown> {
  try {
    return await verifyToken(jwt, request, token)
  } finally {
    request[jwt.decoratorName] = user
  }
}

// Whether a token has expired so recently that a hook may have verified it before: hooks may take
// as long as an upgrade.
function hasJustExpired (
  error: unknown,
  token: string,
  { jwt, clock, handshakeTimeout }: AuthenticatorOptions
): boolean {
  const end = createEndOf(jwt!.options.verify)(Object(claimsOf(token)) as Claims)
  return error instanceof errors.TokenExpired &&
    end !== undefined && end * 1000 + handshakeTimeout > clock.unixNow()
}
