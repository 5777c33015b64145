import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { Clock } from '../clock.js'
import { closeCodes, type CloseReason } from '../protocol/close-codes.js'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'
import type { Codec, Request } from '../message/codec.js'
import type { Sendable } from '../message/outbound.js'
import type { Channel } from '../broadcast/channel.js'
import { InboundRequests } from './inbound-requests.js'
import { checkRequestOptions, PendingRequests, type RequestOptions } from './pending-requests.js'
import { flatText } from '../message/flat-text.js'
import { compactRequest } from '../socket/compact-request.js'
import type { Outbox, OutboxHost } from './outbox.js'
import type { InvalidMessages } from './invalid-message-limit.js'
import type { TokenHost } from './token-lifetime.js'

/** The types of a route's connections, named as Fastify's own generics are. */
export interface ConnectionTypes {
  /** The path parameters. */
  Params?: unknown
  /** The query parameters. */
  Querystring?: unknown
  /** The request headers. */
  Headers?: unknown
  /** The verified user. */
  User?: unknown
  /** The app's own state of a connection. */
  Data?: unknown
  /**
   * The contract's messages to the client: `{ name: { data, reply } }`. Absent without a contract.
   */
  Events?: unknown
}

/** The types of a connection where `ConnectionTypes` does not name others. */
export interface DefaultTypes {
  Params: Record<string, string>
  Querystring: Record<string, string | string[]>
  Headers: FastifyRequest['headers']
  User: unknown
  Data: Record<string, unknown>
}

/**
 * Leaves out the types that a connection has by default, so that editors and the compiler show only
 * what a route adds.
 */
export type WithoutDefaults<Types> = {
  [Name in keyof Types as Name extends keyof DefaultTypes
    ? IsSame<Types[Name], DefaultTypes[Name]> extends true ? never : Name
    : Name
  ]: Types[Name]
}

/** Whether two types are the same. `any` is the same as no other type. */
export type IsSame<One, Other> =
  (<T>() => T extends One ? 1 : 2) extends (<T>() => T extends Other ? 1 : 2) ? true : false

/** The first argument of `send`: any message; with a contract, the name of one of its messages. */
export type Sent<Types> = Types extends { Events: infer Events } ? keyof Events : Sendable

/** A message as one value, as `latestBy` gets it: without a contract any value. */
export type MessageOf<Types> = Types extends { Events: infer Events }
  ? { [Type in keyof Events]: OneOf<Type, Events[Type]> }[keyof Events]
  : unknown
type OneOf<Type, Event> = Event extends { data: infer Data }
  ? { readonly type: Type, readonly data: Data }
  : never

/** The arguments after it: with a contract, the data of the message. */
export type SentData<Types, First> = Types extends { Events: infer Events }
  ? First extends keyof Events ? DataOf<Events[First]> : never
  : []

// The argument is optional where the data may be undefined.
type DataOf<Event> = Event extends { data: infer Data }
  ? undefined extends Data ? [data?: Data] : [data: Data]
  : never

// The events that have a reply.
type RequestsOf<Types> = Types extends { Events: infer All }
  ? { [Type in keyof All as All[Type] extends { reply: undefined } ? never : Type]: All[Type] }
  : Record<never, never>
type RequestOf<Types> = keyof RequestsOf<Types>
type RequestArguments<Types, Type extends RequestOf<Types>> =
  RequestsOf<Types>[Type] extends { data: infer Data }
    ? undefined extends Data
      ? [data?: Data, options?: RequestOptions]
      : [data: Data, options?: RequestOptions]
    : never
type RequestReply<Types, Type extends RequestOf<Types>> =
  RequestsOf<Types>[Type] extends { reply: infer Reply } ? Reply : never

type TypesOf<Connection> = Connection extends WsConnection<infer Types> ? Types : ConnectionTypes

/** The first argument of a send to many: the same as for one connection. */
export type SentTo<Connection> = Sent<TypesOf<Connection>>

