import type { FastifyRequest } from 'fastify'
import type { Closable } from './closable.js'
import type { Expiry } from './expiry.js'
import type { Identity } from './identity.js'

/** Verifies a token that comes while connected, and asks whether its user is still granted. */
export type Renewal = (request: FastifyRequest, token: string, before: Identity) => Promise<Identity>

/** Who is connected and how long that holds: from the upgrade, through renewals, to the end of the token or of the connection. */
export class Session {
  readonly #owner: Closable
  readonly #request: FastifyRequest
  readonly #expiry: Expiry<Closable>
  #identity: Identity
  #isWatched = false
  #renewals = 0
  #renewed = 0

  constructor (owner: Closable, request: FastifyRequest, expiry: Expiry<Closable>, identity: Identity) {
    this.#owner = owner
    this.#request = request
    this.#expiry = expiry
    this.#identity = identity
  }

  get identity (): Identity {
    return this.#identity
  }

  /** From now on the end of the token is the end of the connection. */
  watch (): void {
    this.#isWatched = true
    const { exp } = this.#identity
    if (exp !== undefined) this.#expiry.add(this.#owner, exp)
  }

  /** The connection ends by itself. */
  unwatch (): void {
    this.#isWatched = false
    const { exp } = this.#identity
    if (exp !== undefined) this.#expiry.delete(this.#owner, exp)
  }

  /** Puts the identity of a new token in the place of the old one. */
  async renew (token: string, verify: Renewal): Promise<Identity> {
    const renewal = ++this.#renewals
    const renewed = await verify(this.#request, token, this.#identity)
    // One that was asked for later may have been faster.
    if (renewal < this.#renewed) return this.#identity
    this.#renewed = renewal
    const { exp } = this.#identity
    if (exp !== undefined) this.#expiry.delete(this.#owner, exp)
    this.#identity = renewed
    if (this.#isWatched) this.watch()
    return renewed
  }
}
