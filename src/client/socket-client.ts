import type {
  CallArguments, ContractRoute, DataArguments, EventData, EventReply, EventType, MessageData, NoticeType, ReplyData, RequestType, StreamItem, StreamType
} from './contract.js'
import type { EventContext } from './handlers.js'
import type { Closed } from './reconnection.js'

/** The options of a request. */
export interface RequestOptions {
  /**
   * Milliseconds until it rejects with `FSR_CLIENT_TIMEOUT`, also while there is no connection. `Infinity` for ever.
   *
   * @default the option `timeout` of the client
   */
  readonly timeout?: undefined | number
  /** Gives it up. It rejects with the reason of the signal then. */
  readonly signal?: undefined | AbortSignal
}

/** The options of what is iterated. */
export interface IterationOptions {
  /** Ends it: a stream throws the reason of the signal then, an iteration of events just ends. */
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
  /** Whether the client will connect again. If not, it is closed for good. */
  readonly willReconnect: boolean
}

/**
 * A client of a route with a contract. It connects, and connects again.
 *
 * @typeParam Route the type of the route's handle.
 */
export interface SocketClient<Route extends ContractRoute> {
  /** Whether there is a connection now. */
  readonly isOpen: boolean
  /**
   * Resolves when there is a connection: the one that there is, or the next. Rejects with `FSR_CLIENT_CLOSED` if there will be none, with
   * the failure as its `cause`; with `FSR_CLIENT_NO_WEBSOCKET` or `FSR_CLIENT_NO_PAGE` where none can be made.
   */
  readonly opened: Promise<void>
  /** Resolves when the client is closed for good, by itself or by the server, with the code and the reason of that. */
  readonly closed: Promise<Closed>

  /**
   * Sends a message that wants no answer; one that is answered with a stream does. If there is no connection, it waits for the next; see the option `buffer`.
   *
   * @throws `FSR_CLIENT_BUFFER_FULL`, `FSR_CLIENT_CLOSED`; a `TypeError` for what JSON cannot say.
   */
  send<Type extends RequestType<Route>> (type: Type, ...data: DataArguments<MessageData<Route, Type>>): void

  /**
   * Sends a message, and answers what the server replies. If there is no connection, the message waits for the next. If the connection
   * ends meanwhile, it is not sent a second time: whether the server has handled it is not known.
   *
   * Rejects with a `RequestError`: with the server's code and path; with `FSR_CLIENT_TIMEOUT`, after which the server is told that nobody
   * waits any more; with `FSR_CLIENT_DISCONNECTED`, `FSR_CLIENT_BUFFER_FULL`, `FSR_CLIENT_CLOSED`.
   */
  request<Type extends RequestType<Route>> (type: Type, ...message: CallArguments<MessageData<Route, Type>, RequestOptions>): Promise<ReplyData<Route, Type>>

  /**
   * Sends a message as soon as it is iterated, and iterates the stream that the server answers with. A loop that is left early tells the
   * server to stop. What fails a request is thrown here. The protocol has no way to slow a stream down: see `buffer`.
   */
  stream<Type extends StreamType<Route>> (type: Type, ...message: CallArguments<MessageData<Route, Type>, IterationOptions>): AsyncIterable<StreamItem<Route, Type>>

  /**
   * Calls a handler with every event of a type, in the order in which they come; it is not waited for. Where the server wants a reply, it
   * gets what the handler returns, and if it throws, the code `FSR_CLIENT_HANDLER_FAILED`. Of several handlers the first one answers.
   *
   * @returns what takes the handler away again.
   */
  on<Type extends EventType<Route>> (type: Type, handler: (data: EventData<Route, Type>, context: EventContext) => EventReply<Route, Type>): () => void

  /**
   * Iterates the events of a type that come from the beginning of the loop on, over all connections, until the client is closed for good.
   * Each loop gets all of them.
   */
  events<Type extends NoticeType<Route>> (type: Type, options?: IterationOptions): AsyncIterable<EventData<Route, Type>>

  /**
   * Calls a handler with every connection that is made. What it sends goes before what has waited for the connection: so it can enter
   * its rooms again. What it throws, or rejects with, is told to `onError`.
   *
   * @returns what takes the handler away again.
   */
  onOpen (handler: () => void): () => void

  /**
   * Calls a handler with the end of every connection, and of the client. Attempts that fail are told to `onError` only.
   *
   * @returns what takes the handler away again.
   */
  onClose (handler: (closed: ClosedConnection) => void): () => void

  /**
   * Gives the server a new token for the same subject, over the connection that is open. The option `token` does that by itself. The
   * next connection asks that option, not this.
   *
   * Rejects with the server's code if it does not take the token, with `FSR_CLIENT_DISCONNECTED` if there is no connection.
   */
  renew (token: string): Promise<void>

  /**
   * Makes a new connection at once: when the app knows better than the client that the network has changed. An open one is closed with
   * 1000, and what waits for an answer on it rejects with `FSR_CLIENT_DISCONNECTED`.
   *
   * @throws `FSR_CLIENT_CLOSED`, `FSR_CLIENT_NO_WEBSOCKET`, `FSR_CLIENT_NO_PAGE`.
   */
  reconnect (): void

  /**
   * Closes for good. What waits for an answer rejects with `FSR_CLIENT_CLOSED`.
   *
   * @param code 1000, or from 3000 to 4999. @default 1000
   * @param reason at most 123 bytes in UTF-8. @default ''
   * @throws RangeError for another code or a longer reason.
   */
  close (code?: number, reason?: string): void
}
