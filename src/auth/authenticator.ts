import type { FastifyRequest } from 'fastify'
import type { Identity } from '../connection/identity.js'
import { errors } from '../errors.js'
import type { JwtRequest } from '../host/fastify-jwt-internals.js'
import { writeLog } from '../log.js'
import { then } from '../thenable.js'
import { claimsOf } from './claims.js'
import { createIdentify, type Identify, type IdentifyOptions } from './create-identity.js'
import { verifyToken } from './jwt.js'
import { RequestUsers } from './hook-user.js'
import { findFirst, formsOf, isLookedAt, isOfJwt, type TokenSource } from './token-source.js'

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

/** Authenticates the clients of a route. */
export class Authenticator {
  /** Recognises the users that hooks of the app have set. */
  readonly users: RequestUsers
  readonly #options: AuthenticatorOptions
  readonly #sources: readonly TokenSource[]
  readonly #identify: Identify
  // The forms of a token, for the log.
  readonly #forms: readonly string[]

  constructor (options: AuthenticatorOptions) {
    const { jwt, tokenFrom } = options
    this.#options = options
    this.#sources = tokenFrom.filter((source) =>
      jwt === undefined ? source === 'ticket' : isLookedAt(source, jwt))
    this.#forms = formsOf(jwt, this.#sources)
    this.#identify = createIdentify(options)
    this.users = new RequestUsers({ ...options, sources: this.#sources }, this.#identify)
  }

  /**
   * Returns the identity of a request: that of the user set by a hook of the app, or that of its
   * token or ticket, verified once. Undefined if the token is to come as the first message.
   *
   * @param offered the token of the sub-protocol header.
   * @throws `FSR_ERR_TOKEN_MISSING`, `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`,
   * `FSR_ERR_TICKET_INVALID` (401), synchronously or by the promise.
   */
  authenticate (
    request: FastifyRequest,
    offered: undefined | string
  ): undefined | Identity | Promise<undefined | Identity> {
    return then(this.users.recognise(request, offered), (known) =>
      known ?? this.#find(request, offered))
  }

  /**
   * Returns the identity of a token that arrives while connected, or is passed to `renew()`. A
   * route whose `tokenFrom` has no source of tokens rejects it.
   *
   * @throws `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`.
   */
  async verify (request: FastifyRequest, token: string): Promise<Identity> {
    if (!this.#sources.some(isOfJwt)) throw new errors.TokenInvalid()
    const { jwt } = this.#options
    const user = await verifyToken(jwt!, request as unknown as JwtRequest, token)
    return this.#identify(request, user, claimsOf(token), true)
  }

  // For a request on which no hook has set a user.
  #find (request: FastifyRequest, offered: undefined | string): undefined | Promise<Identity> {
    const { jwt, redeem } = this.#options
    const found = findFirst(jwt, this.#sources, request as unknown as JwtRequest, offered)
    if (found === undefined) {
      if (this.#sources.includes('message')) return
      writeLog(request, 'debug', { lookedFor: this.#forms },
        'no token was found, and no hook has set a user')
      throw new errors.TokenMissing()
    }
    const { source, token } = found
    return source === 'ticket' ? redeem(request, token) : this.verify(request, token)
  }
}
