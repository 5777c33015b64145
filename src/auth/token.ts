import { isDeepStrictEqual } from 'node:util'
import type { FastifyRequest } from 'fastify'
import type { Clock } from '../clock.js'
import type { Identity } from '../connection/identity.js'
import { errors } from '../errors.js'
import { readText, writeLog } from '../log.js'
import { attempt, isThenable, then } from '../thenable.js'
import { claimsOf, createEndOf, identityOf, isOver, ownEnd, stricterOf, withOwn } from './claims.js'
import { verifyToken, type Jwt, type JwtRequest } from './jwt.js'
import type { Claims, NamedUser, SubjectReader } from './subject.js'
import { findAll, findFirst, formsOf, isLookedAt, isOfJwt, type Found, type TokenSource } from './token-source.js'

/** Finds out who is asking. */
export interface Authenticator {
  /** Whether a hook of the app has put a user on a request, or a promise of one. */
  isKnown (request: FastifyRequest): boolean
  /**
   * The identity of the user that a hook of the app has put on a request; nothing if there is none, or a promise that rejects. Where the user was made of a
   * token, the claims of that count, whatever was made of it.
   *
   * @param offered the token of the sub-protocol header.
   * @throws `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED` (401), at once or by the promise.
   */
  recognise (request: FastifyRequest, offered: undefined | string): undefined | Identity | Promise<undefined | Identity>
  /**
   * The identity of a request: of the user that a hook of the app has put there, or of the token or ticket, verified once. None
   * if the token is to come as the first message.
   *
   * @param offered the token of the sub-protocol header.
   * @throws `FSR_ERR_TOKEN_MISSING`, `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`, `FSR_ERR_TICKET_INVALID` (401).
   */
  authenticate (request: FastifyRequest, offered: undefined | string): undefined | Identity | Promise<undefined | Identity>
  /**
   * The identity of a token that comes later, or from elsewhere. A route that looks for none takes none.
   *
   * @throws `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`.
   */
  verify (request: FastifyRequest, token: string): Promise<Identity>
}

/** Redeems a ticket. */
export type Redeem = (request: FastifyRequest, ticket: string) => Promise<Identity>

/** How a route finds out who is asking. */
export interface AuthenticatorOptions {
  /** Without it only a ticket, or a user that is there already, counts. */
  readonly jwt: undefined | Jwt
  /** The places of tokens and tickets; none on a route without a guard. */
  readonly tokenFrom: readonly TokenSource[]
  readonly requireExpiry: boolean
  readonly subject: SubjectReader
  readonly isGuarded: boolean
  /** Milliseconds that an upgrade may take. */
  readonly handshakeTimeout: number
  readonly clock: Clock
  readonly redeem: Redeem
}

// Where a hook of the app is likely to have found a token, in the order of @fastify/jwt, besides the places that a route names.
const usual: readonly TokenSource[] = ['header', 'cookie', 'protocol']

// The user that the app's own hooks have put on a request.
function userOf (request: FastifyRequest, jwt: undefined | Jwt): unknown {
  // What is false, as some libraries have it for nobody, is nobody.
  return (request as unknown as Record<string, unknown>)[nameOfUser(jwt)] || null
}

function nameOfUser (jwt: undefined | Jwt): string {
  return jwt?.decoratorName ?? 'user'
}

// An async formatUser of @fastify/jwt leaves its promise on the request. If that rejects, there is no user.
function settleUser (request: FastifyRequest, jwt: undefined | Jwt): undefined | Promise<void> {
  const user = userOf(request, jwt)
  if (!isThenable(user)) return
  const put = (user: unknown): void => { Object.assign(request, { [nameOfUser(jwt)]: user }) }
  return attempt(() => user, put, (error) => {
    put(null)
    writeLog(request, 'warn', { type: readText(error, 'name') }, 'the user of a request is a promise that has rejected, as one of formatUser: nobody is recognised')
  }) as Promise<void>
}

