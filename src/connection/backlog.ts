import type { Frame } from '../message/frame.js'
import type { Sendable } from '../message/outbound.js'
import { discard, isThenable } from '../thenable.js'

/**
 * What happens to a message for a client whose outbox is full: the client is closed with 1013 (`'close'`); the oldest or the newest
 * message is dropped; or, with `latestBy`, only the newest message of each key waits, so that a slow client gets the present and not
 * the past. A message without a key (`undefined`) replaces none.
 */
export type Overflow = 'close' | 'drop-oldest' | 'drop-newest' | { readonly latestBy: (message: Sendable) => unknown }

/** How a backlog drops; `'close'` has none. */
export type DropPolicy = Exclude<Overflow, 'close'>

interface Entry {
  readonly frame: Frame
  readonly cost: number
  // What a callback returned is the client's own answer, and is never dropped.
  readonly isReply: boolean
}

/** The messages that wait for one slow client, where the policy is to drop some rather than to close it. */
export class Backlog {
  /** What the waiting messages cost, in bytes. */
  cost = 0
  readonly #policy: DropPolicy
  // In the order of sending. A message with a key takes the place of the one with the same key.
  readonly #entries = new Map<unknown, Entry>()
  // Where `shift` is in them: a Map steps over all that was deleted before its first, each time anew.
  #oldest: undefined | IterableIterator<[unknown, Entry]>

  constructor (policy: DropPolicy) {
    this.#policy = policy
  }

  get size (): number {
    return this.#entries.size
  }

  /** Answers how many messages were dropped for it, itself among them. */
  add (frame: Frame, cost: number, limit: number, message: Sendable): number {
    const key = this.#keyOf(message)
    const before = this.#entries.get(key)
    if (before !== undefined) {
      // In the place of the one before, which may have been smaller.
      this.#entries.set(key, { frame, cost, isReply: false })
      this.cost += cost - before.cost
      return 1 + this.#makeRoom(limit, key)
    }
    if (this.#policy === 'drop-newest') {
      if (this.cost + cost > limit && this.size > 0) return 1
      this.#put(key, { frame, cost, isReply: false })
      return 0
    }
    const dropped = this.#makeRoom(limit - cost)
    this.#put(key, { frame, cost, isReply: false })
    return dropped
  }

  /** Adds the answer of a callback. */
  addReply (frame: Frame, cost: number): void {
    this.#put({}, { frame, cost, isReply: true })
  }

  /** Takes out what is to be sent next. */
  shift (): undefined | Frame {
    this.#oldest ??= this.#entries.entries()
    const { done, value } = this.#oldest.next()
    if (done === true) {
      this.#oldest = undefined
      return
    }
    const [key, entry] = value
    this.#delete(key, entry)
    return entry.frame
  }

  #keyOf (message: Sendable): unknown {
    // An object of its own is like no other key.
    if (typeof this.#policy === 'string') return {}
    try {
      const key = this.#policy.latestBy(message)
      // Of an async function: it is like no other key, and if it rejects that must not end the process.
      if (isThenable(key)) discard(key)
      return key ?? {}
    } catch {
      // A broadcast must not fail for all because one client is slow: the message waits like one without a key.
      return {}
    }
  }

  // Drops the oldest until the others cost no more than this; the one to be kept may be as large as it is.
  #makeRoom (limit: number, kept?: unknown): number {
    let dropped = 0
    for (const [key, entry] of this.#entries) {
      if (this.cost <= limit) break
      if (entry.isReply || key === kept) continue
      this.#delete(key, entry)
      dropped++
    }
    return dropped
  }

  #put (key: unknown, entry: Entry): void {
    this.#entries.set(key, entry)
    this.cost += entry.cost
  }

  #delete (key: unknown, entry: Entry): void {
    this.#entries.delete(key)
    this.cost -= entry.cost
  }
}
