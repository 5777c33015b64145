import type { FastifyRequest } from 'fastify'
import type { Identity } from './identity.js'

/** Verifies a token that comes while connected, and whether its user is still granted access. */
export type Renewal =
  (request: FastifyRequest, token: string, before: Identity) => Promise<Identity>

/** The renewals of one connection. If some overlap, the last requested one counts. */
export class Renewals {
  #asked = 0
  #taken = 0
  #pending = 0

  /** Whether a renewal is being verified. */
  get isPending (): boolean {
    return this.#pending > 0
  }

  /** Returns the verified identity; `undefined` if a later renewal has finished first. */
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
