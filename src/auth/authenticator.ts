import type { FastifyRequest } from 'fastify'
import type { Identity } from '../connection/identity.js'
import { errors } from '../errors.js'
import type { JwtRequest } from '../host/jwt-internals.js'
import { writeLog } from '../log.js'
import { then } from '../thenable.js'
import { createIdentify, type IdentifyOptions } from './identify.js'
import { claimsOf } from './claims.js'
import { verifyToken } from './jwt.js'
import { RequestUsers } from './request-user.js'
import { findFirst, formsOf, isLookedAt, isOfJwt, type TokenSource } from './token-source.js'

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
export interface AuthenticatorOptions extends IdentifyOptions {
  /** The sources of tokens and tickets; empty on a route without a guard. */
  readonly tokenFrom: readonly TokenSource[]
  /** The longest duration of an upgrade, in milliseconds. */
  readonly handshakeTimeout: number
  readonly redeem: Redeem
}

/** Creates the authenticator of a route. */
export function createAuthenticator (options: AuthenticatorOptions): Authenticator {
  const { jwt, redeem, tokenFrom } = options
  const sources = tokenFrom.filter((source) =>
    jwt === undefined ? source === 'ticket' : isLookedAt(source, jwt))
  const lookedFor = formsOf(jwt, sources)
  const identify = createIdentify(options)
  const users = new RequestUsers({ ...options, sources }, identify)

  const verify: Authenticator['verify'] = async (request, token) => {
    if (!sources.some(isOfJwt)) throw new errors.TokenInvalid()
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
    isKnown: (request) => users.isKnown(request),
    recognise: (request, offered) => users.recognise(request, offered),
    verify,
    authenticate: (request, offered) =>
      then(users.recognise(request, offered), (known) => known ?? find(request, offered))
  }
}
