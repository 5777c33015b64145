import { WsConnection, type OutgoingOf } from '../connection/connection.js'
import { errors } from '../errors.js'
import type { Codec } from '../message/codec.js'
import { Audience } from './audience.js'
import { Fanout } from './fanout.js'

/** Who does not get a message. */
export interface BroadcastOptions {
  /** One connection or several that are left out, the sender above all. */
  readonly except?: undefined | WsConnection | Iterable<WsConnection>
}

/**
 * The clients of one route, and of no other. A client is among them from before `onOpen` until it begins to close.
 *
 * @typeParam Client the connections of this route.
 */
export interface Clients<Client = WsConnection> extends Iterable<Client> {
  readonly size: number
  /** The client with this id. */
  get (id: string): undefined | Client
  has (connection: unknown): boolean
  /**
   * Sends to every client; the message is encoded once. With a contract it is one of those that it names: `broadcast(type, data)`.
   *
   * @throws as `connection.send`.
   */
  broadcast (...message: [...OutgoingOf<Client>, options?: BroadcastOptions]): void
}

/** The set behind `Clients`, which only the route changes. */
export class ClientSet implements Clients {
  /** The way to all clients, and to the rooms that they are in. */
  readonly fanout: Fanout
  readonly #clients = new Map<string, WsConnection>()
  readonly #audience: Audience
  readonly #codec: Codec

  /** @param isGathering see `Fanout`. */
  constructor (isGathering: boolean, codec: Codec) {
    this.#codec = codec
    this.#audience = new Audience('', this)
    this.fanout = new Fanout(this.#audience, isGathering)
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
    const options = message[arity] as undefined | BroadcastOptions ?? {}
    const { except, ...others } = options
    // Whoever is to be left out must not get it because of a slip.
    if (options instanceof WsConnection || Object.keys(others).length > 0 || typeof except === 'string') {
      throw new errors.OptionInvalid('except', 'is the only one. The second argument of broadcast() is { except: connection }, with one connection or several')
    }
    const frame = this.#codec.frameOf(first, second)
    this.fanout.send(this.#audience, frame, this.#codec.messageOf(first, second), except === undefined || except instanceof WsConnection ? except : new Set(except))
  }

  add (connection: WsConnection): void {
    this.fanout.settle(connection)
    this.#clients.set(connection.id, connection)
  }

  delete (connection: WsConnection): void {
    this.fanout.settle(connection)
    this.#clients.delete(connection.id)
  }
}
