import type { Clock } from '../clock.js'
import { namesOf, type Identity, type Name } from '../connection/identity.js'
import { then } from '../thenable.js'
import { isInMilliseconds } from './claims.js'
import { callStore, typeOf } from './store-access.js'

/** Revokes tokens of a subject before they expire. */
export interface Revocation {
  /**
   * The subject whose tokens are revoked: `sub` (RFC 7519 section 4.1.2), or the value of the
   * option `subject`. A number is converted to a string.
   */
  readonly sub: string | number
  /**
   * The issuer of the tokens (`iss`, RFC 7519 section 4.1.1). A subject is unique within an issuer
   * only.
   *
   * @default every issuer
   */
  readonly iss?: undefined | string
  /**
   * Tokens issued before this time are revoked, in seconds of Unix time (`iat`). Tokens without
   * `iat` are revoked too.
   *
   * @default now
   */
  readonly before?: undefined | number
  /**
   * When the last of these tokens has expired, in seconds of Unix time. The revocation can then be
   * deleted.
   *
   * @default `before` plus the longest `maxAge` if every verifier has one, else never
   */
  readonly until?: undefined | number
}

/** A revocation as it is passed to a store. */
export interface KeptRevocation {
  /** `sub`, or `["iss","sub"]` in JSON if only the tokens of one issuer are revoked. */
  readonly sub: string
  readonly before: number
  readonly until: undefined | number
}

/** Stores revocations. Several servers need a shared store, such as a database. */
export interface RevocationStore {
  revoke (revocation: KeptRevocation): void | Promise<void>
  /**
   * Returns the time before which tokens of a subject are revoked, in seconds of Unix time;
   * `undefined` or `null` if none are. It is called with `sub`, and for a token with an issuer also
   * with `["iss","sub"]` in JSON.
   */
  revokedBefore (sub: string): undefined | null | number | Promise<undefined | null | number>
}

/** Stores revocations in this process: one for each subject, until it ends. */
export class MemoryRevocations implements RevocationStore {
  readonly #clock: Clock
  readonly #revocations = new Map<string, { readonly before: number, readonly until: number }>()
  // Goes round the revocations to delete those that have ended.
  #round = this.#revocations.entries()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  revoke ({ sub, before, until = Infinity }: KeptRevocation): void {
    const known = this.#revocations.get(sub)
    this.#revocations.set(sub, {
      before: Math.max(before, known?.before ?? 0),
      until: Math.max(until, known?.until ?? 0)
    })
    // Two steps for each revocation that is added: the sweep keeps up, at a constant cost.
    this.#sweep()
    this.#sweep()
  }

  revokedBefore (sub: string): undefined | number {
    const known = this.#revocations.get(sub)
    return known === undefined || known.until < secondsOf(this.#clock)
      ? undefined
      : known.before
  }

  get size (): number {
    return this.#revocations.size
  }

  // Looks at the next revocation, and deletes it if it has ended.
  #sweep (): void {
    const { value, done } = this.#round.next()
    if (done === true) this.#round = this.#revocations.entries()
    else if (value[1].until < secondsOf(this.#clock)) this.#revocations.delete(value[0])
  }
}

/** Whether a revocation applies to a user. */
export function isRevoked ({ iat }: Name, before: undefined | number): boolean {
  return before !== undefined && (iat === undefined || iat < before)
}

/** Looks revocations up: in the store, and, for pending upgrades, in this process. */
export class Revocations {
  readonly #clock: Clock
  readonly #store: RevocationStore
  // A revocation may come between the answer of the store and the upgrade.
  readonly #recent: MemoryRevocations
  readonly #upgrade: number
  // The longest maxAge of a token in seconds; undefined until a route is known.
  #longest: undefined | number

  /** @param upgrade milliseconds that an upgrade may take. */
  constructor (clock: Clock, store: undefined | RevocationStore, upgrade: number) {
    this.#clock = clock
    this.#store = store ?? new MemoryRevocations(clock)
    this.#recent = new MemoryRevocations(clock)
    this.#upgrade = upgrade
  }

  /**
   * Registers the age up to which a route accepts tokens.
   *
   * @param age seconds; `Infinity` without a limit.
   */
  expect (age: number): void {
    this.#longest = Math.max(this.#longest ?? 0, age)
  }

  /** Revokes in this process, for pending upgrades. */
  revokeHere (revocation: KeptRevocation): void {
    this.#recent.revoke({ ...revocation, until: secondsOf(this.#clock) + this.#upgrade / 1000 })
  }

  /** Stores a revocation, for later upgrades. */
  async keep (
    { sub, before, until = before + (this.#longest ?? Infinity) }: KeptRevocation
  ): Promise<void> {
    await this.#store.revoke({ sub, before, until: until === Infinity ? undefined : until })
  }

  /** @throws `FSR_ERR_STORE_FAILED` (503), synchronously or by the promise. */
  isRevoked (identity: Identity): boolean | Promise<boolean> {
    // A token without iat has no known age, and could outlast the revocation.
    if (namesOf(identity).some(({ iat }) => iat === undefined)) this.#longest = Infinity
    return this.#isAnyRevoked(keysOf(identity), 0)
  }

  // Calls the store once after the other, until a key is revoked.
  #isAnyRevoked (keys: readonly Key[], index: number): boolean | Promise<boolean> {
    if (index === keys.length) return false
    const { name, key } = keys[index]!
    const answer = callStore(
      () => this.#store.revokedBefore(key),
      (before) => isRevoked(name, timeOf(before))
    )
    return then(answer, (isRevoked) => isRevoked || this.#isAnyRevoked(keys, index + 1))
  }

  /** Whether an identity was revoked in this process since the store was called. */
  isRevokedNow (identity: Identity): boolean {
    return keysOf(identity)
      .some(({ name, key }) => isRevoked(name, this.#recent.revokedBefore(key)))
  }
}

interface Key {
  readonly name: Name
  /** A subject with or without its issuer. */
  readonly key: string
}

// The keys under which revocations of an identity may be stored.
function keysOf (identity: Identity): readonly Key[] {
  return namesOf(identity).flatMap((name) => {
    const { subject, sub } = name
    return sub === subject ? { name, key: sub } : [{ name, key: subject }, { name, key: sub }]
  })
}

// A store may return null, as Redis does.
function timeOf (answer: undefined | null | number): undefined | number {
  if (answer === undefined || answer === null) return
  if (typeof answer !== 'number' || Number.isNaN(answer)) {
    const type = typeof answer === 'number' ? 'NaN' : typeOf(answer)
    throw new Error(`revokedBefore() of the RevocationStore returned ${type}. ` +
      'Return the time in seconds as a number, or undefined')
  }
  if (isInMilliseconds(answer)) {
    throw new Error('revokedBefore() of the RevocationStore returned a time in milliseconds. ' +
      'Return seconds')
  }
  return answer
}

function secondsOf (clock: Clock): number {
  return clock.unixNow() / 1000
}
