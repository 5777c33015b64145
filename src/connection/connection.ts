import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { Clock } from '../clock.js'
import { closeCodes, type CloseReason } from '../close-codes.js'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'
import type { Codec, Request } from '../message/codec.js'
import type { Sendable } from '../message/outbound.js'
import type { Closable } from './live.js'
import type { ConnectionContext } from '../socket/async-context.js'
import { checkRequestOptions, PendingRequests, type RequestOptions } from './pending-requests.js'
import { flatText } from '../message/flat-text.js'
import { compactRequest } from '../socket/compact-request.js'
import type { Outbox } from './outbox.js'
import { RoomNames } from './room-names.js'

/** What an app can say about the connections of a route, as with Fastify's own generics. */
export interface ConnectionTypes {
  /** The path parameters. */
  Params?: unknown
  /** The query parameters. */
  Querystring?: unknown
  /** The request headers. */
  Headers?: unknown
  /** Who is connected. */
  User?: unknown
  /** What the app keeps with the connection. */
  Data?: unknown
  /** What the route's contract lets the server send: `{ name: { data, reply } }`. Without a contract there is none. */
  Events?: unknown
}

/** What is given to `send` first: any message; with a contract, the name of one that it has. */
export type Sent<Types> = Types extends { Events: infer Events } ? keyof Events : Sendable

/** What follows it: with a contract, the data of the message. */
export type SentData<Types, First> = Types extends { Events: infer Events } ? First extends keyof Events ? DataOf<Events[First]> : never : []

// Where there need not be data, the argument may be left out.
type DataOf<Event> = Event extends { data: infer Data } ? undefined extends Data ? [data?: Data] : [data: Data] : never

// The events that can be asked, with what they need and what comes back.
type RequestsOf<Types> = Types extends { Events: infer Events } ? { [Type in keyof Events as Events[Type] extends { reply: undefined } ? never : Type]: Events[Type] } : Record<never, never>
type RequestOf<Types> = keyof RequestsOf<Types>
type RequestArguments<Types, Type extends RequestOf<Types>> = RequestsOf<Types>[Type] extends { data: infer Data }
  ? undefined extends Data ? [data?: Data, options?: RequestOptions] : [data: Data, options?: RequestOptions]
  : never
type RequestReply<Types, Type extends RequestOf<Types>> = RequestsOf<Types>[Type] extends { reply: infer Reply } ? Reply : never

type TypesOf<Connection> = Connection extends WsConnection<infer Types> ? Types : ConnectionTypes

/** What is sent to many is: first a message or its name, as by each of them. */
export type SentTo<Connection> = Sent<TypesOf<Connection>>

/** What follows it. */
export type SentToData<Connection, First> = [...SentData<TypesOf<Connection>, First>, options?: BroadcastOptions]

type TypeOf<Types, Key extends string, Default> = Types extends Record<Key, infer Type> ? Type : Default

/** Connections that a message to many leaves out. */
export interface BroadcastOptions {
  /** One connection or several, the sender above all. */
  readonly except?: undefined | WsConnection | Iterable<WsConnection>
}

/** The members of a room, or of several, or those of them that a message is meant for. A member of several is one of them once. */
export interface Room<Member = WsConnection> extends Iterable<Member> {
  /** Its name; of several rooms all their names, separated by commas. */
  readonly name: string
  readonly names: readonly string[]
  /** How many connections a message to it would reach. */
  readonly size: number
  /**
   * Sends to every member; the message is encoded once.
   *
   * @throws as `connection.send`; `FSR_ERR_OPTION_INVALID`.
   */
  send<First extends SentTo<Member>> (message: First, ...data: SentToData<Member, First>): void
  /**
   * Asks every member, and gathers what they answer: one of the contract's messages that has a reply. It resolves when each has answered,
   * has refused, or is not waited for any more; the request is encoded once.
   *
   * @throws as `send`, and the reason of a `signal` that has aborted before, as a rejection; what goes wrong with one member is in its answer.
   */
  request<Type extends RequestOf<TypesOf<Member>>> (type: Type, ...rest: RequestArguments<TypesOf<Member>, Type>): Promise<Array<Answer<Member, RequestReply<TypesOf<Member>, Type>>>>
}

/** What one member of a room has answered, in the form of `Promise.allSettled`. */
export type Answer<Member, Reply> = { readonly connection: Member } & (
  { readonly status: 'fulfilled', readonly value: Reply } | { readonly status: 'rejected', readonly reason: unknown }
)

