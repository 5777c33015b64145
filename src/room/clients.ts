import { WsConnection } from '../connection/connection.js'
import { errors } from '../errors.js'
import { toFrame, type Sendable } from '../message/outbound.js'

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
   * Sends to every client; the message is encoded once.
   *
   * @throws `FSR_ERR_NOT_SENDABLE`, `FSR_ERR_NOT_JSON`.
   */
  broadcast (message: Sendable, options?: BroadcastOptions): void
}

/** The set behind `Clients`, which only the route changes. */
export class ClientSet implements Clients {
  readonly #clients = new Map<string, WsConnection>()

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

  broadcast (message: Sendable, options: BroadcastOptions = {}): void {
    const { except, ...others } = options
    // Whoever is to be left out must not get it because of a slip.
    if (options instanceof WsConnection || Object.keys(others).length > 0 || typeof except === 'string') {
      throw new errors.OptionInvalid('of broadcast()', 'is not { except }, with a connection or several')
    }
    sendToAll(this.#clients.values(), message, except)
  }

  add (connection: WsConnection): void {
    this.#clients.set(connection.id, connection)
  }

  delete (connection: WsConnection): void {
    this.#clients.delete(connection.id)
  }
}

/** Encodes a message once, and sends it to many connections, less those left out. */
export function sendToAll (connections: Iterable<WsConnection>, message: Sendable, except: BroadcastOptions['except']): void {
  const frame = toFrame(message)
  const left = except === undefined || except instanceof WsConnection ? undefined : new Set(except)
  for (const connection of connections) {
    if (connection !== except && left?.has(connection) !== true) connection.write(frame, message)
  }
}
