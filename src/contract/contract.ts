import type { FastifyTypeProvider } from 'fastify'
import type { WsConnection } from '../connection/connection.js'
import type { UserOfRequest } from '../connection/identity.js'
import type { Clients } from '../room/clients.js'
import type { AsJson } from './as-json.js'
import type { CloseInfo } from '../controller/controller.js'

/** Who may send a message: those with a role, with any role of a list, or those whom a predicate lets. */
// A method's parameter is bivariant: a function may ask for a narrower user than is declared.
export type MessageGrant = string | readonly string[] | { isGranted (user: UserOfRequest, connection: WsConnection): boolean | undefined | Promise<boolean | undefined> }['isGranted']

/** What people are told of a message: in documents that are made of the contract. */
export interface MessageInfo {
  readonly summary?: undefined | string
  readonly description?: undefined | string
}

/** A message that clients may send. Its schemas are of whatever kind the app's validator takes. */
export interface InboundMessage extends MessageInfo {
  /** The schema of its data. Without one there is none: whatever comes is not looked at, and the handler gets `undefined`. */
  readonly data?: unknown
  /** The schema of what the handler returns. Without one a client that asks for an answer is told that the message was handled. */
  readonly reply?: unknown
  /** The schema of each item, where the handler returns a stream: an async generator, or anything else that can be iterated with `for await`. */
  readonly stream?: unknown
  /**
   * Who may send it: checked against the connection's user of that moment. A predicate has to say what its parameters are,
   * `(user: User) => …`: the compiler cannot infer a contract with parts that wait for it.
   *
   * @default everyone who is connected
   */
  readonly isGranted?: undefined | MessageGrant
}

/** A message that the server may send, where more is to be said of it than the schema of its data. */
export interface OutboundMessage extends MessageInfo {
  /** The schema of its data. Without one it has none. */
  readonly data?: undefined | unknown
  /** The schema of what a client answers, where the server asks with `connection.request`. */
  readonly reply?: unknown
}

/**
 * The messages of a route, by the name that is their `type` on the wire. One of `out` is the schema of its data, or `null` if it has none;
 * or, with `data` or `reply` in it, an `OutboundMessage`.
 */
export interface ContractSchema {
  readonly in?: undefined | Readonly<Record<string, InboundMessage>>
  readonly out?: undefined | Readonly<Record<string, unknown>>
}

/** What a handler is told besides the connection and the data. */
export interface MessageContext<Connection = WsConnection> {
  /** What the client has given the message to be answered by, if it wants an answer. */
  readonly id: undefined | string | number
  /** Aborts when the message is answered, the client does not want that any more, or the connection begins to close. */
  readonly signal: AbortSignal
  /** All clients of the route. */
  readonly clients: Clients<Connection>
}

// What a schema stands for: as it comes, when it was validated, and as it is given, before it is serialised.
type Validated<Provider extends FastifyTypeProvider, Schema> = (Provider & { schema: Schema })['validator']
type Serialized<Provider extends FastifyTypeProvider, Schema> = (Provider & { schema: Schema })['serializer']

// What whoever sends may write, where a validator makes something else of it: such schemas say so themselves (Standard Schema).
type Written<Provider extends FastifyTypeProvider, Schema> = Schema extends { readonly '~standard': { readonly types?: undefined | { readonly input: infer Input } } }
  ? Input
  : Serialized<Provider, Schema>

// What a client reads of what is sent: JSON, and where a schema says that what is sent is the output of a codec, its input.
type Read<Provider extends FastifyTypeProvider, Schema> = Schema extends { readonly '~standard': { readonly types?: undefined | { readonly input: infer Input, readonly output: infer Output } } }
  ? AsJson<[Output] extends [Serialized<Provider, Schema>] ? Input : Output>
  : AsJson<Serialized<Provider, Schema>>

type DataSchema<Message> = Message extends null ? None : Message extends { readonly data: infer Schema } ? Schema : Message extends { readonly reply: unknown } ? None : Message
type None = { readonly none: never }
type OrNone<Schema, Type> = [Schema] extends [None] ? undefined : Type
type Member<Message, Name extends string> = Message extends { readonly [Key in Name]: infer Schema } ? Schema : None

