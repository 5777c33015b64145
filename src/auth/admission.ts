import type { FastifyRequest } from 'fastify'
import type { Identity } from '../connection/identity.js'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'
import { isThenable } from '../thenable.js'
import { createGuard, explain, type EffectiveGrant, type Guard } from './grant.js'
import type { Revocations } from './revocation-store.js'
import type { Authenticator } from './authenticator.js'

/**
 * Decides whether a client may connect to one route: it authenticates the client, checks
 * revocations and evaluates every `isGranted`.
 */
export class Admission {
  readonly #authenticator: Authenticator
  readonly #revocations: Revocations
  readonly #guard: Guard

  constructor (
    authenticator: Authenticator,
    revocations: Revocations,
    grants: readonly EffectiveGrant[]
  ) {
    this.#authenticator = authenticator
    this.#revocations = revocations
    this.#guard = createGuard(grants)
  }

  /**
   * Returns the identity of a client that requests an upgrade, or undefined if its token is to come
   * as the first message.
   *
   * @param offered the token of the sub-protocol header.
   * @throws a coded error, 401 or 403.
   */
  async admit (
    request: FastifyRequest,
    offered: undefined | string
  ): Promise<undefined | Identity> {
    const identity = await this.#authenticator.authenticate(request, offered)
    return identity && this.#check(request, identity)
  }

  /**
   * Returns the identity of the user that a hook of the app has set on a request to an unguarded
   * route; undefined if no hook has set one.
   *
   * @throws a coded error, 401.
   */
  async recognise (
    request: FastifyRequest,
    offered: undefined | string
  ): Promise<undefined | Identity> {
    const identity = await this.#authenticator.users.recognise(request, offered)
    return identity && this.#check(request, identity)
  }

  /**
   * Returns the identity of a client that sends its first token while connected.
   *
   * @throws as `admit`.
   */
  async admitLater (request: FastifyRequest, token: string): Promise<Identity> {
    return this.#check(request, await this.#authenticator.verify(request, token))
  }

  /**
   * Returns the identity of a client that renews its token while connected.
   *
   * @param before the identity so far. The subject of the new token must be the same. An identity
   * without a subject cannot be renewed.
   * @throws as `admit`.
   */
  async admitAgain (request: FastifyRequest, token: string, before: Identity): Promise<Identity> {
    const { session, subject } = before
    if (subject === undefined) throw new errors.TokenInvalid()
    const identity = await this.#authenticator.verify(request, token)
    if (identity.subject !== subject) throw new errors.TokenInvalid()
    return this.#check(request, { ...identity, session })
  }

  // Awaits only promises, as each await delays every upgrade by a turn.
  async #check (request: FastifyRequest, identity: Identity): Promise<Identity> {
    const isRevoked = this.#revocations.isRevoked(identity)
    if (isThenable(isRevoked) ? await isRevoked : isRevoked) throw new errors.TokenInvalid()
    const decision = this.#guard(identity.user, request)
    const refusing = isThenable(decision) ? await decision : decision
    if (refusing !== undefined) {
      writeLog(request, 'debug', explain(refusing, identity.user), 'isGranted refused the user')
      throw new errors.NotGranted()
    }
    if (this.#revocations.isRevokedNow(identity)) throw new errors.TokenInvalid()
    return identity
  }
}
