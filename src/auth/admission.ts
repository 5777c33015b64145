import type { FastifyRequest } from 'fastify'
import type { Identity } from '../connection/identity.js'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'
import { isThenable } from '../thenable.js'
import { createGuard, explain, type EffectiveGrant, type Guard } from './grant.js'
import type { Revocations } from './revocation.js'
import type { Authenticator } from './token.js'

/** Decides who may come in to one route: who is it, was that revoked, and does every `isGranted` agree. */
export class Admission {
  readonly #authenticator: Authenticator
  readonly #revocations: Revocations
  readonly #guard: Guard

  constructor (authenticator: Authenticator, revocations: Revocations, grants: readonly EffectiveGrant[]) {
    this.#authenticator = authenticator
    this.#revocations = revocations
    this.#guard = createGuard(grants)
  }

  /**
   * The identity of a client that asks for an upgrade, or none yet if the token is to come as the first message.
   *
   * @param offered the token of the sub-protocol header.
   * @throws a coded error, 401 or 403.
   */
  async admit (request: FastifyRequest, offered: undefined | string): Promise<undefined | Identity> {
    const identity = await this.#authenticator.authenticate(request, offered)
    return identity && this.#check(request, identity)
  }

  /**
   * The identity of the user that a hook of the app has put on a request, where no guard asks for one; nothing if there is none.
   *
   * @throws a coded error, 401.
   */
  recognise (request: FastifyRequest, offered: undefined | string): undefined | Promise<undefined | Identity> {
    return this.#authenticator.isKnown(request) ? this.#recogniseLater(request, offered) : undefined
  }

  /**
   * The identity of a client that brings its first token while connected.
   *
   * @throws as `admit`.
   */
  async admitLater (request: FastifyRequest, token: string): Promise<Identity> {
    return this.#check(request, await this.#authenticator.verify(request, token))
  }

  /**
   * The identity of a client that brings another token while connected.
   *
   * @param before who it has to be. A user without a subject cannot be told to be the same.
   * @throws as `admit`.
   */
  async admitAgain (request: FastifyRequest, token: string, before: Identity): Promise<Identity> {
    if (before.subject === undefined) throw new errors.TokenInvalid()
    const { own, subject } = before
    const identity = await this.#authenticator.verify(request, token)
    if (identity.subject !== subject) throw new errors.TokenInvalid()
    return this.#check(request, own === undefined ? identity : { ...identity, own })
  }

  async #recogniseLater (request: FastifyRequest, offered: undefined | string): Promise<undefined | Identity> {
    const identity = await this.#authenticator.recognise(request, offered)
    return identity && this.#check(request, identity)
  }

  // What need not be waited for is not: each wait is a turn of its own for every upgrade.
  async #check (request: FastifyRequest, identity: Identity): Promise<Identity> {
    const isRevoked = this.#revocations.isRevoked(identity)
    if (isThenable(isRevoked) ? await isRevoked : isRevoked) throw new errors.TokenInvalid()
    const asked = this.#guard(identity.user, request)
    const refusing = isThenable(asked) ? await asked : asked
    if (refusing !== undefined) {
      writeLog(request, 'debug', explain(refusing, identity.user), 'isGranted has refused a user')
      throw new errors.NotGranted()
    }
    if (this.#revocations.isRevokedNow(identity)) throw new errors.TokenInvalid()
    return identity
  }
}
