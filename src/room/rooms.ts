import type { Answer, Room, WsConnection } from '../connection/connection.js'
import type { RequestOptions } from '../connection/exchange.js'
import { errors } from '../errors.js'
import type { Codec } from '../message/codec.js'
import { Audience } from './audience.js'
import type { Fanout } from './fanout.js'

/** The rooms of one route. A room exists as long as it has a member. */
export class Rooms {
  readonly #fanout: Fanout
  readonly #codec: Codec
  readonly #rooms = new Map<string, Audience<Set<WsConnection>>>()

  constructor (fanout: Fanout, codec: Codec) {
    this.#fanout = fanout
    this.#codec = codec
  }

  /** How many rooms have a member. */
  get size (): number {
    return this.#rooms.size
  }

  /**
   * Whatever the connection was sent before has to have left (`Fanout.settle`).
   *
   * @throws `FSR_ERR_ROOMS_TOO_MANY`: a client that can name rooms must not be able to fill the memory with them.
   */
  join (connection: WsConnection, name: string, limit: number): void {
    let room = this.#rooms.get(name)
    if (room?.members.has(connection) === true) return
    const count = connection.memberships.length
    if (count >= limit) throw new errors.RoomsTooMany(count)
    if (room === undefined) this.#rooms.set(name, room = new Audience(name, new Set()))
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
   * A room, also if nobody is in it.
   *
   * @throws `FSR_ERR_ROOM_INVALID` for what is no string. One that is too long is a room that nobody can be in.
   */
  room (name: string, except?: WsConnection): Room {
    if (typeof name !== 'string') throw new errors.RoomInvalid(`a ${typeof name}`)
    return new LiveRoom(this.#rooms, this.#fanout, this.#codec, name, except)
  }

  #remove (connection: WsConnection, name: string): void {
    const members = this.#rooms.get(name)?.members
    if (members?.has(connection) !== true) return
    this.#fanout.settle(connection)
    members.delete(connection)
    if (members.size === 0) this.#rooms.delete(name)
  }
}

// Looks its members up when used, so that it may be kept.
class LiveRoom implements Room {
  readonly name: string
  readonly #rooms: ReadonlyMap<string, Audience>
  readonly #fanout: Fanout
  readonly #codec: Codec
  readonly #except: undefined | WsConnection

  constructor (rooms: ReadonlyMap<string, Audience>, fanout: Fanout, codec: Codec, name: string, except: undefined | WsConnection) {
    this.#rooms = rooms
    this.#fanout = fanout
    this.#codec = codec
    this.name = name
    this.#except = except
  }

  get size (): number {
    const members = this.#rooms.get(this.name)?.members
    if (members === undefined) return 0
    return this.#except !== undefined && members.has(this.#except) ? members.size - 1 : members.size
  }

  * [Symbol.iterator] (): IterableIterator<WsConnection> {
    for (const member of this.#rooms.get(this.name)?.members ?? []) if (member !== this.#except) yield member
  }

  send (first?: unknown, second?: unknown): void {
    const frame = this.#codec.frameOf(first, second, this.name)
    const room = this.#rooms.get(this.name)
    if (room !== undefined) this.#fanout.send(room, frame, this.#codec.messageOf(first, second), this.#except)
  }

  async request (type?: unknown, data?: unknown, options: RequestOptions = {}): Promise<Array<Answer<WsConnection, never>>> {
    const request = this.#codec.requestOf(type, data, this.name)
    options.signal?.throwIfAborted()
    const members = [...this]
    // Before it is sent: a member that is not open any more has an answer at once.
    const answers = members.map((connection) => connection.exchange.wait(request, options))
    const room = this.#rooms.get(this.name)
    if (room !== undefined) this.#fanout.send(room, request.frame, this.#codec.messageOf(type, data), this.#except)
    const settled = await Promise.allSettled(answers)
    return settled.map((answer, index) => ({ connection: members[index]!, ...answer as PromiseSettledResult<never> }))
  }
}
