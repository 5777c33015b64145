import { LONGEST } from './timer.js'
import { expiryOf } from './token.js'

// The shortest time between two renewals.
const SHORTEST = 1_000

/** What a renewal needs of the client. */
export interface RenewalParts {
  /** Milliseconds before the expiry. */
  readonly before: number
  /** Gets the next token. */
  provide (): undefined | null | string | Promise<undefined | null | string>
  /** Sends it, and plans its own renewal. */
  renew (token: string): Promise<void>
  report (error: unknown): void
}

/** Takes care that the token of a connection does not expire. */
export class Renewal {
  readonly #parts: RenewalParts
  #timer: undefined | ReturnType<typeof setTimeout>

  constructor (parts: RenewalParts) {
    this.#parts = parts
  }

  /** Plans the renewal of a token. One that says of no expiry is not renewed. */
  plan (token: undefined | string): void {
    this.stop()
    const expiry = token === undefined ? undefined : expiryOf(token)
    if (expiry === undefined) return
    const left = expiry - Date.now()
    // If it is too late by this clock, the server's may be another. It will say so, and the next connection gets a new token.
    if (left <= SHORTEST) return
    const wait = Math.max(left - this.#parts.before, left / 2, SHORTEST)
    const timer = setTimeout(() => { this.#run(token!, timer) }, Math.min(wait, LONGEST))
    this.#timer = timer
  }

  stop (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  // Once the timer is another, the connection or its token is another.
  async #run (token: string, timer: unknown): Promise<void> {
    try {
      const fresh = await this.#parts.provide() ?? token
      if (this.#timer === timer && fresh !== token) return await this.#parts.renew(fresh)
    } catch (error) {
      if (this.#timer === timer) this.#parts.report(error)
    }
    if (this.#timer === timer) this.plan(token)
  }
}