/** What a contract lets the server send, as `WsConnection` knows it. */
export type EventsOf<Provider extends FastifyTypeProvider, Schema extends ContractSchema> = {
  [Type in keyof Schema['out']]: {
    data: OrNone<DataSchema<Schema['out'][Type]>, Serialized<Provider, DataSchema<Schema['out'][Type]>>>
    reply: OrNone<Member<Schema['out'][Type], 'reply'>, Validated<Provider, Member<Schema['out'][Type], 'reply'>>>
  }
}

/** What is known of the connections of a route, with what its contract lets the server send. */
export type WithEvents<Types, Provider extends FastifyTypeProvider, Schema extends ContractSchema> = Shown<Types & { Events: Shown<EventsOf<Provider, Schema>> }>

/** A type by its members, as editors show it, rather than by all that they are made of: a conditional type has no name of its own. */
export type Shown<Type> = Type extends infer Known ? { [Key in keyof Known]: Known[Key] } : never

/** A contract as its clients see it. */
export type ClientContract<Provider extends FastifyTypeProvider, Schema extends ContractSchema> = {
  in: {
    [Type in keyof Schema['in']]: {
      data: OrNone<Member<Schema['in'][Type], 'data'>, Written<Provider, Member<Schema['in'][Type], 'data'>>>
      reply: OrNone<Member<Schema['in'][Type], 'reply'>, Read<Provider, Member<Schema['in'][Type], 'reply'>>>
      stream: OrNone<Member<Schema['in'][Type], 'stream'>, Read<Provider, Member<Schema['in'][Type], 'stream'>>>
    }
  }
  out: {
    [Type in keyof Schema['out']]: {
      data: OrNone<DataSchema<Schema['out'][Type]>, Read<Provider, DataSchema<Schema['out'][Type]>>>
      reply: OrNone<Member<Schema['out'][Type], 'reply'>, Written<Provider, Member<Schema['out'][Type], 'reply'>>>
    }
  }
}

// A conditional type as a whole, not only in what is returned: so the compiler knows the reply while it looks at the handler, and takes a
// literal in it for what it is.
type Handler<Connection, Provider extends FastifyTypeProvider, Message> = Message extends { readonly stream: infer Item }
  ? Handle<Connection, Provider, Message, AsyncIterable<Serialized<Provider, Item>> | Promise<AsyncIterable<Serialized<Provider, Item>>>>
  : Message extends { readonly reply: infer Answer }
    ? Handle<Connection, Provider, Message, Serialized<Provider, Answer> | Promise<Serialized<Provider, Answer>>>
    : Handle<Connection, Provider, Message, void | Promise<void>>

// A method's parameter is bivariant: a controller may be written for any route, and serve on one whose connections are known better.
type Handle<Connection, Provider extends FastifyTypeProvider, Message, Returned> = {
  handle (
    connection: Connection,
    data: OrNone<Member<Message, 'data'>, Validated<Provider, Member<Message, 'data'>>>,
    context: MessageContext<Connection>
  ): Returned
}['handle']

/** One function for each message of `in`. What it returns is the reply. */
export type Handlers<Connection, Provider extends FastifyTypeProvider, Schema extends ContractSchema> = {
  readonly [Type in keyof Schema['in']]: Handler<Connection, Provider, Schema['in'][Type]>
}

/**
 * A controller with a contract: what each message is, in both directions, and what happens when one comes. The callbacks are those of
 * any controller, but return nothing: what they send, they send with `connection.send(type, data)`.
 *
 * @typeParam Connection the connections of the route.
 * @typeParam Provider the type provider, which says what a schema stands for.
 * @typeParam Schema the contract.
 */
export interface ContractController<Connection, Provider extends FastifyTypeProvider, Schema extends ContractSchema> {
  readonly schema: Schema
  readonly on: Handlers<Connection, Provider, Schema>
  onOpen? (connection: Connection, clients: Clients<Connection>): void | Promise<void>
  onClose? (connection: Connection, closed: CloseInfo, clients: Clients<Connection>): void | Promise<void>
  /**
   * Runs when a handler or a callback throws, and when a message is refused, which has been answered then. The connection stays open,
   * unless the client broke the protocol, `invalidMessages` says otherwise, or this throws too.
   */
  onError? (connection: Connection, error: Error, clients: Clients<Connection>): void | Promise<void>
}