/** The arguments after it: the same as for one connection, then the options. */
export type SentToData<Connection, First> =
  [...SentData<TypesOf<Connection>, First>, options?: BroadcastOptions]

type TypeOf<Types, Key extends keyof DefaultTypes> =
  Types extends Record<Key, infer Type> ? Type : DefaultTypes[Key]

/** The options of a message to many. */
export interface BroadcastOptions {
  /** The excluded connection or connections; usually the sender. */
  readonly except?: undefined | WsConnection | Iterable<WsConnection>
}

/** One room or several, without the excluded connections. A member of several rooms counts once. */
export interface Room<Member = WsConnection> {
  /** The name of the room; for several rooms all names, separated by commas. */
  readonly name: string
  readonly names: readonly string[]
  /** The members that are connected to this process. */
  readonly local: LocalRoom<Member>
  /**
   * Sends to every member; the message is encoded once.
   *
   * @throws as `connection.send`; `FSR_ERR_OPTION_INVALID`.
   */
  send<First extends SentTo<Member>> (message: First, ...data: SentToData<Member, First>): void
}

/** The members of a room that are connected to this process. */
export interface LocalRoom<Member = WsConnection> extends Iterable<Member> {
  readonly size: number
  /**
   * Sends a request to every member in this process and collects the answers. `type` is a message
   * of the contract that has a reply. The promise resolves when each member has replied, refused,
   * timed out or disconnected. The request is encoded once.
   *
   * @throws as `send`, and the reason of a `signal` that has already aborted, as a rejection. The
   * failure of one member is in its answer.
   */
  request<Type extends RequestOf<TypesOf<Member>>> (
    type: Type,
    ...rest: RequestArguments<TypesOf<Member>, Type>
  ): Promise<Array<Answer<Member, RequestReply<TypesOf<Member>, Type>>>>
}

/** The answer of one member of a room, in the form of `Promise.allSettled`. */
export type Answer<Member, Reply> = { readonly connection: Member } & (
  | { readonly status: 'fulfilled', readonly value: Reply }
  | { readonly status: 'rejected', readonly reason: unknown }
)

/** The runner of a connection, as the parts of the connection use it. */
export interface ConnectionHost extends OutboxHost, TokenHost {
  readonly clock: Clock
  /** Encodes the messages that are sent. */
  readonly codec: Codec
  /**
   * Whether no further message is handled, waiting ones included: the server closes, or `onClose`
   * has run.
   */
  readonly isDone: boolean
  /** Called when the contract has rejected a message. */
  countRefusal (): void
  close (code: number, reason: string): void
  join (room: string): void
  leave (room: string): void
  /** Returns one room, or several as one, without the connection. */
  to (rooms: string | Iterable<string>, options: undefined | BroadcastOptions): Room
  /** Verifies a token and returns its user. @param request the upgrade request. */
  renew (token: string, request: FastifyRequest): Promise<unknown>
  /** Runs work that `onClose` waits for. */
  delayOnClose (work: () => undefined | Promise<void>): void
}

// Characters. A client that can name rooms must not be able to fill the memory with names.
const LONGEST_ROOM = 256

const NONE: readonly Channel[] = []

/**
 * A client of a socket route, from the upgrade to the close. Every callback gets the same object.
 *
 * @typeParam Types `{ Params, Querystring, Headers, User, Data }`, each optional.
 */
export class WsConnection<Types extends ConnectionTypes = ConnectionTypes> {
  /** A UUID, unique across restarts and processes. */
  readonly id: string = flatText(randomUUID())
  /** The negotiated sub-protocol; `''` if there is none. */
  readonly protocol: string
  /** The client's IP address; Fastify's `trustProxy` decides which proxies are believed. */
  readonly ip: string
  /** Sequence number up to which broadcasts have been delivered to this connection. @internal */
  served = 0
  /** The client's requests without a reply; created with the first. @internal */
  inboundRequests: undefined | InboundRequests
  /** The count of rejected messages; created with the first. @internal */
  refusals: undefined | InvalidMessages
  readonly #request: FastifyRequest
  readonly #outbox: Outbox
  readonly #host: ConnectionHost
  #data: undefined | TypeOf<Types, 'Data'>
  #user: unknown
  #log: undefined | FastifyBaseLogger
  #ended: undefined | AbortController
  #isEnded = false
  // Most connections are in few rooms and `rooms` is rarely read. An array takes a third of a Set.
  #memberships: readonly Channel[] = NONE
  // Created when `rooms` is read, until the next join or leave.
  #rooms: undefined | ReadonlySet<string>
  // Created with the first request.
  #pendingRequests: undefined | PendingRequests

