import type { Membership, WsConnection } from '../connection/connection.js'
import { FrameBatch } from '../message/frame-batch.js'
import type { Frame } from '../message/frame.js'
import type { Except, Excluded } from './except.js'

/** Who belongs to an audience. */
export interface Members extends Iterable<WsConnection> {
  readonly size: number
  has (connection: WsConnection): boolean
}

/** Those who are sent to as one: the clients of a route, or the members of a room. */
export class Channel<Those extends Members = Members> implements Membership {
  readonly name: string
  readonly members: Those
  /** What was sent to them and has not reached all of them yet, the oldest first. */
  readonly batches: Batch[] = []
  /** The last of these, if more can be added to it. */
  gathering: undefined | Batch

  constructor (name: string, members: Those) {
    this.name = name
    this.members = members
  }
}

/** Messages that were sent to one audience one after the other. */
export class Batch {
  readonly channel: Channel
  readonly #batch = new FrameBatch()
  // The number of each among all that is sent on the route.
  readonly #numbers: number[] = []
  // Which messages a member is not sent.
  #without: undefined | Map<unknown, number[]>
  // The messages that many are not sent, with those: asking them of each member takes less than a list for each who is left out.
  #withoutMany: undefined | Array<{ readonly index: number, readonly left: Excluded | ReadonlySet<unknown> }>
  // How many members were left out of all.
  #leftOut = 0

  constructor (channel: Channel) {
    this.channel = channel
  }

  /** Bytes on the wire, for one member, and in memory of who is left out. */
  get size (): number {
    return this.#batch.size + this.#leftOut * LEFT_OUT
  }

  /** Bytes that it takes, whatever is in it. */
  get cost (): number {
    return this.size + this.#batch.length * MESSAGE + BATCH
  }

  /** The number of the first. */
  get first (): number {
    return this.#numbers[0]!
  }

  /** The number of the last. */
  get last (): number {
    return this.#numbers.at(-1)!
  }

  add (frame: Frame, key: unknown, except: Except, number: number): void {
    if (except !== undefined) this.#leaveOut(except, this.#batch.length)
    this.#batch.add(frame, key)
    this.#numbers.push(number)
  }

  /** Whether a member is one of many that are sent nothing of it. */
  isWithout (connection: WsConnection): boolean {
    const lists = this.#withoutMany
    if (lists === undefined || lists.length < this.#batch.length) return false
    for (const { left } of lists) if (!left.has(connection)) return false
    return true
  }

  /** Sends a member what has this number or a later one. */
  deliver (connection: WsConnection, from: number): void {
    const index = this.#indexOf(from)
    const without = this.#withoutFor(connection, index)
    if (without.length < this.#batch.length) connection.outbox.sendBatch(this.#batch, index, without)
  }

  /** What a member is to get of what has this number or a later one. */
  messagesFor (connection: WsConnection, from: number): Array<{ number: number, frame: Frame, key: unknown }> {
    const { frames, keys } = this.#batch
    const start = this.#indexOf(from)
    return this.#batch.indexes(start, this.#withoutFor(connection, start))
      .map((index) => ({ number: this.#numbers[index]!, frame: frames[index]!, key: keys[index] }))
  }

  #leaveOut (except: Exclude<Except, undefined>, index: number): void {
    const count = except instanceof Set ? except.size : 1
    this.#leftOut += count
    const isMany = except instanceof Set ? count * MANY > this.channel.members.size : 'has' in except
    if (isMany) {
      (this.#withoutMany ??= []).push({ index, left: except as Excluded })
      return
    }
    this.#without ??= new Map()
    for (const connection of except instanceof Set ? except : [except]) {
      const indexes = this.#without.get(connection)
      if (indexes === undefined) this.#without.set(connection, [index])
      else indexes.push(index)
    }
  }

  // What a member is not sent, in its order: all of it from a message on.
  #withoutFor (connection: WsConnection, from: number): readonly number[] {
    const own = this.#without?.get(connection) ?? NONE
    const lists = this.#withoutMany
    if (lists === undefined) return own
    let first = lists.length
    while (first > 0 && lists[first - 1]!.index >= from) first--
    const indexes: number[] = []
    for (; first < lists.length; first++) if (lists[first]!.left.has(connection)) indexes.push(lists[first]!.index)
    if (own.length === 0 || indexes.length === 0) return own.length === 0 ? indexes : own
    return [...own, ...indexes].sort((one, other) => one - other)
  }

  // From the end, as who was served within this turn lacks only the last.
  #indexOf (from: number): number {
    if (from <= this.first) return 0
    let index = this.#numbers.length
    while (this.#numbers[index - 1]! >= from) index--
    return index
  }
}

const NONE: readonly number[] = []

// One in so many members is many.
const MANY = 4

// Bytes of a message besides its payload, and of an audience with its batch: measured on Node 20.
const MESSAGE = 256
const BATCH = 2_048

// Bytes of a number in a list, with the list's share; or of one in a set.
const LEFT_OUT = 16
