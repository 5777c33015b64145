import { Broadcaster } from '../broadcast/broadcaster.js'
import { Channel, union } from '../broadcast/channel.js'
import type { Broker, Publication, Publish } from '../broker/broker.js'
import {
  WsConnection,
  type BroadcastOptions,
  type Room,
  type SentTo,
  type SentToData
} from '../connection/connection.js'
import type { Codec } from '../message/codec.js'
import { exceptBehind, exceptOf } from './broadcast-options.js'
import { namesOf, NamedRoom, type RoomServices } from './room.js'
import { Rooms } from './rooms.js'

/**
 * The clients of one route. A connection is among them from before `onOpen` until it begins to
 * close.
 *
 * @typeParam Client the connections of this route.
 */
export interface Clients<Client = WsConnection> extends Iterable<Client> {
  readonly size: number
  /** Returns the client with this id. */
  get (id: string): undefined | Client
  has (connection: unknown): boolean
  /**
   * Sends a message to all clients. It is encoded once. With a contract: `broadcast(type, data)`.
   *
   * @throws as `connection.send`.
   */
  broadcast<First extends SentTo<Client>> (message: First, ...data: SentToData<Client, First>): void
  /**
   * Returns a room of the route, or several rooms as one: each member gets a message once. A room
   * need not have members.
   *
   * @throws `FSR_ERR_ROOM_INVALID` for a name that is not a string, `FSR_ERR_OPTION_INVALID`.
   */
  to (rooms: string | Iterable<string>, options?: BroadcastOptions): Room<Client>
}

/** The implementation of `Clients`. Only the route adds and removes connections. */
export class ClientSet implements Clients {
  /** Sends to all clients, and to the rooms of the route. */
  readonly broadcaster: Broadcaster
  readonly rooms: Rooms
  readonly #clients = new Map<string, WsConnection>()
  readonly #channel: Channel
  readonly #codec: Codec
  readonly #publish: Publish
  readonly #services: RoomServices

  /**
   * @param route the name of the route.
   * @param isGathering see `Broadcaster`.
   */
  constructor (route: string, codec: Codec, broker: Broker, isGathering: boolean) {
    this.#codec = codec
    this.#channel = new Channel('', this)
    this.broadcaster = new Broadcaster(this.#channel, isGathering)
    this.rooms = new Rooms(this.broadcaster)
    this.#publish = broker.connect(route, (publication) => { this.#deliver(publication) })
    this.#services = { rooms: this.rooms, codec, publish: this.#publish }
  }

  get size (): number {
    return this.#clients.size
  }

  get (id: string): undefined | WsConnection {
    return this.#clients.get(id)
  }

  has (connection: unknown): boolean {
    return connection instanceof WsConnection && this.#clients.get(connection.id) === connection
  }

  [Symbol.iterator] (): IterableIterator<WsConnection> {
    return this.#clients.values()
  }

  broadcast (...message: readonly unknown[]): void {
    const { arity } = this.#codec
    const [first, second] = message
    const except = exceptBehind(message, arity, 'broadcast()')
    const frame = this.#codec.frameOf(first, arity === 1 ? undefined : second)
    this.#publish({ rooms: undefined, frame, key: this.#codec.keyOf(first, second), except })
  }

  /** @param own the connection that calls, which is always left out. */
  to (rooms: string | Iterable<string>, options?: BroadcastOptions, own?: WsConnection): Room {
    const except = union(exceptOf(options, 'to()'), own?.id)
    return new NamedRoom(this.#services, namesOf(rooms), except)
  }

  add (connection: WsConnection): void {
    this.broadcaster.flushTo(connection)
    this.#clients.set(connection.id, connection)
  }

  delete (connection: WsConnection): void {
    this.broadcaster.flushTo(connection)
    this.#clients.delete(connection.id)
  }

  #deliver (publication: Publication): void {
    const { rooms, frame, key, except } = publication
    if (rooms === undefined) this.broadcaster.send(this.#channel, frame, key, except)
    else this.rooms.send(rooms, publication)
  }
}
