import { payloadOf } from '../protocol/jwt.js'
import { startTimer, type Timer } from './timer.js'

// The shortest time between two renewals.
const SHORTEST = 1_000

/** The client, as `Renewal` uses it. */
export interface RenewalParts {
  /** Milliseconds before the expiry at which the token is renewed. */
  readonly before: number
  /** Returns the next token. */
  provide (): undefined | null | string | Promise<undefined | null | string>
  /** Sends the token, and plans its renewal in turn. */
  renew (token: string): Promise<void>
  report (error: unknown): void
}

/** Renews the token of a connection before it expires. */
export class Renewal {
  readonly #parts: RenewalParts
  #timer: undefined | Timer

  constructor (parts: RenewalParts) {
    this.#parts = parts
  }

  /** Plans the renewal of a token. A token without an expiry is not renewed. */
  plan (token: undefined | string): void {
    this.stop()
    const claims = payloadOf(token ?? '') as undefined | null | { readonly exp?: unknown }
    const exp = claims?.exp
    if (typeof exp !== 'number') return
    const left = exp * 1_000 - Date.now()
    // The token has expired by this clock, or is about to, but the server's clock may differ. If
    // the server closes the connection, the next one gets a new token.
    if (left <= SHORTEST) return
    const wait = Math.max(left - this.#parts.before, left / 2, SHORTEST)
    const timer = startTimer(wait, () => { this.#run(token!, timer) })
    this.#timer = timer
  }

  stop (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  // A different timer means a different connection or token.
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
