import type { FastifyRequest } from 'fastify'
import { closeCodes } from '../protocol/close-codes.js'
import { asError, errors } from '../errors.js'
import type { ExpiryTimer } from './expiry-timer.js'
import type { Identity, Renewal } from './identity.js'
import type { RenewalGrace } from './renewal-grace.js'
import type { Closable, Expiring } from './connection-roles.js'

/** The parts of a route that the tokens of its connections need. */
export interface TokenSettings {
  readonly expiry: ExpiryTimer<Expiring>
  readonly overtime: RenewalGrace
  readonly renew: Renewal
}

/** The runner of the connection, as the lifetime of its token uses it. */
export interface TokenHost extends Closable {
  /** Whether neither side has begun to close. */
  readonly isStaying: boolean
  /** Whether reading is paused, and a renewal may be in the unread data. */
  readonly mayHaveUnreadRenewal: boolean
  /** Reads on to find a renewal, or stops doing so. */
  searchRenewal (isSearching: boolean): void
}

/** The user of one connection, whose token expires unless it is renewed. */
export class TokenLifetime implements Expiring {
  readonly #host: TokenHost
  readonly #settings: TokenSettings
  #identity: Identity
  #renewals: undefined | Renewals
  // Set after the token has expired: while more is read to find a renewal, or while a new token is
  // verified.
  #overtime: undefined | 'reading' | 'verifying'

  constructor (host: TokenHost, settings: TokenSettings, identity: Identity) {
    this.#host = host
    this.#settings = settings
    this.#identity = identity
  }

  get identity (): Identity {
    return this.#identity
  }

  /** Whether the token has expired, and more is read to find a renewal. */
  get isSearching (): boolean {
    return this.#overtime === 'reading'
  }

  startExpiry (): void {
    this.#settings.expiry.add(this, this.#identity.exp)
  }

  /** The connection begins to close. */
  stopExpiry (): void {
    this.#settings.expiry.delete(this, this.#identity.exp)
    this.#endOvertime()
  }

  /**
   * Verifies a token and returns its user. Closes the connection if the user is not granted access
   * any more.
   *
   * @throws as `WsConnection.renew`.
   */
  async renew (token: string, request: FastifyRequest): Promise<unknown> {
    this.#renewals ??= new Renewals()
    const renewed = await this.#renewals.verify(
      () => this.#settings.renew(request, token, this.#identity),
      (error) => { this.#failed(error) }
    )
    if (renewed !== undefined) this.#replace(renewed)
    return this.#identity.user
  }

  #failed (error: unknown): void {
    if (asError(error) instanceof errors.NotGranted) this.#host.closeWith(closeCodes.revoked)
    else if (this.#overtime === 'verifying' && !this.#renewals!.isPending) this.onRenewalTimeout()
  }

  /**
   * Closes the connection, unless a renewal is being verified, or may be among data that was not
   * read yet.
   */
  onExpired (): void {
    const { overtime } = this.#settings
    if (this.#renewals?.isPending === true) {
      this.#overtime = 'verifying'
      overtime.verify(this)
    } else if (
      this.#overtime === undefined &&
      this.#host.mayHaveUnreadRenewal &&
      overtime.read(this)
    ) {
      this.#overtime = 'reading'
      this.#host.searchRenewal(true)
    } else {
      this.onRenewalTimeout()
    }
  }

  onRenewalTimeout (): void {
    this.#host.closeWith(closeCodes.tokenExpired)
  }

  // Replaces the identity, and with it the time at which the connection is closed.
  #replace (identity: Identity): void {
    this.stopExpiry()
    this.#identity = identity
    if (this.#host.isStaying) this.startExpiry()
  }

  #endOvertime (): void {
    if (this.#overtime === undefined) return
    this.#overtime = undefined
    this.#settings.overtime.delete(this)
    this.#host.searchRenewal(false)
  }
}

/** The renewals of one connection. If some overlap, the last requested one counts. */
class Renewals {
  #asked = 0
  #taken = 0
  #pending = 0

  /** Whether a renewal is being verified. */
  get isPending (): boolean {
    return this.#pending > 0
  }

  /**
   * Returns the verified identity; `undefined` if a later renewal has succeeded first.
   *
   * @param onFailed is called with the error of the verification, unless a later renewal has
   * succeeded first.
   */
  async verify (
    verify: () => Promise<Identity>,
    onFailed: (error: unknown) => void
  ): Promise<undefined | Identity> {
    const turn = ++this.#asked
    this.#pending++
    let identity: Identity
    try {
      identity = await verify()
    } catch (error) {
      this.#pending--
      if (turn > this.#taken) onFailed(error)
      throw error
    }
    this.#pending--
    if (turn < this.#taken) return
    this.#taken = turn
    return identity
  }
}
