import type { FastifyRequest } from 'fastify'
import type { Identity } from './identity.js'

/** Verifies a token that comes while connected, and asks whether its user is still granted. */
export type Renewal = (request: FastifyRequest, token: string, before: Identity) => Promise<Identity>

/** The renewals of one connection: of those that overlap, the one that was asked for last counts. */
export class Renewals {
  #asked = 0
  #taken = 0
  #pending = 0

  /** Whether one is being verified. */
  get isPending (): boolean {
    return this.#pending > 0
  }

  /** Waits for an identity; answers nothing if one that was asked for later has been faster. */
  async take (verify: () => Promise<Identity>): Promise<undefined | Identity> {
    const turn = ++this.#asked
    this.#pending++
    try {
      const identity = await verify()
      if (turn < this.#taken) return
      this.#taken = turn
      return identity
    } finally {
      this.#pending--
    }
  }
}
