import type { Broadcaster } from '../broadcast/broadcaster.js'
import { both, Channel, isLeftOut, type Except, type Receiver } from '../broadcast/channel.js'
import type { Answer, BroadcastOptions, Room, WsConnection } from '../connection/connection.js'
import { checkRequestOptions, type RequestOptions } from '../connection/pending-requests.js'
import { flatText } from '../message/flat-text.js'
import { errors } from '../errors.js'
import type { Codec } from '../message/codec.js'
import type { Frame } from '../message/frame.js'
import { exceptBehind, exceptOf } from './except.js'

type RoomChannel = Channel<Set<WsConnection>>

/** The rooms of one route. A room exists as long as it has a member. */
export class Rooms {
  readonly #broadcaster: Broadcaster
  readonly #codec: Codec
  readonly #rooms = new Map<string, RoomChannel>()

  constructor (broadcaster: Broadcaster, codec: Codec) {
    this.#broadcaster = broadcaster
    this.#codec = codec
  }

  /** How many rooms have a member. */
  get size (): number {
    return this.#rooms.size
  }

  /**
   * Adds a connection to a room. Call `Outbox.flushBroadcasts` before: earlier broadcasts have to
   * leave first.
   *
   * @throws `FSR_ERR_ROOMS_TOO_MANY`: a client that can name rooms must not be able to fill the
   * memory with them.
   */
  join (connection: WsConnection, name: string, limit: number): void {
    let room = this.#rooms.get(name)
    if (room?.members.has(connection) === true) return
    const count = connection.memberships.length
    if (count >= limit) throw new errors.RoomsTooMany(count)
    if (room === undefined) {
      // A slice of a message would keep the whole message in memory.
      const flat = flatText(name)
      // flatText changes a name that is not well-formed Unicode. Such a name is kept as it is.
      room = new Channel(flat === name ? flat : name, new Set())
      this.#rooms.set(room.name, room)
    }
    room.members.add(connection)
    connection.addMembership(room)
  }

  leave (connection: WsConnection, name: string): void {
    this.#remove(connection, name)
    connection.removeMembership(name)
  }

  /** Removes a connection from all rooms. `connection.rooms` keeps their names, for `onClose`. */
  delete (connection: WsConnection): void {
    for (const { name } of connection.memberships) this.#remove(connection, name)
  }

  /**
   * Returns a room, or several as one. A room need not have members, and one whose name is too long
   * never has any.
   *
   * @param own the connection that calls, which is always left out.
   * @throws `FSR_ERR_ROOM_INVALID` for a name that is not a string; `FSR_ERR_OPTION_INVALID`.
   */
  room (
    names: string | Iterable<string>,
    options: undefined | BroadcastOptions,
    own?: WsConnection
  ): Room {
    return new LiveRoom(
      this.#rooms,
      this.#broadcaster,
      this.#codec,
      namesOf(names),
      both(exceptOf(options, 'to()'), own)
    )
  }

  #remove (connection: WsConnection, name: string): void {
    const members = this.#rooms.get(name)?.members
    if (members?.has(connection) !== true) return
    this.#broadcaster.flushTo(connection)
    members.delete(connection)
    if (members.size === 0) this.#rooms.delete(name)
  }
}

// Looks its members up at each use, so that an app may keep the object.
class LiveRoom implements Room {
  readonly names: readonly string[]
  readonly #rooms: ReadonlyMap<string, RoomChannel>
  readonly #broadcaster: Broadcaster
  readonly #codec: Codec
  readonly #except: Except

  constructor (
    rooms: ReadonlyMap<string, RoomChannel>,
    broadcaster: Broadcaster,
    codec: Codec,
    names: readonly string[],
    except: Except
  ) {
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
    const [channel, ...others] = this.#channels
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

  async request (
    type?: unknown,
    data?: unknown,
    options: RequestOptions = {}
  ): Promise<Array<Answer<WsConnection, never>>> {
    checkRequestOptions(options)
    const request = this.#codec.requestOf(type, data, this.names)
    options.signal?.throwIfAborted()
    const members = [...this]
    // Before the request is sent. The wait for a member that is closed already rejects at once.
    const answers = members.map((connection) => connection.pendingRequests.wait(request, options))
    this.#send(request.frame, undefined, this.#except)
    const settled = await Promise.allSettled(answers)
    return settled.map((answer, index) => ({
      connection: members[index]!,
      ...answer as PromiseSettledResult<never>
    }))
  }

  #send (frame: Frame, key: unknown, except: Except): void {
    for (const [channel, left] of this.#parts(except)) {
      this.#broadcaster.send(channel, frame, key, left)
    }
  }

  get #channels (): RoomChannel[] {
    return this.names.map((name) => this.#rooms.get(name)).filter((room) => room !== undefined)
  }

  // Returns each room with its exclusions, which include the members of the rooms before it: they
  // get the message there. Membership may be looked up later, at delivery, because the broadcasts
  // pending for a connection leave before it joins or leaves a room.
  #parts (except: Except): Array<[RoomChannel, Except]> {
    const channels = this.#channels
    if (channels.length < 2) return channels.map((channel) => [channel, except])
    const firstOf = createFirstOf(channels)
    return channels.map((channel, index) => [
      channel,
      both(except, { has: (member: Receiver) => firstOf(member) < index })
    ])
  }
}

// A member of more rooms than this is looked up once per message, not once for each of its rooms. A
// client may join a thousand rooms, and have a message sent to as many.
const FEW = 8

// Returns a function that finds the index of the first of these rooms that a member is in.
function createFirstOf (channels: readonly Channel[]): (member: Receiver) => number {
  const positions = new Map<Channel, number>(
    channels.map((channel, index) => [channel, index])
  )
  const known = new Map<Receiver, number>()
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
  const iterable = rooms as undefined | null | Partial<Iterable<string>>
  if (typeof iterable?.[Symbol.iterator] !== 'function') {
    throw new errors.RoomInvalid(`of type ${typeof rooms}`)
  }
  const names = [...new Set(rooms)]
  for (const name of names) {
    if (typeof name !== 'string') throw new errors.RoomInvalid(`of type ${typeof name}`)
  }
  return names
}
