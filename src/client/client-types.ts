import type {
  CallArguments,
  ContractRoute,
  DataArguments,
  EventData,
  EventReply,
  EventType,
  MessageData,
  NoticeType,
  ReplyData,
  RequestType,
  StreamItem,
  StreamType
} from './contract.js'
import type { EventContext } from './handlers.js'
import type { Closed } from './reconnection.js'

/** The options of a request. */
export interface RequestOptions {
  /**
   * Milliseconds until the request rejects with `FSR_CLIENT_TIMEOUT`, also while there is no
   * connection. `Infinity`: no limit.
   *
   * @default the option `timeout` of the client
   */
  readonly timeout?: undefined | number
  /** Cancels the request, which rejects with the reason of the signal. */
  readonly signal?: undefined | AbortSignal
}

/** The options of an iteration. */
export interface IterationOptions {
  /**
   * Ends the iteration: a stream throws the reason of the signal, an iteration of events just ends.
   */
  readonly signal?: undefined | AbortSignal
  /**
   * How many items may wait to be iterated. One more ends the iteration with `FSR_CLIENT_OVERFLOW`.
   *
   * @default 10_000
   */
  readonly buffer?: undefined | number
}

/** How a connection ended, and what happens next. */
export interface ClosedConnection extends Closed {
  /** Whether the client will reconnect. If not, it is closed for good. */
  readonly willReconnect: boolean
}

/**
 * A client of a route with a contract, which reconnects by itself.
 *
 * @typeParam Route the type of the route's handle.
 */
export interface SocketClient<Route extends ContractRoute> {
  /** Whether there is a connection now. */
  readonly isOpen: boolean
  /**
   * Resolves when there is a connection: the current or the next one. Rejects with
   * `FSR_CLIENT_CLOSED` and the failure as its `cause` if there will be none; with
   * `FSR_CLIENT_NO_WEBSOCKET` or `FSR_CLIENT_NO_PAGE` if none can be made.
   */
  readonly opened: Promise<void>
  /**
   * Resolves with the code and the reason when the client is closed for good, by itself or by the
   * server.
   */
  readonly closed: Promise<Closed>

  /**
   * Sends a message without waiting for an answer. A message that is answered with a stream needs
   * `stream`. Without a connection the message waits for the next one; see the option `buffer`.
   *
   * @throws `FSR_CLIENT_BUFFER_FULL`, `FSR_CLIENT_CLOSED`; a `TypeError` for data that is not JSON.
   */
  send<Type extends RequestType<Route>>(
    type: Type,
    ...data: DataArguments<MessageData<Route, Type>>
  ): void

  /**
   * Sends a message, and returns the reply of the server. Without a connection the message waits
   * for the next one. If the connection ends before the reply, the message is not sent again:
   * whether the server has handled it is unknown.
   *
   * Rejects with a `RequestError`: with the server's code and path; with `FSR_CLIENT_TIMEOUT`,
   * after which the server is told to cancel; with `FSR_CLIENT_DISCONNECTED`,
   * `FSR_CLIENT_BUFFER_FULL` or `FSR_CLIENT_CLOSED`.
   */
  request<Type extends RequestType<Route>>(
    type: Type,
    ...message: CallArguments<MessageData<Route, Type>, RequestOptions>
  ): Promise<ReplyData<Route, Type>>

  /**
   * Sends a message when the iteration begins, and iterates the stream of the reply. A loop that is
   * left early cancels the stream at the server. Throws the errors of a request. The protocol has
   * no way to slow a stream down: see `buffer`.
   */
  stream<Type extends StreamType<Route>>(
    type: Type,
    ...message: CallArguments<MessageData<Route, Type>, IterationOptions>
  ): AsyncIterable<StreamItem<Route, Type>>

  /**
   * Calls a handler with every event of a type, in the order of arrival, without waiting for the
   * handler. Where the server wants a reply, the result of the first handler is sent, or the code
   * `FSR_CLIENT_HANDLER_FAILED` if it throws.
   *
   * @returns a function that removes the handler.
   */
  on<Type extends EventType<Route>>(
    type: Type,
    handler: (data: EventData<Route, Type>, context: EventContext) => EventReply<Route, Type>
  ): () => void

  /**
   * Iterates the events of a type that arrive after the loop has begun, over all connections, until
   * the client is closed for good. Each loop gets all of them.
   */
  events<Type extends NoticeType<Route>>(
    type: Type,
    options?: IterationOptions
  ): AsyncIterable<EventData<Route, Type>>

  /**
   * Calls a handler whenever a connection is made. Messages that it sends go before those that wait
   * for the connection, so that it can join its rooms again. Its errors go to `onError`.
   *
   * @returns a function that removes the handler.
   */
  onOpen (handler: () => void): () => void

  /**
   * Calls a handler whenever a connection ends, and when the client is closed. Failed attempts go
   * to `onError` only.
   *
   * @returns a function that removes the handler.
   */
  onClose (handler: (closed: ClosedConnection) => void): () => void

  /**
   * Sends a new token for the same subject over the open connection. The option `token` does so by
   * itself. The next connection gets its token from that option.
   *
   * Rejects with the server's code if the server refuses the token, or with
   * `FSR_CLIENT_DISCONNECTED` if there is no connection.
   */
  renew (token: string): Promise<void>

  /**
   * Reconnects at once, for an app that knows that the network has changed. An open connection is
   * closed with 1000, and its pending calls reject with `FSR_CLIENT_DISCONNECTED`.
   *
   * @throws `FSR_CLIENT_CLOSED`, `FSR_CLIENT_NO_WEBSOCKET`, `FSR_CLIENT_NO_PAGE`.
   */
  reconnect (): void

  /**
   * Closes the client for good. Pending calls reject with `FSR_CLIENT_CLOSED`.
   *
   * @param code 1000, or from 3000 to 4999; 1000 by default.
   * @param reason at most 123 bytes in UTF-8; empty by default.
   * @throws RangeError for another code or a longer reason.
   */
  close (code?: number, reason?: string): void
}
