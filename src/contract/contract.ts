import type { FastifyTypeProvider } from 'fastify'
import type { WsConnection } from '../connection/connection.js'
import type { UserOfRequest } from '../connection/identity.js'
import type { Clients } from '../room/clients.js'
import type { AsJson } from './as-json.js'
import type { CloseInfo } from '../controller/controller.js'

/** The grant of a message: a role, a list of roles (any of them is enough), or a predicate. */
// A method's parameter is bivariant: a predicate may take a narrower user than is declared.
export type MessageGrant = string | readonly string[] | {
  isGranted (
    user: UserOfRequest,
    connection: WsConnection
  ): boolean | undefined | Promise<boolean | undefined>
}['isGranted']

/** Texts about a message, for documents generated from the contract. */
export interface MessageInfo {
  readonly summary?: undefined | string
  readonly description?: undefined | string
}

/** A message that clients may send. Its schemas are of any kind that the app's validator takes. */
export interface InboundMessage extends MessageInfo {
  /**
   * The schema of the data. Without it the message has no data: the handler gets `undefined`, and
   * data that a client sends is ignored.
   */
  readonly data?: unknown
  /**
   * The schema of the handler's return value. Without it a client that asks for a reply is told
   * that the message was handled.
   */
  readonly reply?: unknown
  /**
   * The schema of each item, if the handler returns a stream: an async generator, or any other
   * object that `for await` can iterate.
   */
  readonly stream?: unknown
  /**
   * The grant needed to send the message. It is checked for each message, against the connection's
   * current user. A predicate has to declare the types of its parameters, `(user: User) => …`: the
   * compiler cannot infer a contract with parts whose types depend on it.
   *
   * @default every connected client
   */
  readonly isGranted?: undefined | MessageGrant
}

/** A message that the server may send, with more than the schema of its data. */
export interface OutboundMessage extends MessageInfo {
  /** The schema of the data. Without it the message has no data. */
  readonly data?: undefined | unknown
  /** The schema of a client's reply, if the server asks with `connection.request`. */
  readonly reply?: unknown
}

/**
 * The messages of a route. The keys are the values of `type` on the wire. A message of `out` is the
 * schema of its data, `null` if it has no data, or, with `data` or `reply`, an `OutboundMessage`.
 */
export interface ContractSchema {
  readonly in?: undefined | Readonly<Record<string, InboundMessage>>
  readonly out?: undefined | Readonly<Record<string, unknown>>
}

/** The third argument of a handler, after the connection and the data. */
export interface MessageContext<Connection = WsConnection> {
  /** The id that the client gave the message; `undefined` if it expects no reply. */
  readonly id: undefined | string | number
  /**
   * Aborts when the message is answered, when the client cancels it, or when the connection begins
   * to close.
   */
  readonly signal: AbortSignal
  /** All clients of the route. */
  readonly clients: Clients<Connection>
}

// The type of a schema: after validation, and before serialization.
type Validated<Provider extends FastifyTypeProvider, Schema> =
  (Provider & { schema: Schema })['validator']
type Serialized<Provider extends FastifyTypeProvider, Schema> =
  (Provider & { schema: Schema })['serializer']

// The type that a sender writes. It differs from the validated type for a schema that transforms
// its input, which a Standard Schema declares in its types.
type Written<Provider extends FastifyTypeProvider, Schema> = Schema extends {
  readonly '~standard': { readonly types?: undefined | { readonly input: infer Input } }
}
  ? Input
  : Serialized<Provider, Schema>

// The type that a client reads: JSON. If a schema's output is what the server passes to send, as
// with a codec, the client reads its input.
type Read<Provider extends FastifyTypeProvider, Schema> = Schema extends {
  readonly '~standard': {
    readonly types?: undefined | { readonly input: infer Input, readonly output: infer Output }
  }
}
  ? AsJson<[Output] extends [Serialized<Provider, Schema>] ? Input : Output>
  : AsJson<Serialized<Provider, Schema>>

type DataSchema<Message> = Message extends null ? None
  : Message extends { readonly data: infer Schema } ? Schema
    : Message extends { readonly reply: unknown } ? None
      : Message
type None = { readonly none: never }
type OrNone<Schema, Type> = [Schema] extends [None] ? undefined : Type
type Member<Message, Name extends string> =
  Message extends { readonly [Key in Name]: infer Schema } ? Schema : None

