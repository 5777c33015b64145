import { isDeepStrictEqual } from 'node:util'
import type { FastifyRequest } from 'fastify'
import type { Identity } from '../connection/identity.js'
import { errors } from '../errors.js'
import type { Jwt, JwtRequest } from '../host/fastify-jwt-internals.js'
import { readText, writeLog } from '../log.js'
import { attempt, isThenable, then } from '../thenable.js'
import { claimsOf, createEndOf, stricterOf } from './claims.js'
import { notOver, type Identify, type IdentifyOptions } from './create-identity.js'
import { verifyToken } from './jwt.js'
import { withSession } from './combined-identity.js'
import type { Claims } from './subject.js'
import { findAll, isLookedAt, isOfJwt, type Found, type TokenSource } from './token-source.js'

/** The options of `RequestUsers`. */
export interface RequestUserOptions extends IdentifyOptions {
  /** The sources of the route that can have tokens or tickets. */
  readonly sources: readonly TokenSource[]
  /** The longest duration of an upgrade, in milliseconds. */
  readonly handshakeTimeout: number
}

// The sources where a hook of the app may have found a token, in the order of @fastify/jwt. They
// are searched besides those of the route.
const usual: readonly TokenSource[] = ['header', 'cookie', 'protocol']

/** Recognises the users that hooks of the app have set on requests. */
export class RequestUsers {
  readonly #options: RequestUserOptions
  readonly #identify: Identify
  readonly #places: readonly TokenSource[]
  readonly #mayBeVerified: boolean

  constructor (options: RequestUserOptions, identify: Identify) {
    const { jwt, sources } = options
    this.#options = options
    this.#identify = identify
    this.#places = jwt === undefined
      ? []
      : [...new Set([...usual, ...sources])].filter((source) =>
          isOfJwt(source) && isLookedAt(source, jwt))
    // If the verifier accepts expired tokens, a forged token could remove the expiry of a session.
    const { ignoreExpiration, clockTimestamp } = jwt?.options.verify ?? {}
    this.#mayBeVerified = jwt?.isOnly === true && ignoreExpiration !== true && !clockTimestamp
  }

  /** Whether a hook has set a user on a request, or a promise of one. */
  isKnown (request: FastifyRequest): boolean {
    return userOf(request, this.#options.jwt) !== null
  }

  /**
   * Returns the identity of the user that a hook has set on a request; undefined if there is no
   * user, or the user is a promise that rejects. If the user comes from a token, all claims of the
   * token count, also those that formatUser has dropped.
   *
   * @param offered the token of the sub-protocol header.
   * @throws `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED` (401), synchronously or by the
   * promise.
   */
  recognise (
    request: FastifyRequest,
    offered: undefined | string
  ): undefined | Identity | Promise<undefined | Identity> {
    if (!this.isKnown(request)) return
    return then(settleUser(request, this.#options.jwt), () => this.#recognise(request, offered))
  }

  #recognise (
    request: FastifyRequest,
    offered: undefined | string
  ): undefined | Identity | Promise<Identity> {
    const { jwt } = this.#options
    const user = userOf(request, jwt)
    if (user === null) return
    const found = jwt === undefined
      ? []
      : findAll(jwt, this.#places, request as unknown as JwtRequest, offered)
    // A user that equals the claims of a token was verified by a hook. A forged token with the
    // claims of a session adds nothing to them.
    const isVerified = this.#mayBeVerified &&
      found.some(({ token }) => isDeepStrictEqual(user, claimsOf(token)))
    if (isVerified || found.length === 0) return this.#identify(request, user, user, isVerified)
    return this.#recogniseBeside(jwt!, request as unknown as JwtRequest, user, found)
  }

  // The identity of a user beside tokens. The hook may have made the user of one of them, which
  // cannot be seen. Their claims count, as formatUser may have dropped some.
  async #recogniseBeside (
    jwt: Jwt,
    request: JwtRequest,
    user: unknown,
    found: readonly Found[]
  ): Promise<Identity> {
    const identities: Identity[] = []
    const said: Claims[] = []
    for (const each of found) {
      let made: unknown
      try {
        made = await verifyAside(jwt, request, each.token, user)
      } catch (error) {
        if (identities.length === 0 && this.#mustBeValid(each, error)) throw error
        continue
      }
      const claims = Object(claimsOf(each.token)) as Claims
      identities.push(this.#identify(request, user, claims, true))
      said.push(claims, Object(made) as Claims)
    }
    const [first] = identities
    if (first === undefined) return this.#identify(request, user, user, false)
    // Tokens of different subjects are rejected, as a client sends one token only (RFC 6750 section
    // 2), and the one that the hook used is not known.
    if (identities.some(({ subject }) => subject !== first.subject)) throw new errors.TokenInvalid()
    const { subject, clock } = this.#options
    return notOver(withSession(identities.reduce(stricterOf), user, said, subject), clock)
  }

  // Whether an invalid token is rejected. It is ignored beside a valid one, or where the route does
  // not look for tokens: it may have another purpose.
  #mustBeValid ({ source, token }: Found, error: unknown): boolean {
    const { sources } = this.#options
    const isNamed = source === 'extractToken' ? sources.some(isOfJwt) : sources.includes(source)
    return isNamed || hasJustExpired(error, token, this.#options)
  }
}

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
  { jwt, clock, handshakeTimeout }: RequestUserOptions
): boolean {
  const end = createEndOf(jwt!.options.verify)(Object(claimsOf(token)) as Claims)
  return error instanceof errors.TokenExpired &&
    end !== undefined && end * 1000 + handshakeTimeout > clock.unixNow()
}
