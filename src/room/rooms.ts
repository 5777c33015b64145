import type { Answer, BroadcastOptions, Membership, Room, WsConnection } from '../connection/connection.js'
import { checkRequestOptions, type RequestOptions } from '../connection/pending-requests.js'
import { flatText } from '../message/flat-text.js'
import { errors } from '../errors.js'
import type { Codec } from '../message/codec.js'
import type { Frame } from '../message/frame.js'
import { Channel } from './channel.js'
import { both, exceptBehind, exceptOf, isLeftOut, type Except } from './except.js'
import type { Broadcaster } from './broadcaster.js'

/** The rooms of one route. A room exists as long as it has a member. */
export class Rooms {
  readonly #broadcaster: Broadcaster
  readonly #codec: Codec
  readonly #rooms = new Map<string, Channel<Set<WsConnection>>>()

  constructor (broadcaster: Broadcaster, codec: Codec) {
    this.#broadcaster = broadcaster
    this.#codec = codec
  }

  /** How many rooms have a member. */
  get size (): number {
    return this.#rooms.size
  }

  /**
   * Whatever the connection was sent before has to have left (`Broadcaster.settle`).
   *
   * @throws `FSR_ERR_ROOMS_TOO_MANY`: a client that can name rooms must not be able to fill the memory with them.
   */
  join (connection: WsConnection, name: string, limit: number): void {
    let room = this.#rooms.get(name)
    if (room?.members.has(connection) === true) return
    const count = connection.memberships.length
    if (count >= limit) throw new errors.RoomsTooMany(count)
    if (room === undefined) {
      // A name that is a part of a message would keep all of that.
      const flat = flatText(name)
      // One that is no valid text becomes another.
      room = new Channel(flat === name ? flat : name, new Set())
      this.#rooms.set(room.name, room)
    }
    room.members.add(connection)
    connection.enter(room)
  }

  leave (connection: WsConnection, name: string): void {
    this.#remove(connection, name)
    connection.exit(name)
  }

  /** Takes a connection out of every room; what `connection.rooms` says stays, for `onClose`. */
  forget (connection: WsConnection): void {
    for (const { name } of connection.memberships) this.#remove(connection, name)
  }

  /**
   * One room, or several as one; they need not have members.
   *
   * @param own a connection that is left out by itself.
   * @param call what was called, for the error.
   * @throws `FSR_ERR_ROOM_INVALID` for a name that is no string; `FSR_ERR_OPTION_INVALID`. A name that is too long is that of a room
   * without members.
   */
  room (names: string | Iterable<string>, options: undefined | BroadcastOptions, own?: WsConnection): Room {
    return new LiveRoom(this.#rooms, this.#broadcaster, this.#codec, namesOf(names), both(exceptOf(options, 'to()'), own))
  }

  #remove (connection: WsConnection, name: string): void {
    const members = this.#rooms.get(name)?.members
    if (members?.has(connection) !== true) return
    this.#broadcaster.flushTo(connection)
    members.delete(connection)
    if (members.size === 0) this.#rooms.delete(name)
  }
}

// Looks its members up when used, so that it may be kept.
class LiveRoom implements Room {
  readonly names: readonly string[]
  readonly #rooms: ReadonlyMap<string, Channel>
  readonly #broadcaster: Broadcaster
  readonly #codec: Codec
  readonly #except: Except

  constructor (rooms: ReadonlyMap<string, Channel>, broadcaster: Broadcaster, codec: Codec, names: readonly string[], except: Except) {
    this.names = names
    this.#rooms = rooms
    this.#broadcaster = broadcaster
    this.#codec = codec
    this.#except = except
  }

  get name (): string {
    return this.names.join(', ')
  }

  get size (): number {
    const [channel, ...others] = this.#audiences
    if (channel === undefined) return 0
    if (others.length === 0 && this.#except === undefined) return channel.members.size
    let size = 0
    for (const _member of this) size++
    return size
  }

  * [Symbol.iterator] (): IterableIterator<WsConnection> {
    for (const [channel, except] of this.#parts(this.#except)) {
      for (const member of channel.members) if (!isLeftOut(except, member)) yield member
    }
  }

  send (...message: readonly unknown[]): void {
    const { arity } = this.#codec
    const [first, second] = message
    const except = both(this.#except, exceptBehind(message, arity, 'send() of a room'))
    const frame = this.#codec.frameOf(first, arity === 1 ? undefined : second, this.names)
    this.#send(frame, this.#codec.keyOf(first, second), except)
  }

  async request (type?: unknown, data?: unknown, options: RequestOptions = {}): Promise<Array<Answer<WsConnection, never>>> {
    checkRequestOptions(options)
    const request = this.#codec.requestOf(type, data, this.names)
    options.signal?.throwIfAborted()
    const members = [...this]
    // Before it is sent: a member that is not open any more has an answer at once.
    const answers = members.map((connection) => connection.pendingRequests.wait(request, options))
    this.#send(request.frame, undefined, this.#except)
    const settled = await Promise.allSettled(answers)
    return settled.map((answer, index) => ({ connection: members[index]!, ...answer as PromiseSettledResult<never> }))
  }

  #send (frame: Frame, key: unknown, except: Except): void {
    for (const [channel, left] of this.#parts(except)) this.#broadcaster.send(channel, frame, key, left)
  }

  get #audiences (): Channel[] {
    return this.names.map((name) => this.#rooms.get(name)).filter((room) => room !== undefined)
  }

  // Each room with who is left out there: also the members of those before it, which have the message already. They can be asked for
  // later, as all that is on its way to a connection leaves before it enters or leaves a room.
  #parts (except: Except): Array<[Channel, Except]> {
    const audiences = this.#audiences
    if (audiences.length < 2) return audiences.map((channel) => [channel, except])
    const firstOf = createFirstOf(audiences)
    return audiences.map((channel, index) => [channel, both(except, { has: (member: WsConnection) => firstOf(member) < index })])
  }
}

// A member of more rooms than these is looked up once for all rooms that a message goes to: a client may name a thousand of both.
const FEW = 8

// Tells which of several rooms is the first that a member of any of them is in.
function createFirstOf (audiences: readonly Channel[]): (member: WsConnection) => number {
  const positions = new Map<Membership, number>(audiences.map((channel, index) => [channel, index]))
  const known = new Map<WsConnection, number>()
  return (member) => {
    let first = known.get(member)
    if (first !== undefined) return first
    const { memberships } = member
    first = Infinity
    for (const room of memberships) first = Math.min(first, positions.get(room) ?? Infinity)
    if (memberships.length > FEW) known.set(member, first)
    return first
  }
}

function namesOf (rooms: string | Iterable<string>): readonly string[] {
  if (typeof rooms === 'string') return [rooms]
  if (typeof (rooms as undefined | null | Partial<Iterable<string>>)?.[Symbol.iterator] !== 'function') throw new errors.RoomInvalid(`of type ${typeof rooms}`)
  const names = [...new Set(rooms)]
  for (const name of names) if (typeof name !== 'string') throw new errors.RoomInvalid(`of type ${typeof name}`)
  return names
}