  /** Called by the plugin. */
  constructor (
    request: FastifyRequest,
    protocol: string,
    user: unknown,
    outbox: Outbox,
    host: ConnectionHost
  ) {
    this.#request = request
    this.protocol = protocol
    // Read now: a closed socket no longer has its address.
    this.ip = request.ip
    this.#user = user
    this.#outbox = outbox
    this.#host = host
  }

  /** The app's own state. It starts as the result of the route's option `data`, or as `{}`. */
  get data (): TypeOf<Types, 'Data'> {
    if (this.#data === undefined) this.#data = {} as TypeOf<Types, 'Data'>
    return this.#data
  }

  set data (data: TypeOf<Types, 'Data'>) {
    this.#data = data
  }

  /**
   * The verified user, as `@fastify/jwt` or a hook of the app set it on the request; `null` if
   * there is none. A renewal replaces it with the user of the new token.
   */
  get user (): TypeOf<Types, 'User'> {
    return this.#user as TypeOf<Types, 'User'>
  }

  /** The path parameters, validated before the upgrade if the route has a schema for them. */
  get params (): TypeOf<Types, 'Params'> {
    return this.#request.params as TypeOf<Types, 'Params'>
  }

  /** The query parameters, separate from the path parameters. */
  get query (): TypeOf<Types, 'Querystring'> {
    return this.#request.query as TypeOf<Types, 'Querystring'>
  }

  /** The headers of the upgrade request, with names in lower case. They may contain credentials. */
  get headers (): TypeOf<Types, 'Headers'> {
    return this.#request.headers as TypeOf<Types, 'Headers'>
  }

  /**
   * A child of the request's logger that adds `connection` (the id) and `route` (the path) to every
   * line.
   */
  get log (): FastifyBaseLogger {
    this.#log ??= this.#request.log.child({
      connection: this.id,
      route: this.#request.routeOptions.url
    })
    return this.#log
  }

  /** Aborts when the client or the server begins to close: for `fetch`, timers, queries. */
  get signal (): AbortSignal {
    if (this.#ended === undefined) {
      this.#ended = new AbortController()
      if (this.#isEnded) this.#ended.abort()
    }
    return this.#ended.signal
  }

  /**
   * Bytes that wait in this process for the client to read. A message to a room or a route counts
   * from the end of the turn of the event loop.
   */
  get bufferedAmount (): number {
    return this.#outbox.bufferedAmount
  }

  /** The number of messages not sent: the connection was closed, or the client was too slow. */
  get dropped (): number {
    return this.#outbox.dropped
  }

  /**
   * The rooms that the connection is in now: a set that later joins and leaves do not change.
   * During `onClose` the last rooms are still listed, though their messages no longer reach the
   * connection.
   */
  get rooms (): ReadonlySet<string> {
    this.#rooms ??= new Set(this.#memberships.map(({ name }) => name))
    return this.#rooms
  }

  /**
   * Sends a message; with a contract, one of its messages: `send(type, data)`.
   *
   * @returns `true` if the client keeps up; `false` if the connection is closed, or if more than 64
   * KiB wait: then await `drained()` where possible.
   * @throws `FSR_ERR_NOT_SENDABLE`, `FSR_ERR_NOT_JSON`, `FSR_ERR_OPTION_INVALID` for a second
   * argument; with a contract `FSR_ERR_EVENT_UNKNOWN`, `FSR_ERR_EVENT_INVALID`.
   */
  send<First extends Sent<Types>> (message: First, ...data: SentData<Types, First>): boolean
  send (first?: unknown, second?: unknown): boolean {
    const { codec } = this.#host
    return this.#outbox.send(codec.frameOf(first, second, this), codec.keyOf(first, second))
  }

  /** Resolves when the client has caught up, or the connection has ended. */
  drained (): Promise<void> {
    return this.#outbox.drained()
  }

  /**
   * Closes the connection: `onClose` runs, its return value is sent, then the close frame. Running
   * handlers are awaited for at most `closeTimeout`; messages not yet handled are dropped. Further
   * calls do nothing.
   *
   * @param code 1000, 1001, 1003, 1007 to 1014, or 3000 to 4999 (RFC 6455 section 7.4).
   * @param reason at most 123 bytes of UTF-8 (section 5.5).
   * @throws `FSR_ERR_CLOSE_INVALID`.
   */
  close (code: number = closeCodes.normal.code, reason = ''): void {
    if (!isCloseCode(code)) {
      // The error text does not repeat a number: it may come from the client.
      throw new errors.CloseInvalid(typeof code === 'number'
        ? 'the code is another number'
        : `the code is of type ${typeof code}`)
    }
    const length = typeof reason === 'string' ? Buffer.byteLength(reason) : Infinity
    if (length > 123) {
      throw new errors.CloseInvalid(
        length === Infinity ? 'the reason is not a string' : `the reason has ${length} bytes`
      )
    }
    this.#host.close(code, reason)
  }

  /** Terminates the connection without a closing handshake; `onClose` gets code 1006. */
  terminate (): void {
    this.#host.terminate()
  }

  /**
   * Joins a room of the route. The connection leaves all rooms when it closes.
   *
   * @throws `FSR_ERR_ROOM_INVALID`, `FSR_ERR_ROOMS_TOO_MANY`; synchronously, as a rejection might
   * go unnoticed.
   */
  join (room: string): Promise<void> {
    if (typeof room !== 'string' || room === '' || room.length > LONGEST_ROOM) {
      throw new errors.RoomInvalid(
        typeof room === 'string' ? `${room.length} characters long` : `of type ${typeof room}`
      )
    }
    this.#host.join(room)
    return Promise.resolve()
  }

  /**
   * Leaves a room; does nothing if the connection is not in it.
   *
   * @throws `FSR_ERR_ROOM_INVALID` for a name that is not a string; synchronously.
   */
  leave (room: string): Promise<void> {
    if (typeof room !== 'string') throw new errors.RoomInvalid(`of type ${typeof room}`)
    this.#host.leave(room)
    return Promise.resolve()
  }

  /**
   * Returns the members of a room, or of several, without this connection. The connection need not
   * be a member, and a member of several rooms counts once.
   *
   * @throws `FSR_ERR_ROOM_INVALID` for a name that is not a string, `FSR_ERR_OPTION_INVALID`.
   */
  to (rooms: string | Iterable<string>, options?: BroadcastOptions): Room<WsConnection<Types>> {
    return this.#host.to(rooms, options) as Room<never>
  }

  /**
   * Replaces the token by a new one for the same subject. `isGranted` runs again: if it no longer
   * grants access, the connection is closed with 4403.
   *
   * @throws `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`, `FSR_ERR_NOT_GRANTED`,
   * `FSR_ERR_STORE_FAILED`, and any error of a predicate of `isGranted`, as a rejection. An
   * unhandled rejection does not end the process.
   */
  renew (token: string): Promise<void> {
    return this.#host.enter(this.#renew, this, token)
  }

  #renew (token: string): Promise<void> {
    const renewed = this.#host.renew(token, this.#request).then((user) => {
      this.#user = user
      this.inboundRequests?.userChanged()
    })
    // Logged at debug, as a client may send any number of renewals.
    renewed.catch(() => { writeLog(this, 'debug', {}, 'token renewal rejected') })
    return renewed
  }

  /** Returns the id alone, so that neither the user nor the data reach JSON. */
  toJSON (): { id: string } {
    return { id: this.id }
  }

  /**
   * Sends a request to the client and returns its reply. `type` is a message of the contract that
   * has a reply. Afterwards no state of the request is kept, also if the client has not replied.
   *
   * @throws as `send`; `FSR_ERR_REQUEST_TIMEOUT`, `FSR_ERR_REQUEST_REFUSED`,
   * `FSR_ERR_REQUEST_ENDED`, `FSR_ERR_ANSWER_INVALID`, and the reason of `signal`, as a rejection.
   * A rejection that depends on the client does not end the process if it is unhandled.
   */
  request<Type extends RequestOf<Types>> (
    type: Type,
    ...[data, options = {}]: RequestArguments<Types, Type>
  ): Promise<RequestReply<Types, Type>> {
    const { codec } = this.#host
    let request: Request
    try {
      checkRequestOptions(options)
      request = codec.requestOf(type, data, this)
    } catch (error) {
      return Promise.reject(error)
    }
    const { pendingRequests } = this
    const reply = pendingRequests.wait(request, options) as Promise<RequestReply<Types, Type>>
    // The client decides when and how it replies. An unhandled rejection must not end the process.
    reply.catch(() => {})
    if (pendingRequests.awaits(request)) this.#outbox.send(request.frame)
    return reply
  }

  /** The requests to this client without a reply; created on first access. @internal */
  get pendingRequests (): PendingRequests {
    if (this.#pendingRequests === undefined) {
      this.#pendingRequests = new PendingRequests(this.#host.clock, this.#outbox)
      if (this.#isEnded) this.#pendingRequests.abort()
    }
    return this.#pendingRequests
  }

  /** Whether `pendingRequests` has been created. @internal */
  get hasPendingRequests (): boolean {
    return this.#pendingRequests !== undefined
  }

  /** Creates `inboundRequests`. @internal */
  createInboundRequests (): InboundRequests {
    this.inboundRequests = new InboundRequests(this.#isEnded)
    return this.inboundRequests
  }

  /** Whether no further message is handled. @internal */
  get isDone (): boolean {
    return this.#host.isDone
  }

  /** Whether the connection has begun to close, and `signal` has aborted. @internal */
  get isAborted (): boolean {
    return this.#isEnded
  }

  /** Called when the contract has rejected a message. @internal */
  countRefusal (): void {
    this.#host.countRefusal()
  }

  /** Closes for a reason in `close-codes`; see `Closable`. @internal */
  closeWith (reason: CloseReason): boolean {
    return this.#host.closeWith(reason)
  }

  /** The outbox, which sends everything to this client. @internal */
  get outbox (): Outbox {
    return this.#outbox
  }

  /** The rooms that the connection is in. @internal */
  get memberships (): readonly Channel[] {
    return this.#memberships
  }

  /** @internal */
  addMembership (room: Channel): void {
    this.#memberships = [...this.#memberships, room]
    this.#rooms = undefined
  }

  /** @internal */
  removeMembership (name: string): void {
    this.#memberships = this.#memberships.filter((room) => room.name !== name)
    this.#rooms = undefined
  }

  /** Reduces the memory of the upgrade request. @internal */
  compact (): void {
    compactRequest(this.#request)
  }

  /** Aborts `signal` and all requests. @internal */
  abort (): void {
    this.#isEnded = true
    this.#ended?.abort()
    this.#pendingRequests?.abort()
    this.inboundRequests?.abort()
  }
}

// Whether an endpoint may send the code: 1004 is reserved; 1005, 1006 and 1015 never go over the
// wire (RFC 6455 section 7.4.1).
function isCloseCode (code: number): boolean {
  return Number.isInteger(code) && (
    (code >= 1000 && code <= 1003 && code !== 1002) ||
    (code >= 1007 && code <= 1014) ||
    (code >= 3000 && code <= 4999)
  )
}
