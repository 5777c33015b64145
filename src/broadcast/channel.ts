import type { Frame } from '../message/frame.js'
import { FrameBatch } from './frame-batch.js'

/** A connection, as the broadcaster uses it. */
export interface Receiver {
  readonly id: string
  /** Sequence number up to which broadcasts have been delivered to this connection. */
  served: number
  /** The rooms that the connection is in. */
  readonly memberships: readonly Channel[]
  readonly outbox: ReceiverOutbox
}

/** The outbox of a receiver. */
interface ReceiverOutbox {
  /** Sends the frames of a batch from an index on, except those at the indexes in `without`. */
  sendBatch (batch: FrameBatch, from: number, without: readonly number[]): void
  /** Sends a frame that other receivers get as well. */
  sendShared (frame: Frame, key: unknown): void
  send (frame: Frame, key: unknown): void
}

/** The ids of receivers that a message leaves out. */
export type ExceptIds = undefined | string | ReadonlySet<string>

/** A set of receivers that tells membership, and cannot be iterated. */
export interface Excluded {
  excludes (receiver: Receiver): boolean
}

/** The receivers that a message leaves out. */
export type Except = ExceptIds | Excluded

/** Whether a receiver is left out. */
export function isLeftOut (except: Except, receiver: Receiver): boolean {
  if (except === undefined) return false
  if (typeof except === 'string') return except === receiver.id
  return 'excludes' in except ? except.excludes(receiver) : except.has(receiver.id)
}

/** Returns the union of two sets of ids. */
export function union (one: ExceptIds, other: ExceptIds): ExceptIds {
  if (one === undefined || other === undefined || one === other) return one ?? other
  return new Set([...idsIn(one), ...idsIn(other)])
}

function idsIn (except: string | ReadonlySet<string>): Iterable<string> {
  return typeof except === 'string' ? [except] : except
}

/** The members of a channel. */
export interface Members extends Iterable<Receiver> {
  readonly size: number
  has (receiver: Receiver): boolean
}

/**
 * A set of connections that are sent to as one: all clients of a route, or the members of a room.
 */
export class Channel<MemberSet extends Members = Members> {
  readonly name: string
  readonly members: MemberSet
  /** Batches that have not been delivered to all members yet, the oldest first. */
  readonly batches: Batch[] = []
  /** The last of these, while messages can be added to it. */
  gathering: undefined | Batch

  constructor (name: string, members: MemberSet) {
    this.name = name
    this.members = members
  }
}

/** Messages sent to one channel, in the order of sending. */
export class Batch {
  readonly channel: Channel
  readonly #batch = new FrameBatch()
  // The sequence number of each message, which counts all broadcasts of the route.
  readonly #numbers: number[] = []
  // The indexes of the messages that exclude a member, by its id.
  #without: undefined | Map<string, number[]>
  // The messages that exclude many members, each with the set of these members. Looking a receiver
  // up in the set costs less than a list for each excluded member.
  #withoutMany: undefined | Array<{
    readonly index: number
    readonly left: Except
  }>

  // The number of exclusions, over all messages.
  #leftOut = 0

  constructor (channel: Channel) {
    this.channel = channel
  }

  /** Bytes on the wire for one member, and the bytes of memory that exclusions take. */
  get size (): number {
    return this.#batch.size + this.#leftOut * LEFT_OUT
  }

  /** Bytes of memory that the batch takes, with the fixed cost of it and of each message. */
  get cost (): number {
    return this.size + this.#batch.length * MESSAGE + BATCH
  }

  /** The sequence number of the first message. */
  get first (): number {
    return this.#numbers[0]!
  }

  /** The sequence number of the last message. */
  get last (): number {
    return this.#numbers.at(-1)!
  }

  add (frame: Frame, key: unknown, except: Except, number: number): void {
    if (except !== undefined) this.#leaveOut(except, this.#batch.length)
    this.#batch.add(frame, key)
    this.#numbers.push(number)
  }

  /** Whether every message of the batch excludes many members, this one among them. */
  isWithout (receiver: Receiver): boolean {
    const lists = this.#withoutMany
    if (lists === undefined || lists.length < this.#batch.length) return false
    for (const { left } of lists) if (!isLeftOut(left, receiver)) return false
    return true
  }

  /** Sends a member its messages from this sequence number on. */
  deliver (receiver: Receiver, from: number): void {
    const index = this.#indexOf(from)
    const without = this.#withoutFor(receiver, index)
    if (without.length < this.#batch.length) {
      receiver.outbox.sendBatch(this.#batch, index, without)
    }
  }

  /** Returns a member's messages from this sequence number on. */
  messagesFor (
    receiver: Receiver,
    from: number
  ): Array<{ number: number, frame: Frame, key: unknown }> {
    const { frames, keys } = this.#batch
    const start = this.#indexOf(from)
    return this.#batch.indexes(start, this.#withoutFor(receiver, start))
      .map((index) => ({
        number: this.#numbers[index]!,
        frame: frames[index]!,
        key: keys[index]
      }))
  }

  #leaveOut (except: Exclude<Except, undefined>, index: number): void {
    if (typeof except === 'string') {
      this.#leftOut++
      this.#leaveOutOne(except, index)
      return
    }
    const isUnknown = 'excludes' in except
    this.#leftOut += isUnknown ? 1 : except.size
    if (isUnknown || except.size * MANY > this.channel.members.size) {
      (this.#withoutMany ??= []).push({ index, left: except })
    } else {
      for (const id of except) this.#leaveOutOne(id, index)
    }
  }

  #leaveOutOne (id: string, index: number): void {
    this.#without ??= new Map()
    const indexes = this.#without.get(id)
    if (indexes === undefined) this.#without.set(id, [index])
    else indexes.push(index)
  }

  // Returns the indexes of the messages, from an index on, that exclude a member.
  #withoutFor (receiver: Receiver, from: number): readonly number[] {
    const own = this.#without?.get(receiver.id) ?? NONE
    const lists = this.#withoutMany
    if (lists === undefined) return own
    let first = lists.length
    while (first > 0 && lists[first - 1]!.index >= from) first--
    const indexes: number[] = []
    for (; first < lists.length; first++) {
      if (isLeftOut(lists[first]!.left, receiver)) indexes.push(lists[first]!.index)
    }
    if (own.length === 0 || indexes.length === 0) return own.length === 0 ? indexes : own
    return [...own, ...indexes].sort((one, other) => one - other)
  }

  // Searches from the end: a member that was served in this turn lacks only the last messages.
  #indexOf (from: number): number {
    if (from <= this.first) return 0
    let index = this.#numbers.length
    while (this.#numbers[index - 1]! >= from) index--
    return index
  }
}

const NONE: readonly number[] = []

// A message excludes many members if it excludes more than one of this many.
const MANY = 4

// Bytes of memory of a message besides its payload, and of a channel with its batch: measured on
// Node 20.
const MESSAGE = 256
const BATCH = 2_048

// Bytes of memory of one exclusion: a number in a list, with a share of the list, or an entry of a
// set.
const LEFT_OUT = 16
