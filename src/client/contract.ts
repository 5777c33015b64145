/**
 * What `connect` takes its types from: the handle that `socketRoute` returns for a route with a contract, or any other type with this
 * property. It exists for the compiler only.
 */
export interface ContractRoute {
  readonly '~contract'?: undefined | {
    /** What a client sends: by type, its `data`, and the `reply` or the items of the `stream` that it gets. */
    readonly in: object
    /** What a client gets: by type, its `data`, and the `reply` that the server wants. */
    readonly out: object
  }
}

/** A route of which nothing is known at compile time: every type of message, and everything `unknown`. */
export interface UnknownRoute {
  readonly '~contract'?: undefined | {
    readonly in: Readonly<Record<string, { readonly data: unknown, readonly reply: unknown, readonly stream: unknown }>>
    readonly out: Readonly<Record<string, { readonly data: unknown, readonly reply: unknown }>>
  }
}

type In<Route extends ContractRoute> = NonNullable<Route['~contract']>['in']
type Out<Route extends ContractRoute> = NonNullable<Route['~contract']>['out']
type Member<Messages, Type, Name> = Type extends keyof Messages ? Name extends keyof Messages[Type] ? Messages[Type][Name] : undefined : never
// The messages that have no such member, where `unknown` may be none; and those that have one.
type Without<Messages, Name> = { [Type in keyof Messages & string as undefined extends Member<Messages, Type, Name> ? Type : never]: 0 }
type With<Messages, Name> = { [Type in keyof Messages & string as [Member<Messages, Type, Name>] extends [undefined] ? never : Type]: 0 }
// A compiler that says what a name may be says the names, and not how they are found.
type NamesOf<Messages> = keyof Messages & string extends infer Name extends string ? Name : never

/** The types of the messages that a client of the route can send. */
export type MessageType<Route extends ContractRoute> = keyof In<Route> & string
/** The types of those that are answered once, be it only that they were handled. */
export type RequestType<Route extends ContractRoute> = NamesOf<Without<In<Route>, 'stream'>>
/** The types of those that are answered with a stream. */
export type StreamType<Route extends ContractRoute> = NamesOf<With<In<Route>, 'stream'>>
/** The types of the events that a client of the route gets. */
export type EventType<Route extends ContractRoute> = NamesOf<Out<Route>>
/** The types of the events for which the server wants no reply. */
export type NoticeType<Route extends ContractRoute> = NamesOf<Without<Out<Route>, 'reply'>>

/** The data of a message to the server. */
export type MessageData<Route extends ContractRoute, Type> = Member<In<Route>, Type, 'data'>
/** What a message to the server is answered with; nothing if the contract has no reply. */
export type ReplyData<Route extends ContractRoute, Type> = Member<In<Route>, Type, 'reply'> extends infer Reply
  ? [Reply] extends [undefined] ? void : Reply
  : never
/** An item of the stream that a message to the server is answered with. */
export type StreamItem<Route extends ContractRoute, Type> = Member<In<Route>, Type, 'stream'>
/** The data of an event. */
export type EventData<Route extends ContractRoute, Type> = Member<Out<Route>, Type, 'data'>
/** What a handler of an event returns: the reply, or a promise of it. Where the server wants none, whatever it returns is ignored. */
export type EventReply<Route extends ContractRoute, Type> = Member<Out<Route>, Type, 'reply'> extends infer Reply
  ? [Reply] extends [undefined] ? unknown : Reply | Promise<Reply>
  : never

/** The data as arguments: none if the contract has none. */
export type DataArguments<Data> = [Data] extends [undefined] ? [] : undefined extends Data ? [data?: Data] : [data: Data]
/** The data and the options of a call as arguments; `undefined` stands for the data that a message has not. */
export type CallArguments<Data, Options> = undefined extends Data ? [data?: Data, options?: Options] : [data: Data, options?: Options]
