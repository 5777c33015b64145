import type { Broadcaster } from '../broadcast/broadcaster.js'
import {
  Channel, isLeftOut, type Except, type ExceptIds, type Receiver
} from '../broadcast/channel.js'
import type { Publication } from '../broker/broker.js'
import type { WsConnection } from '../connection/connection.js'
import { flatText } from '../message/flat-text.js'
import { errors } from '../errors.js'

type RoomChannel = Channel<Set<WsConnection>>
type Addressed = Pick<Publication, 'frame' | 'key' | 'except'>

/** The rooms of one route in this process. A room exists as long as it has a member here. */
export class Rooms {
  readonly #broadcaster: Broadcaster
  readonly #rooms = new Map<string, RoomChannel>()

  constructor (broadcaster: Broadcaster) {
    this.#broadcaster = broadcaster
  }

  /** The number of rooms that have a member. */
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

  /** Sends to the members of rooms, each once. */
  send (names: readonly string[], { frame, key, except }: Addressed): void {
    for (const [room, left] of this.#parts(names, except)) {
      this.#broadcaster.send(room, frame, key, left)
    }
  }

  /** Returns the members of rooms, each once. */
  * members (names: readonly string[], except: ExceptIds): IterableIterator<WsConnection> {
    for (const [room, left] of this.#parts(names, except)) {
      for (const member of room.members) if (!isLeftOut(left, member)) yield member
    }
  }

  /** Returns the number of members of rooms, each counted once. */
  count (names: readonly string[], except: ExceptIds): number {
    const [room, ...others] = this.#named(names)
    if (room === undefined) return 0
    if (others.length === 0 && except === undefined) return room.members.size
    let count = 0
    for (const _member of this.members(names, except)) count++
    return count
  }

  // Returns the rooms with these names that have members.
  #named (names: readonly string[]): RoomChannel[] {
    return names.map((name) => this.#rooms.get(name)).filter((room) => room !== undefined)
  }

  // Returns each room with its exclusions, which include the members of the rooms before it: they
  // get the message there. Membership may be looked up later, at delivery, because the broadcasts
  // pending for a connection leave before it joins or leaves a room.
  #parts (names: readonly string[], except: ExceptIds): Array<[RoomChannel, Except]> {
    const rooms = this.#named(names)
    if (rooms.length < 2) return rooms.map((room) => [room, except])
    const firstOf = createFirstOf(rooms)
    return rooms.map((room, index) => [room, index === 0
      ? except
      : {
          excludes: (member) => firstOf(member) < index || isLeftOut(except, member)
        }])
  }

  #remove (connection: WsConnection, name: string): void {
    const members = this.#rooms.get(name)?.members
    if (members?.has(connection) !== true) return
    this.#broadcaster.flushTo(connection)
    members.delete(connection)
    if (members.size === 0) this.#rooms.delete(name)
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