/** The messages that a contract lets the server send, in the form that `WsConnection` takes. */
export type EventsOf<Provider extends FastifyTypeProvider, Schema extends ContractSchema> = {
  [Type in keyof Schema['out']]: {
    data: OrNone<
      DataSchema<Schema['out'][Type]>,
      Serialized<Provider, DataSchema<Schema['out'][Type]>>
    >
    reply: OrNone<
      Member<Schema['out'][Type], 'reply'>,
      Validated<Provider, Member<Schema['out'][Type], 'reply'>>
    >
  }
} extends infer Known ? { [Type in keyof Known]: Known[Type] } : never

/** The types of a route's connections, with the messages that its contract lets the server send. */
export type WithEvents<
  Types,
  Provider extends FastifyTypeProvider,
  Schema extends ContractSchema
> = Shown<Types & { Events: EventsOf<Provider, Schema> }>

/**
 * Has editors show a type by its members, not by the types it is built from: a conditional type has
 * no name of its own.
 */
export type Shown<Type> = Type extends infer Known ? { [Key in keyof Known]: Known[Key] } : never

/** The types of a contract on the client's side. */
export type ClientContract<Provider extends FastifyTypeProvider, Schema extends ContractSchema> = {
  in: {
    [Type in keyof Schema['in']]: {
      data: OrNone<
        Member<Schema['in'][Type], 'data'>,
        Written<Provider, Member<Schema['in'][Type], 'data'>>
      >
      reply: OrNone<
        Member<Schema['in'][Type], 'reply'>,
        Read<Provider, Member<Schema['in'][Type], 'reply'>>
      >
      stream: OrNone<
        Member<Schema['in'][Type], 'stream'>,
        Read<Provider, Member<Schema['in'][Type], 'stream'>>
      >
    }
  }
  out: {
    [Type in keyof Schema['out']]: {
      data: OrNone<
        DataSchema<Schema['out'][Type]>,
        Read<Provider, DataSchema<Schema['out'][Type]>>
      >
      reply: OrNone<
        Member<Schema['out'][Type], 'reply'>,
        Written<Provider, Member<Schema['out'][Type], 'reply'>>
      >
    }
  }
}

// The conditional type holds the whole function, not only its return type. The compiler then knows
// the reply while it checks the handler, and keeps literal types in it.
type Handler<Connection, Provider extends FastifyTypeProvider, Message> =
  Message extends { readonly stream: infer Item }
    ? Handle<
      Connection,
      Provider,
      Message,
      | AsyncIterable<Serialized<Provider, Item>>
      | Promise<AsyncIterable<Serialized<Provider, Item>>>
    >
    : Message extends { readonly reply: infer Answer }
      ? Handle<
        Connection,
        Provider,
        Message,
        Serialized<Provider, Answer> | Promise<Serialized<Provider, Answer>>
      >
      : Handle<Connection, Provider, Message, void | Promise<void>>

// A method's parameter is bivariant: a controller written for any route may serve a route whose
// connections have narrower types.
type Handle<Connection, Provider extends FastifyTypeProvider, Message, Returned> = {
  handle (
    connection: Connection,
    data: OrNone<Member<Message, 'data'>, Validated<Provider, Member<Message, 'data'>>>,
    context: MessageContext<Connection>
  ): Returned
}['handle']

/** A function for each message of `in`. Its return value is the reply. */
export type Handlers<
  Connection,
  Provider extends FastifyTypeProvider,
  Schema extends ContractSchema
> = {
  readonly [Type in keyof Schema['in']]: Handler<Connection, Provider, Schema['in'][Type]>
}

/**
 * A controller with a contract: the schemas of all messages in both directions, and a handler for
 * each message of a client. The callbacks are those of any controller, but return nothing: they
 * send with `connection.send(type, data)`.
 *
 * @typeParam Connection the connections of the route.
 * @typeParam Provider the type provider, which maps a schema to a type.
 * @typeParam Schema the contract.
 */
export interface ContractController<
  Connection,
  Provider extends FastifyTypeProvider,
  Schema extends ContractSchema
> {
  readonly schema: Schema
  readonly on: Handlers<Connection, Provider, Schema>
  onOpen? (connection: Connection, clients: Clients<Connection>): void | Promise<void>
  onClose? (
    connection: Connection,
    closed: CloseInfo,
    clients: Clients<Connection>
  ): void | Promise<void>
  /**
   * Runs when a handler or a callback throws, and when a message is rejected. The client has been
   * sent the error by then. The connection stays open, unless the client violated the protocol,
   * `invalidMessages` is `'close'`, or `onError` throws too.
   */
  onError? (
    connection: Connection,
    error: Error,
    clients: Clients<Connection>
  ): void | Promise<void>
}