/** What a connection asks of whoever runs it. */
export interface ConnectionKeeper extends Closable, Pick<ConnectionContext, 'enter'> {
  readonly clock: Clock
  /** How what is sent is encoded. */
  readonly codec: Codec
  /** Whether no message is to be handled any more, also none that has come before: the server closes, or `onClose` has run. */
  readonly isDone: boolean
  /** A message was not what the contract takes. */
  refused (): void
  /** A message was. */
  accepted (): void
  close (code: number, reason: string): void
  terminate (): void
  join (connection: WsConnection, room: string): void
  leave (connection: WsConnection, room: string): void
  to (rooms: string | Iterable<string>, options: undefined | BroadcastOptions, except: WsConnection): Room
  /** Answers the user of the token. @param request what the connection came with. */
  renew (token: string, request: FastifyRequest): Promise<unknown>
}

/** One room that a connection is in, as whoever keeps the members knows it. */
export interface Membership {
  readonly name: string
}

// A client that can name rooms must not be able to fill the memory with names.
const LONGEST_ROOM = 256

const NONE: readonly Membership[] = []

/**
 * One client of a socket route, from the upgrade to the close. It is the same object in every callback.
 *
 * @typeParam Types `{ Params, Querystring, Headers, User, Data }`, each optional.
 */
export class WsConnection<Types extends ConnectionTypes = ConnectionTypes> {
  /** A UUID; never used again, also not after a restart or by another process. */
  readonly id: string = flatText(randomUUID())
  /** The sub-protocol that was agreed on; `''` if none was. */
  readonly protocol: string
  /** The address of the client; Fastify's `trustProxy` decides whose word counts. */
  readonly ip: string
  /** Of what is sent to many, all with lower numbers has reached it, as far as it was meant for it. @internal */
  served = 0
  readonly #request: FastifyRequest
  readonly #outbox: Outbox
  readonly #keeper: ConnectionKeeper
  #data: undefined | TypeOf<Types, 'Data', Record<string, unknown>>
  #user: unknown
  #log: undefined | FastifyBaseLogger
  #ended: undefined | AbortController
  #isEnded = false
  // Of most there are few, and nobody asks: an array takes a third of a Set.
  #memberships: readonly Membership[] = NONE
  // Made when somebody asks; from then on it is kept in step.
  #rooms: undefined | RoomNames
  // Made with the first request.
  #pendingRequests: undefined | PendingRequests

  /** Made by the plugin. */
  constructor (request: FastifyRequest, protocol: string, user: unknown, outbox: Outbox, keeper: ConnectionKeeper) {
    this.#request = request
    this.protocol = protocol
    // Not later: a closed socket has forgotten its address.
    this.ip = request.ip
    this.#user = user
    this.#outbox = outbox
    this.#keeper = keeper
  }

