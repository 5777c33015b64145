import { Client } from './socket-client.js'
import type { ContractRoute, UnknownRoute } from './contract.js'
import type { ClientOptions } from './options.js'
import type { SocketClient } from './client-types.js'
import type { Address } from './address.js'

export { ClientError, RequestError, clientErrors } from './errors.js'
export type { Address } from './address.js'
export type {
  CallArguments,
  ContractRoute,
  DataArguments,
  EventData,
  EventReply,
  EventType,
  MessageData,
  MessageType,
  NoticeType,
  ReplyData,
  RequestType,
  StreamItem,
  StreamType,
  UnknownRoute
} from './contract.js'
export type { EventContext } from './handlers.js'
export type {
  ClientOptions,
  PingOptions,
  ReconnectOptions,
  WebSocketConstructor
} from './options.js'
export type { Closed, Ended } from './reconnection.js'
export type {
  ClosedConnection,
  IterationOptions,
  RequestOptions,
  SocketClient
} from './client-types.js'

/**
 * Connects to a route with a contract, and reconnects whenever the connection ends, unless the
 * close code is final. The types come from the route's handle: `connect<typeof
 * chat>('wss://example.test/chat')`, with `import type`.
 *
 * @typeParam Route the type of the handle that `socketRoute` returns. Without it every type of
 * message is accepted.
 * @param address `ws:`, `wss:`, `http:` or `https:`; in a browser also relative to the page. A
 * function is called before every attempt.
 * @throws TypeError for an invalid address or scheme, a `token` that is not a function, options
 * that are not an object, or an unknown option; RangeError for a duration or a count that is
 * neither a positive integer below 2^31 nor `Infinity`. Without a WebSocket, or without a page for
 * a relative address, as during server-side rendering, nothing is thrown until a connection is
 * needed.
 */
export function connect<Route extends ContractRoute = UnknownRoute> (
  address: Address,
  options: ClientOptions = {}
): SocketClient<Route> {
  return new Client(address, options) as object as SocketClient<Route>
}
