import type { LatestBy } from '../message/codec.js'
import type { Frame } from '../message/frame.js'

/**
 * The policy for a message to a client whose outbox is full. `'close'` closes the connection with
 * 1013. `'drop-oldest'` and `'drop-newest'` drop a message. With `latestBy` only the newest message
 * of each key is queued, so that a slow client receives the current state and skips older ones. The
 * key is computed once, when the message is sent. A message without a key (`undefined`) replaces
 * none, and is dropped before any with a key. If the newest messages of all keys exceed `limit`,
 * the connection is closed with 1013.
 *
 * @typeParam Message the messages of the route; with a contract `{ type, data }`.
 */
export type Overflow<Message = unknown> =
  | 'close'
  | 'drop-oldest'
  | 'drop-newest'
  | { readonly latestBy: LatestBy<Message> }

/** The policies that drop messages, and so need a queue. */
export type DropPolicy = Exclude<Overflow, 'close'>

interface Entry {
  readonly frame: Frame
  readonly cost: number
  // Answers returned by callbacks and the newest message of each key are never dropped.
  readonly kind: 'droppable' | 'answer' | 'newest'
}

/** The messages queued for one slow client, under a policy that drops some of them. */
export class DropQueue {
  /** The cost of the queued messages, in bytes. */
  cost = 0
  readonly #policy: DropPolicy
  // In order of sending. A message with a key takes the place of the one with the same key.
  readonly #entries = new Map<unknown, Entry>()
  // The position of `shift`: a new iterator of a Map would step over all deleted entries each time.
  #oldest: undefined | IterableIterator<[unknown, Entry]>
  // The cost and the number of the newest messages of all keys.
  #newestCost = 0
  #newestCount = 0

  constructor (policy: DropPolicy) {
    this.#policy = policy
  }

  get size (): number {
    return this.#entries.size
  }

  /** Whether the newest messages of two or more keys exceed the limit; only with `latestBy`. */
  isOver (limit: number): boolean {
    return this.#newestCost > limit && this.#newestCount > 1
  }

  /**
   * @param key the message replaces an earlier one of the same key; `undefined`: it replaces none.
   * @returns the number of messages dropped for it; it may be one of them.
   */
  add (frame: Frame, cost: number, limit: number, key: unknown): number {
    const before = key === undefined ? undefined : this.#entries.get(key)
    if (before !== undefined) {
      // The earlier message may have been smaller.
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
    // A new object equals no other key.
    this.#put(key ?? {}, { frame, cost, kind: key === undefined ? 'droppable' : 'newest' })
    return dropped
  }

  /** Adds the answer of a callback, which is never dropped. */
  addReply (frame: Frame, cost: number): void {
    this.#put({}, { frame, cost, kind: 'answer' })
  }

  /** Removes and returns the message to be sent next. */
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

  // Drops the oldest droppable messages until the rest cost at most `limit`.
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
