import type { Clock } from '../clock.js'
import type { Identity } from '../connection/identity.js'
import { then } from '../thenable.js'
import { asked } from './store.js'

/** Which tokens count no more although they have not expired. */
export interface Revocation {
  /** The subject whose tokens are revoked (`sub`, RFC 7519 section 4.1.2). */
  readonly sub: string
  /**
   * Those issued before this are revoked, in seconds of Unix time (`iat`); one that does not say when it was issued is too.
   *
   * @default now
   */
  readonly before?: undefined | number
  /**
   * When the last of them will have expired, in seconds of Unix time, so that the revocation can be forgotten.
   *
   * @default never
   */
  readonly until?: undefined | number
}

/** Remembers revocations. One that several machines share keeps them wherever the machines meet. */
export interface RevocationStore {
  revoke (revocation: { readonly sub: string, readonly before: number, readonly until: undefined | number }): void | Promise<void>
  /** The time before which tokens of a subject are revoked, in seconds of Unix time. */
  revokedBefore (sub: string): undefined | number | Promise<undefined | number>
}

/** Remembers revocations in this process. It grows with what the app revokes, and forgets at `until`. */
export class MemoryRevocations implements RevocationStore {
  readonly #clock: Clock
  readonly #revocations = new Map<string, { before: number, until: number }>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  revoke ({ sub, before, until = Infinity }: Parameters<RevocationStore['revoke']>[0]): void {
    const now = this.#clock.unixNow() / 1000
    for (const [each, known] of this.#revocations) if (known.until < now) this.#revocations.delete(each)
    const known = this.#revocations.get(sub)
    this.#revocations.set(sub, { before: Math.max(before, known?.before ?? 0), until: Math.max(until, known?.until ?? 0) })
  }

  revokedBefore (sub: string): undefined | number {
    return this.#revocations.get(sub)?.before
  }
}

/** Whether a revocation meets an identity. */
export function isRevoked ({ iat }: Identity, before: undefined | number): boolean {
  return before !== undefined && (iat === undefined || iat < before)
}

/** What is revoked: in the store, and, for those whose upgrade is under way, just now in this process. */
export class Revocations {
  readonly #clock: Clock
  readonly #store: RevocationStore
  // Between the answer of the store and the upgrade others may run, and revoke.
  readonly #recent: MemoryRevocations
  readonly #upgrade: number

  /** @param upgrade milliseconds that an upgrade may take. */
  constructor (clock: Clock, store: undefined | RevocationStore, upgrade: number) {
    this.#clock = clock
    this.#store = store ?? new MemoryRevocations(clock)
    this.#recent = new MemoryRevocations(clock)
    this.#upgrade = upgrade
  }

  /** Revokes for upgrades that are under way. */
  revokeHere (revocation: Parameters<RevocationStore['revoke']>[0]): void {
    this.#recent.revoke({ ...revocation, until: this.#clock.unixNow() / 1000 + this.#upgrade / 1000 })
  }

  /** Revokes for all that come. */
  async keep (revocation: Parameters<RevocationStore['revoke']>[0]): Promise<void> {
    await this.#store.revoke(revocation)
  }

  isRevoked (identity: Identity): boolean | Promise<boolean> {
    const { sub } = identity
    if (sub === undefined) return false
    const before = asked(() => this.#store.revokedBefore(sub))
    return then(before, (before) => isRevoked(identity, before))
  }

  /** Whether it was revoked here since the store was asked. */
  isRevokedNow (identity: Identity): boolean {
    return identity.sub !== undefined && isRevoked(identity, this.#recent.revokedBefore(identity.sub))
  }
}
