import type { Room, WsConnection } from '../connection/connection.js'
import { errors } from '../errors.js'
import type { Sendable } from '../message/outbound.js'
import { sendToAll } from './clients.js'

/** The rooms of one route. A room exists as long as it has a member. */
export class Rooms {
  readonly #members = new Map<string, Set<WsConnection>>()

  /** How many rooms have a member. */
  get size (): number {
    return this.#members.size
  }

  /** @throws `FSR_ERR_ROOMS_TOO_MANY`: a client that can name rooms must not be able to fill the memory with them. */
  join (connection: WsConnection, name: string, limit: number): void {
    const own = connection.roomSet
    if (own.has(name)) return
    if (own.size >= limit) throw new errors.RoomsTooMany(own.size)
    own.add(name)
    const members = this.#members.get(name)
    if (members === undefined) this.#members.set(name, new Set([connection]))
    else members.add(connection)
  }

  leave (connection: WsConnection, name: string): void {
    if (connection.rooms.has(name)) connection.roomSet.delete(name)
    this.#remove(connection, name)
  }

  /** Takes a connection out of every room; what `connection.rooms` says stays, for `onClose`. */
  forget (connection: WsConnection): void {
    for (const name of connection.rooms) this.#remove(connection, name)
  }

  /** A room, also if nobody is in it. */
  room (name: string, except?: WsConnection): Room {
    return new LiveRoom(this.#members, name, except)
  }

  #remove (connection: WsConnection, name: string): void {
    const members = this.#members.get(name)
    if (members?.delete(connection) === true && members.size === 0) this.#members.delete(name)
  }
}

// Looks its members up when used, so that it may be kept.
class LiveRoom implements Room {
  readonly name: string
  readonly #rooms: ReadonlyMap<string, ReadonlySet<WsConnection>>
  readonly #except: undefined | WsConnection

  constructor (rooms: ReadonlyMap<string, ReadonlySet<WsConnection>>, name: string, except: undefined | WsConnection) {
    this.#rooms = rooms
    this.name = name
    this.#except = except
  }

  get #members (): ReadonlySet<WsConnection> {
    return this.#rooms.get(this.name) ?? NOBODY
  }

  get size (): number {
    const members = this.#members
    return this.#except !== undefined && members.has(this.#except) ? members.size - 1 : members.size
  }

  * [Symbol.iterator] (): IterableIterator<WsConnection> {
    for (const member of this.#members) if (member !== this.#except) yield member
  }

  send (message: Sendable): void {
    sendToAll(this.#members, message, this.#except)
  }
}

const NOBODY: ReadonlySet<WsConnection> = new Set()