/** Makes the authenticator of a route. */
export function createAuthenticator (options: AuthenticatorOptions): Authenticator {
  const { jwt, redeem, clock, subject } = options
  const sources = options.tokenFrom.filter((source) => jwt === undefined ? source === 'ticket' : isLookedAt(source, jwt))
  const takesTokens = sources.some(isOfJwt)
  const places = jwt === undefined ? [] : [...new Set([...usual, ...sources])].filter((source) => isOfJwt(source) && isLookedAt(source, jwt))
  // Where a verifier takes tokens that have expired, a forged one could take the end of a session away.
  const { ignoreExpiration, clockTimestamp } = jwt?.options.verify ?? {}
  const mayBeVerified = jwt?.isOnly === true && ignoreExpiration !== true && !clockTimestamp
  const isNamed = (source: Found['source']) => source === 'extractToken' ? takesTokens : sources.includes(source)
  const identify = createIdentify(options)
  const lookedFor = formsOf(jwt, sources)

  // Of a user that a hook has made of a token: what that says counts, whatever was made of it. Nothing tells whether a hook has.
  const ofTokens = async (jwt: Jwt, request: JwtRequest, user: unknown, found: readonly Found[]): Promise<Identity> => {
    let known: undefined | Identity
    const said: Claims[] = []
    for (const { source, token } of found) {
      let made: unknown
      try {
        made = await verifyAside(jwt, request, token, user)
      } catch (error) {
        if (known === undefined && (isNamed(source) || hasJustExpired(error, token, options))) throw error
        // It is in a place where this route looks for none, or beside a valid one, and may be for something else.
        continue
      }
      const claims = Object(claimsOf(token)) as Claims
      const next = identify(request, user, claims, true)
      // Nothing tells which one the hook has taken. A client sends one token only (RFC 6750 section 2).
      if (known !== undefined && known.subject !== next.subject) throw new errors.TokenInvalid()
      known = known === undefined ? next : stricterOf(known, next)
      said.push(claims, Object(made) as Claims)
    }
    return known === undefined ? identify(request, user, user, false) : notOver(withOwn(known, user, said, subject), clock)
  }

  const recogniseNow: Authenticator['recognise'] = (request, offered) => {
    const user = userOf(request, jwt)
    if (user === null) return
    const found = jwt === undefined ? [] : findAll(jwt, places, request as unknown as JwtRequest, offered)
    // Word for word what a token says: then a hook has verified that one. A forged one says no more of a session than that does itself.
    const isVerified = mayBeVerified && found.some(({ token }) => isDeepStrictEqual(user, claimsOf(token)))
    if (isVerified || found.length === 0) return identify(request, user, user, isVerified)
    return ofTokens(jwt!, request as unknown as JwtRequest, user, found)
  }

  const recognise: Authenticator['recognise'] = (request, offered) => then(settleUser(request, jwt), () => recogniseNow(request, offered))

  const verify: Authenticator['verify'] = async (request, token) => {
    if (!takesTokens) throw new errors.TokenInvalid()
    const user = await verifyToken(jwt!, request as unknown as JwtRequest, token)
    return identify(request, user, claimsOf(token), true)
  }

  // Where no hook has said who it is.
  const find = (request: FastifyRequest, offered: undefined | string): undefined | Promise<Identity> => {
    const { source, token } = findFirst(jwt, sources, request as unknown as JwtRequest, offered) ?? {}
    if (token === undefined) {
      if (sources.includes('message')) return
      writeLog(request, 'debug', { lookedFor }, 'no token was found, and no hook has set a user')
      throw new errors.TokenMissing()
    }
    return (source === 'ticket' ? redeem : verify)(request, token)
  }

  return {
    isKnown: (request) => userOf(request, jwt) !== null,
    recognise,
    verify,
    authenticate: (request, offered) => then(recognise(request, offered), (known) => known ?? find(request, offered))
  }
}

type Identify = (request: Pick<FastifyRequest, 'log'>, user: unknown, given: unknown, isOfToken: boolean) => Identity

// Makes an identity of claims: of a token, or of a user that a hook has set without one.
function createIdentify ({ jwt, clock, requireExpiry, subject, isGuarded }: AuthenticatorOptions): Identify {
  const endOfToken = createEndOf(jwt?.options.verify ?? {})
  const nameOf = (request: Pick<FastifyRequest, 'log'>, claims: Claims, isOfToken: boolean): undefined | NamedUser => {
    try {
      return subject(claims)
    } catch (error) {
      // A user without a name could never be revoked, nor counted.
      if (!isGuarded || (!isOfToken && !subject.isOwn)) return
      writeLog(request, 'warn', { reason: (error as Error).message }, 'a user has no subject')
      throw new errors.TokenInvalid()
    }
  }

  return (request, user, given, isOfToken) => {
    const claims = Object(given) as Claims
    const { iat } = claims
    const exp = (isOfToken ? endOfToken : ownEnd)(claims)
    // One whose age cannot be told could never be revoked. The verifier looks at other claims only.
    if (isOfToken && iat !== undefined && typeof iat !== 'number') throw new errors.TokenInvalid()
    if (requireExpiry && exp === undefined && (isGuarded || isOfToken)) {
      writeLog(request, 'debug', { isOfToken }, 'a user was refused: requireExpiry is set, and nothing says when it expires')
      throw new errors.TokenInvalid()
    }
    return notOver(identityOf(user, nameOf(request, claims, isOfToken), claims, exp), clock)
  }
}

function notOver (identity: Identity, clock: Clock): Identity {
  if (isOver(identity, clock)) throw new errors.TokenExpired()
  return identity
}

// Verifies, and leaves on the request the user that a hook has put there. Returns the user that is made of the token.
async function verifyAside (jwt: Jwt, request: JwtRequest, token: string, user: unknown): Promise<unknown> {
  try {
    return await verifyToken(jwt, request, token)
  } finally {
    request[jwt.decoratorName] = user
  }
}

// Whether a hook may have verified a token in the last moments of its life, as hooks have the time of an upgrade.
function hasJustExpired (error: unknown, token: string, { jwt, clock, handshakeTimeout }: AuthenticatorOptions): boolean {
  const end = createEndOf(jwt!.options.verify)(Object(claimsOf(token)) as Claims)
  return error instanceof errors.TokenExpired && end !== undefined && end * 1000 + handshakeTimeout > clock.unixNow()
}
