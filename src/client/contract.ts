/**
 * The source of the types of `connect`: the handle that `socketRoute` returns for a route with a
 * contract, or any other type with this property. It exists for the compiler only.
 */
export interface ContractRoute {
  readonly '~contract'?: undefined | {
    /**
     * Messages to the server: by type, the `data`, and the `reply` or the items of the `stream`.
     */
    readonly in: object
    /** Events for the client: by type, the `data`, and the `reply` that the server expects. */
    readonly out: object
  }
}

/** A route without known types: every type of message is allowed, and all data is `unknown`. */
export interface UnknownRoute {
  readonly '~contract'?: undefined | {
    readonly in: Readonly<
      Record<string, { readonly data: unknown, readonly reply: unknown, readonly stream: unknown }>
    >
    readonly out: Readonly<Record<string, { readonly data: unknown, readonly reply: unknown }>>
  }
}

type In<Route extends ContractRoute> = NonNullable<Route['~contract']>['in']
type Out<Route extends ContractRoute> = NonNullable<Route['~contract']>['out']
type Member<Messages, Type, Name> = Type extends keyof Messages
  ? Name extends keyof Messages[Type] ? Messages[Type][Name] : undefined
  : never
// `Without`: messages that lack the member, or where `unknown` may stand for none. `With`: messages
// that have it.
type Without<Messages, Name> = {
  [Type in keyof Messages & string as
  undefined extends Member<Messages, Type, Name> ? Type : never]: 0
}
type With<Messages, Name> = {
  [Type in keyof Messages & string as
  [Member<Messages, Type, Name>] extends [undefined] ? never : Type]: 0
}
// Makes error messages of the compiler list the names, and not the type that computes them.
type NamesOf<Messages> = keyof Messages & string extends infer Name extends string ? Name : never

/** The types of the messages that a client of the route can send. */
export type MessageType<Route extends ContractRoute> = keyof In<Route> & string
/** The types of the messages that are answered once, with a reply or a confirmation. */
export type RequestType<Route extends ContractRoute> = NamesOf<Without<In<Route>, 'stream'>>
/** The types of the messages that are answered with a stream. */
export type StreamType<Route extends ContractRoute> = NamesOf<With<In<Route>, 'stream'>>
/** The types of the events that a client of the route gets. */
export type EventType<Route extends ContractRoute> = NamesOf<Out<Route>>
/** The types of the events for which the server wants no reply. */
export type NoticeType<Route extends ContractRoute> = NamesOf<Without<Out<Route>, 'reply'>>

/** The data of a message to the server. */
export type MessageData<Route extends ContractRoute, Type> = Member<In<Route>, Type, 'data'>
/** The reply to a message; `void` if the contract has none. */
export type ReplyData<Route extends ContractRoute, Type> =
  Member<In<Route>, Type, 'reply'> extends infer Reply
    ? [Reply] extends [undefined] ? void : Reply
    : never
/** An item of the stream that answers a message. */
export type StreamItem<Route extends ContractRoute, Type> = Member<In<Route>, Type, 'stream'>
/** The data of an event. */
export type EventData<Route extends ContractRoute, Type> = Member<Out<Route>, Type, 'data'>
/**
 * The return type of an event handler: the reply, or a promise of it. Without a reply in the
 * contract the return value is ignored.
 */
export type EventReply<Route extends ContractRoute, Type> =
  Member<Out<Route>, Type, 'reply'> extends infer Reply
    ? [Reply] extends [undefined] ? unknown : Reply | Promise<Reply>
    : never

/** The data as arguments; none if the contract has no data. */
export type DataArguments<Data> =
  [Data] extends [undefined] ? [] : undefined extends Data ? [data?: Data] : [data: Data]
/**
 * The data and the options of a call as arguments; `undefined` stands in for the data of a message
 * that has none.
 */
export type CallArguments<Data, Options> = undefined extends Data
  ? [data?: Data, options?: Options]
  : [data: Data, options?: Options]
