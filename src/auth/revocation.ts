import type { Clock } from '../clock.js'
import type { Identity, Named } from '../connection/identity.js'
import { then } from '../thenable.js'
import { isInMilliseconds } from './claims.js'
import { callStore, typeOf } from './call-store.js'

/** Which tokens count no more although they have not expired. */
export interface Revocation {
  /**
   * The subject whose tokens are revoked (`sub`, RFC 7519 section 4.1.2), or what the option `subject` makes of their claims. A
   * number is taken for its digits.
   */
  readonly sub: string | number
  /**
   * The issuer of the tokens (`iss`, RFC 7519 section 4.1.1). A subject is unique within an issuer only.
   *
   * @default the tokens of every issuer
   */
  readonly iss?: undefined | string
  /**
   * Those issued before this are revoked, in seconds of Unix time (`iat`); one that does not say when it was issued is too.
   *
   * @default now
   */
  readonly before?: undefined | number
  /**
   * When the last of them will have expired, in seconds of Unix time, so that the revocation can be forgotten.
   *
   * @default `before` and the longest `maxAge` if every verifier has one, else never
   */
  readonly until?: undefined | number
}

/** A revocation as a store gets it. */
export interface KeptRevocation {
  /** A subject: `sub`, or `["iss","sub"]` in JSON where only the tokens of one issuer are revoked. */
  readonly sub: string
  readonly before: number
  readonly until: undefined | number
}

/** Remembers revocations. One that several machines share keeps them wherever the machines meet. */
export interface RevocationStore {
  revoke (revocation: KeptRevocation): void | Promise<void>
  /**
   * The time before which tokens of a subject are revoked, in seconds of Unix time; nothing if none are. It is asked for `sub`, and
   * for `["iss","sub"]` in JSON of a token that has an issuer.
   */
  revokedBefore (sub: string): undefined | null | number | Promise<undefined | null | number>
}

/** Remembers revocations in this process: one for each subject, until its end. */
export class MemoryRevocations implements RevocationStore {
  readonly #clock: Clock
  readonly #revocations = new Map<string, { readonly before: number, readonly until: number }>()
  #round = this.#revocations.entries()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  revoke ({ sub, before, until = Infinity }: KeptRevocation): void {
    const known = this.#revocations.get(sub)
    this.#revocations.set(sub, { before: Math.max(before, known?.before ?? 0), until: Math.max(until, known?.until ?? 0) })
    // Two for each that is added: each is looked at in time, and the cost is the same however many there are.
    this.#sweep()
    this.#sweep()
  }

  revokedBefore (sub: string): undefined | number {
    const known = this.#revocations.get(sub)
    return known === undefined || known.until < secondsOf(this.#clock) ? undefined : known.before
  }

  get size (): number {
    return this.#revocations.size
  }

  // Forgets the next that is over.
  #sweep (): void {
    const { value, done } = this.#round.next()
    if (done === true) this.#round = this.#revocations.entries()
    else if (value[1].until < secondsOf(this.#clock)) this.#revocations.delete(value[0])
  }
}

/** Whether a revocation meets a user. */
export function isRevoked ({ iat }: Named, before: undefined | number): boolean {
  return before !== undefined && (iat === undefined || iat < before)
}

/** What is revoked: in the store, and, for upgrades that are under way, just now in this process. */
export class Revocations {
  readonly #clock: Clock
  readonly #store: RevocationStore
  // Between the answer of the store and the upgrade others may run, and revoke.
  readonly #recent: MemoryRevocations
  readonly #upgrade: number
  // Seconds after which no token is valid any more, once that is known.
  #longest: undefined | number

  /** @param upgrade milliseconds that an upgrade may take. */
  constructor (clock: Clock, store: undefined | RevocationStore, upgrade: number) {
    this.#clock = clock
    this.#store = store ?? new MemoryRevocations(clock)
    this.#recent = new MemoryRevocations(clock)
    this.#upgrade = upgrade
  }

  /**
   * A route takes tokens up to this age.
   *
   * @param age seconds; `Infinity` where none is known.
   */
  expect (age: number): void {
    this.#longest = Math.max(this.#longest ?? 0, age)
  }

  /** Revokes for upgrades that are under way. */
  revokeHere (revocation: KeptRevocation): void {
    this.#recent.revoke({ ...revocation, until: secondsOf(this.#clock) + this.#upgrade / 1000 })
  }

  /** Revokes for all that come. */
  async keep ({ sub, before, until = before + (this.#longest ?? Infinity) }: KeptRevocation): Promise<void> {
    await this.#store.revoke({ sub, before, until: until === Infinity ? undefined : until })
  }

  /** @throws `FSR_ERR_STORE_FAILED` (503), at once or by the promise. */
  isRevoked (identity: Identity): boolean | Promise<boolean> {
    const { own } = identity
    const isRevoked = this.#isRevoked(identity)
    return own === undefined ? isRevoked : then(isRevoked, (isRevoked) => isRevoked || this.#isRevoked(own))
  }

  #isRevoked (named: Named): boolean | Promise<boolean> {
    const { subject, sub, iat } = named
    if (subject === undefined || sub === undefined) return false
    // Its age is not known: it could outlast a revocation.
    if (iat === undefined) this.#longest = Infinity
    const own = this.#asked(subject, named)
    if (sub === subject) return own
    return then(own, (own) => own || this.#asked(sub, named))
  }

  #asked (subject: string, named: Named): boolean | Promise<boolean> {
    return callStore(() => this.#store.revokedBefore(subject), (before) => isRevoked(named, timeOf(before)))
  }

  /** Whether it was revoked here since the store was asked. */
  isRevokedNow (identity: Identity): boolean {
    const isNow = (named: Named) => [named.subject, named.sub].some((each) => each !== undefined && isRevoked(named, this.#recent.revokedBefore(each)))
    return isNow(identity) || (identity.own !== undefined && isNow(identity.own))
  }
}

// Redis has null for nothing.
function timeOf (answer: undefined | null | number): undefined | number {
  if (answer === undefined || answer === null) return
  if (typeof answer !== 'number' || Number.isNaN(answer)) throw new Error(`revokedBefore() of the RevocationStore returned ${typeof answer === 'number' ? 'NaN' : typeOf(answer)}. It returns the time in seconds as a number, or undefined`)
  if (isInMilliseconds(answer)) throw new Error('revokedBefore() of the RevocationStore returned a time in milliseconds. It returns seconds')
  return answer
}

function secondsOf (clock: Clock): number {
  return clock.unixNow() / 1000
}
