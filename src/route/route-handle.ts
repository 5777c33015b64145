import type {
  BroadcastOptions,
  Room,
  SentTo,
  SentToData,
  WsConnection
} from '../connection/connection.js'
import type { Clients } from '../room/clients.js'

/**
 * The handle of a route: reaches its clients from anywhere in the app. `socketRoute` returns it,
 * and `fastify.socketRoutes` has it by name.
 *
 * @typeParam Connection the connections of the route.
 * @typeParam Contract the client's view of the contract; `'none'` without a contract, so that no
 * typed client can be created.
 */
export interface SocketRouteHandle<Connection = WsConnection, Contract = 'none'> {
  /** For the compiler only: the messages of a typed client, `connect<typeof chat>(…)`. */
  readonly '~contract'?: undefined | Contract
  /** Whether the route has a contract: `broadcast(type, data)` rather than `broadcast(message)`. */
  readonly hasContract: [Contract] extends ['none'] ? false : true
  readonly name: string
  /** The path with the prefixes of its scopes, as it was written: `/v1/chat/:room`. */
  readonly path: string
  readonly clients: Clients<Connection>
  /**
   * Returns the path with its parameters filled in and encoded.
   *
   * @throws `FSR_ERR_URL_PARAM_MISSING`, `FSR_ERR_URL_PARAM_INVALID`.
   */
  url (params?: Readonly<Record<string, string | number>>): string
  /**
   * Sends a message to every client of the route. It is encoded once. With a contract:
   * `broadcast(type, data, options)`.
   *
   * @throws as `connection.send`.
   */
  broadcast<First extends SentTo<Connection>> (
    message: First,
    ...data: SentToData<Connection, First>
  ): void
  /**
   * Returns a room of the route, or several rooms as one: a message reaches each of their members
   * once. A room may be empty.
   *
   * @throws `FSR_ERR_ROOM_INVALID` for a name that is not a string, `FSR_ERR_OPTION_INVALID`.
   */
  to (rooms: string | Iterable<string>, options?: BroadcastOptions): Room<Connection>
}

/**
 * The handle of any route. `hasContract` tells which messages it takes: any message, if the route
 * has no contract.
 */
export type AnySocketRouteHandle =
  | SocketRouteHandle
  | SocketRouteHandle<WsConnection<{ Events: Record<never, never> }>, unknown>

/** The handles of all socket routes of an app by name, in the order of registration. */
export interface SocketRoutes extends ReadonlyMap<string, AnySocketRouteHandle> {
  /** Returns the handle of a route, whose messages are not known. */
  get (name: string): undefined | AnySocketRouteHandle
  /**
   * Returns the handle of a route.
   *
   * @typeParam Handle the type of the handle, `typeof chat`. It is not checked: the route is looked
   * up by its name alone.
   */
  get<Handle extends { readonly hasContract: boolean }> (name: string): undefined | Handle
}