  /** The app's own state; it starts as what the route's option `data` has made of the upgrade request, or else as `{}`. */
  get data (): TypeOf<Types, 'Data', Record<string, unknown>> {
    if (this.#data === undefined) this.#data = {} as TypeOf<Types, 'Data', Record<string, unknown>>
    return this.#data
  }

  set data (data: TypeOf<Types, 'Data', Record<string, unknown>>) {
    this.#data = data
  }

  /**
   * The verified user, as `@fastify/jwt` or a hook of the app set it on the request; `null` if nobody did. After a renewal it is
   * that of the new token.
   */
  get user (): TypeOf<Types, 'User', unknown> {
    return this.#user as TypeOf<Types, 'User', unknown>
  }

  /** The path parameters; they were validated before the upgrade if the route has a schema for them. */
  get params (): TypeOf<Types, 'Params', Record<string, string>> {
    return this.#request.params as TypeOf<Types, 'Params', Record<string, string>>
  }

  /** The query parameters; they never mix with those of the path. */
  get query (): TypeOf<Types, 'Querystring', Record<string, string | string[]>> {
    return this.#request.query as TypeOf<Types, 'Querystring', Record<string, string | string[]>>
  }

  /** The headers of the upgrade request, in lower case. Credentials may be among them. */
  get headers (): TypeOf<Types, 'Headers', FastifyRequest['headers']> {
    return this.#request.headers as TypeOf<Types, 'Headers', FastifyRequest['headers']>
  }

  /** A child of the request's logger that adds `connection` (the id) and `route` (the path) to every line. */
  get log (): FastifyBaseLogger {
    this.#log ??= this.#request.log.child({ connection: this.id, route: this.#request.routeOptions.url })
    return this.#log
  }

  /** Aborts when the connection begins to close, whoever closes it: for `fetch`, timers, queries. */
  get signal (): AbortSignal {
    if (this.#ended === undefined) {
      this.#ended = new AbortController()
      if (this.#isEnded) this.#ended.abort()
    }
    return this.#ended.signal
  }

  /** Bytes that wait in this process for the client to read. What a room or a route is sent is among them from the end of the turn. */
  get bufferedAmount (): number {
    return this.#outbox.bufferedAmount
  }

  /** How many messages were not sent, because the connection was closed or the client too slow. */
  get dropped (): number {
    return this.#outbox.dropped
  }

  /** The rooms it is in, kept in step; a loop goes over those that it was in when the loop began. During `onClose` these are still the last ones, though nothing reaches it any more. */
  get rooms (): ReadonlySet<string> {
    this.#rooms ??= new RoomNames(this.#memberships.map(({ name }) => name))
    return this.#rooms
  }

  /**
   * Sends a message; with a contract, one of those that it names: `send(type, data)`.
   *
   * @returns `true` if the client keeps up; `false` if more than 64 KiB wait for it, so that who can wait should await
   * `drained()`, or if the connection is closed.
   * @throws `FSR_ERR_NOT_SENDABLE`, `FSR_ERR_NOT_JSON`, `FSR_ERR_OPTION_INVALID` for a second argument; with a contract
   * `FSR_ERR_EVENT_UNKNOWN`, `FSR_ERR_EVENT_INVALID`.
   */
  send<First extends Sent<Types>> (message: First, ...data: SentData<Types, First>): boolean
  send (first?: unknown, second?: unknown): boolean {
    const { codec } = this.#keeper
    return this.#outbox.send(codec.frameOf(first, second, this), codec.keyOf(first, second))
  }

  /** Resolves when the client has caught up, or the connection has ended. */
  drained (): Promise<void> {
    return this.#outbox.drained()
  }

  /**
   * Closes the connection: `onClose` runs, what it returns is sent, then the close frame. A handler that is running is
   * waited for, at most `closeTimeout`; messages not yet handled are dropped. Further calls do nothing.
   *
   * @param code 1000, 1001, 1003, 1007 to 1014, or 3000 to 4999 (RFC 6455 section 7.4).
   * @param reason at most 123 bytes of UTF-8 (section 5.5).
   * @throws `FSR_ERR_CLOSE_INVALID`.
   */
  close (code: number = closeCodes.normal.code, reason = ''): void {
    if (!isCloseCode(code)) throw new errors.CloseInvalid(typeof code === 'number' ? 'the code is another number' : `the code is of type ${typeof code}`)
    const length = typeof reason === 'string' ? Buffer.byteLength(reason) : Infinity
    if (length > 123) throw new errors.CloseInvalid(length === Infinity ? 'the reason is not a string' : `the reason has ${length}`)
    this.#keeper.close(code, reason)
  }

  /** Cuts the connection without a closing handshake; `onClose` gets code 1006. */
  terminate (): void {
    this.#keeper.terminate()
  }

  /**
   * Enters a room of its route; leaving happens by itself at the close.
   *
   * @throws `FSR_ERR_ROOM_INVALID`, `FSR_ERR_ROOMS_TOO_MANY`: at once, not by a rejected promise that nobody may be waiting for.
   */
  join (room: string): Promise<void> {
    if (typeof room !== 'string' || room === '' || room.length > LONGEST_ROOM) {
      throw new errors.RoomInvalid(typeof room === 'string' ? `${room.length} characters long` : `of type ${typeof room}`)
    }
    this.#keeper.join(this as WsConnection, room)
    return Promise.resolve()
  }

  /**
   * Leaves a room; nothing happens if it is not in it.
   *
   * @throws `FSR_ERR_ROOM_INVALID` for a name that is no string, at once.
   */
  leave (room: string): Promise<void> {
    if (typeof room !== 'string') throw new errors.RoomInvalid(`of type ${typeof room}`)
    this.#keeper.leave(this as WsConnection, room)
    return Promise.resolve()
  }

  /**
   * Everyone in a room but this connection, which need not be in it; or in several rooms, once each.
   *
   * @throws `FSR_ERR_ROOM_INVALID` for a name that is no string, `FSR_ERR_OPTION_INVALID`.
   */
  to (rooms: string | Iterable<string>, options?: BroadcastOptions): Room<WsConnection<Types>> {
    return this.#keeper.to(rooms, options, this as WsConnection) as Room<never>
  }

  /**
   * Takes a new token for the same subject in the place of the one that will expire. `isGranted` is asked again: who has lost
   * the right to be here is closed with 4403.
   *
   * @throws `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`, `FSR_ERR_NOT_GRANTED`, `FSR_ERR_STORE_FAILED`, and what a predicate of
   * `isGranted` throws, as a rejection that harms nobody if it is not waited for.
   */
  renew (token: string): Promise<void> {
    return this.#keeper.enter(this.#renew, this, token)
  }

  #renew (token: string): Promise<void> {
    const renewed = this.#keeper.renew(token, this.#request).then((user) => {
      this.#user = user
      this.#pendingRequests?.userChanged()
    })
    // A client may ask for as many as it likes.
    renewed.catch(() => { writeLog(this, 'debug', {}, 'a renewal was refused') })
    return renewed
  }

  /** What a connection is in JSON: its id, and nothing of its user or its data. */
  toJSON (): { id: string } {
    return { id: this.id }
  }

  /**
   * Asks the client, and answers what it replies: one of the contract's messages that has a reply. Nothing is kept of it afterwards,
   * whether the client answers or not.
   *
   * @throws as `send`; `FSR_ERR_REQUEST_TIMEOUT`, `FSR_ERR_REQUEST_REFUSED`, `FSR_ERR_REQUEST_ENDED`, `FSR_ERR_ANSWER_INVALID`, and the reason
   * of `signal`, as a rejection. What is up to the client harms nobody if it is not waited for.
   */
  request<Type extends RequestOf<Types>> (type: Type, ...[data, options = {}]: RequestArguments<Types, Type>): Promise<RequestReply<Types, Type>> {
    const { codec } = this.#keeper
    let request: Request
    try {
      checkRequestOptions(options)
      request = codec.requestOf(type, data, this)
    } catch (error) {
      return Promise.reject(error)
    }
    const { pendingRequests } = this
    const reply = pendingRequests.wait(request, options) as Promise<RequestReply<Types, Type>>
    // The client decides when and how it answers: that must not end the process, also where nobody waits for it, or not yet.
    reply.catch(() => {})
    if (pendingRequests.awaits(request)) this.#outbox.send(request.frame)
    return reply
  }

  /** The requests under way. @internal */
  get pendingRequests (): PendingRequests {
    if (this.#pendingRequests === undefined) {
      this.#pendingRequests = new PendingRequests(this.#keeper.clock, this.#outbox)
      if (this.#isEnded) this.#pendingRequests.end()
    }
    return this.#pendingRequests
  }

  /** Whether there is one: it is made when it is asked for. @internal */
  get hasExchange (): boolean {
    return this.#pendingRequests !== undefined
  }

  /** Whether no message is to be handled any more. @internal */
  get isDone (): boolean {
    return this.#keeper.isDone
  }

  /** Whether it has begun to close, and `signal` has told so. @internal */
  get isAborted (): boolean {
    return this.#isEnded
  }

  /** One of its messages was refused. @internal */
  refused (): void {
    this.#keeper.refused()
  }

  /** One of its messages was taken. @internal */
  accepted (): void {
    this.#keeper.accepted()
  }

  /** Closes it for one of the reasons of this plugin. @internal */
  closeWith (reason: CloseReason): boolean {
    return this.#keeper.closeWith(reason)
  }

  /** All that leaves for it. @internal */
  get outbox (): Outbox {
    return this.#outbox
  }

  /** The rooms, for whoever keeps their members. @internal */
  get memberships (): readonly Membership[] {
    return this.#memberships
  }

  /** @internal */
  enter (room: Membership): void {
    this.#memberships = [...this.#memberships, room]
    this.#rooms?.add(room.name)
  }

  /** @internal */
  exit (name: string): void {
    this.#memberships = this.#memberships.filter((room) => room.name !== name)
    this.#rooms?.delete(name)
  }

  /** Keeps less of the request. @internal */
  compact (): void {
    compactRequest(this.#request)
  }

  /** Tells those who listen to `signal`. @internal */
  end (): void {
    this.#isEnded = true
    this.#ended?.abort()
    this.#pendingRequests?.end()
  }
}

// Those an endpoint may send: 1004 is reserved, 1005, 1006 and 1015 never go over the wire (RFC 6455 section 7.4.1).
function isCloseCode (code: number): boolean {
  return Number.isInteger(code) && (
    (code >= 1000 && code <= 1003 && code !== 1002) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)
  )
}
