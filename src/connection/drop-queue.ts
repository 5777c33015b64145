import type { LatestBy } from '../message/codec.js'
import type { Frame } from '../message/frame.js'

/**
 * What happens to a message for a client whose outbox is full: the client is closed with 1013 (`'close'`); the oldest or the newest
 * message is dropped; or, with `latestBy`, only the newest message of each key waits, so that a slow client gets the present and not
 * the past. The key is asked for once, when the message is sent. A message without a key (`undefined`) replaces none, and is dropped
 * before any with a key. Where the newest messages of all keys do not fit into `limit`, the client is closed with 1013.
 */
export type Overflow = 'close' | 'drop-oldest' | 'drop-newest' | { readonly latestBy: LatestBy }

/** How a backlog drops; `'close'` has none. */
export type DropPolicy = Exclude<Overflow, 'close'>

interface Entry {
  readonly frame: Frame
  readonly cost: number
  // Neither an answer to the client, which a callback has returned, nor the newest of a key, which it is promised, is dropped.
  readonly kind: 'droppable' | 'answer' | 'newest'
}

/** The messages that wait for one slow client, where the policy is to drop some rather than to close it. */
export class DropQueue {
  /** What the waiting messages cost, in bytes. */
  cost = 0
  readonly #policy: DropPolicy
  // In the order of sending. A message with a key takes the place of the one with the same key.
  readonly #entries = new Map<unknown, Entry>()
  // Where `shift` is in them: a Map steps over all that was deleted before its first, each time anew.
  #oldest: undefined | IterableIterator<[unknown, Entry]>
  // What the newest of all keys cost, and how many these are.
  #newestCost = 0
  #newestCount = 0

  constructor (policy: DropPolicy) {
    this.#policy = policy
  }

  get size (): number {
    return this.#entries.size
  }

  /** Whether the newest messages of all keys cost more than this, and are not one alone. No other policy than `latestBy` has them. */
  isOver (limit: number): boolean {
    return this.#newestCost > limit && this.#newestCount > 1
  }

  /**
   * @param key of a message that takes the place of an earlier one of the same key; `undefined`: it takes the place of none.
   * @returns how many messages were dropped for it, itself among them.
   */
  add (frame: Frame, cost: number, limit: number, key: unknown): number {
    const before = key === undefined ? undefined : this.#entries.get(key)
    if (before !== undefined) {
      // In the place of the one before, which may have been smaller.
      this.#account(before, -1)
      this.#put(key, { frame, cost, kind: 'newest' })
      return 1 + this.#makeRoom(limit)
    }
    if (this.#policy === 'drop-newest') {
      if (this.cost + cost > limit && this.size > 0) return 1
      this.#put({}, { frame, cost, kind: 'droppable' })
      return 0
    }
    const dropped = this.#makeRoom(limit - cost)
    // An object of its own is like no other key.
    this.#put(key ?? {}, { frame, cost, kind: key === undefined ? 'droppable' : 'newest' })
    return dropped
  }

  /** Adds the answer of a callback. */
  addReply (frame: Frame, cost: number): void {
    this.#put({}, { frame, cost, kind: 'answer' })
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

  // Drops the oldest that may be dropped, until the others cost no more than this.
  #makeRoom (limit: number): number {
    let dropped = 0
    for (const [key, entry] of this.#entries) {
      if (this.cost <= limit) break
      if (entry.kind !== 'droppable') continue
      this.#delete(key, entry)
      dropped++
    }
    return dropped
  }

  #put (key: unknown, entry: Entry): void {
    this.#entries.set(key, entry)
    this.#account(entry, 1)
  }

  #delete (key: unknown, entry: Entry): void {
    this.#entries.delete(key)
    this.#account(entry, -1)
  }

  #account ({ cost, kind }: Entry, sign: 1 | -1): void {
    this.cost += sign * cost
    if (kind !== 'newest') return
    this.#newestCost += sign * cost
    this.#newestCount += sign
  }
}
