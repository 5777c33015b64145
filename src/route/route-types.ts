import type {
  FastifyInstance, FastifySchema, FastifyTypeProvider, RouteGenericInterface
} from 'fastify'
import type { Grant } from '../auth/grant.js'
import type {
  ConnectionTypes,
  DefaultTypes,
  IsSame,
  WsConnection
} from '../connection/connection.js'
import type { UserOfRequest } from '../connection/identity.js'
import type { OutboxOptions } from '../connection/outbox.js'
import type {
  ClientContract,
  ContractController,
  ContractSchema,
  Shown,
  WithEvents
} from '../contract/contract.js'
import type { SocketController, SocketControllerClass } from '../controller/controller.js'
import type { SocketRouteOptions } from '../options/options.js'
import type { ParamsOfPath } from '../upgrade/path-template.js'
import type { SocketRouteHandle } from './route-handle.js'

/**
 * The generics of a socket route: those of Fastify's own `RouteGenericInterface`, and `User`,
 * `Data` and `Contract`.
 */
export interface SocketRouteGeneric extends RouteGenericInterface {
  User?: unknown
  Data?: unknown
  /**
   * The contract of the controller, `typeof schema`. If other generics are given it must be given
   * too, as nothing is inferred then.
   */
  Contract?: ContractSchema
}

// The type of one part of the upgrade request: the generic, or the schema by the type provider, or
// the default. The order matters: given a schema that is not inferred yet, a type provider computes
// the union of everything that a schema could be.
type PartOf<Generic, Name extends string, Provider extends FastifyTypeProvider, Schema, Default> =
  Generic extends { readonly [Key in Name]: infer Given }
    ? Given
    : unknown extends Schema
      ? Default
      : Known<(Provider & { schema: Schema })['validator'], Default>
type Known<Type, Default> = unknown extends Type ? Default : Type
// Header names are in lower case, as Node has them.
type HeadersOf<Raw, Given> = [keyof Given] extends [never] ? Raw : Raw & Lowered<Given>
type Lowered<Headers> = Headers extends infer Given
  ? { [Name in keyof Given as Name extends string ? Lowercase<Name> : Name]: Given[Name] }
  : never

// Without the members that a connection has by default, so that editors and the compiler show only
// what a route adds.
type TypesOf<
  Generic,
  Path extends string,
  Schema extends FastifySchema,
  User,
  Data,
  RawRequest extends { headers: unknown },
  Provider extends FastifyTypeProvider
> = Omit<{
  Params: PartOf<Generic, 'Params', Provider, Schema['params'], ParamsOfPath<Path>>
  Querystring: PartOf<
    Generic,
    'Querystring',
    Provider,
    Schema['querystring'],
    DefaultTypes['Querystring']
  >
  Headers: HeadersOf<
    RawRequest['headers'],
    PartOf<Generic, 'Headers', Provider, Schema['headers'], unknown>
  >
  User: Generic extends { User: infer Given } ? Given : User
  Data: Data
},
  | DefaultPart<'Params', Generic, Schema['params'], ParamsOfPath<Path>>
  | DefaultPart<'Querystring', Generic, Schema['querystring'], DefaultTypes['Querystring']>
  | DefaultPart<'Headers', Generic, Schema['headers'], RawRequest['headers']>
  | DefaultPart<'User', Generic, unknown, User>
  | DefaultPart<'Data', unknown, unknown, Data>
>

// The name of a part, if it has its default type: neither a generic nor a schema gives another.
// The type that a schema gives is not looked at, for the reason at `PartOf`.
type DefaultPart<Name extends keyof DefaultTypes, Generic, Schema, Type> =
  Generic extends { readonly [Key in Name]: unknown }
    ? never
    : unknown extends Schema
      ? IsSame<Type, DefaultTypes[Name]> extends true ? Name : never
      : never

/**
 * The connections of one route. Their types are inferred from the generics, the schema, the
 * contract and the path.
 */
export type ConnectionOf<
  Generic extends SocketRouteGeneric,
  Path extends string,
  Schema extends FastifySchema,
  User,
  Data,
  Contract extends ContractSchema,
  RawRequest extends { headers: unknown },
  Provider extends FastifyTypeProvider
> = [Contract] extends [never]
  ? WsConnection<Shown<TypesOf<Generic, Path, Schema, User, Data, RawRequest, Provider>>>
  : WsConnection<WithEvents<
      TypesOf<Generic, Path, Schema, User, Data, RawRequest, Provider>,
      Provider,
      Contract
    >>

/**
 * Prevents inference from the connection parameter of a callback: for it the compiler would compute
 * everything that the schemas of a type provider could be, in a million steps. Like NoInfer, but
 * without its name in the compiler's messages.
 */
export type Uninferred<Type, Path> = { type: Type }[Path extends string ? 'type' : never]

/** The type of `connection.data` by the generics of a route. */
export type DataFor<Generic> =
  Generic extends { Data: infer Given } ? Given : Record<string, unknown>
/** The contract by the generics of a route. */
export type ContractFor<Generic> =
  Generic extends { Contract: infer Given extends ContractSchema } ? Given : never
/** The user that a predicate receives. */
export type UserOf<Generic> = Generic extends { User: infer Given } ? Given : UserOfRequest

/**
 * The types that the third argument is typed by. They do not depend on its own types, so that the
 * parameters of its functions have their types while those are inferred.
 */
export type OptionTypes<
  Generic extends SocketRouteGeneric,
  Path extends string,
  Schema extends FastifySchema,
  Contract extends ContractSchema,
  RawRequest extends { headers: unknown },
  Provider extends FastifyTypeProvider
> = TypesOf<
  Generic,
  Path,
  Schema,
  DefaultTypes['User'],
  DefaultTypes['Data'],
  RawRequest,
  Provider
> extends infer Types
  ? [Contract] extends [never] ? Shown<Types> : WithEvents<Types, Provider, Contract>
  : never

// No value is assignable to it.
interface Nothing { readonly nothing: never }

/**
 * The third argument. `Options` is its whole type, if it has no function that needs contextual
 * types; otherwise `false`: `undefined` is assignable to every type without `strict`. `Names` are
 * its keys in any case: none for a predicate, `''` without a third argument. Each kind has a
 * separate type, so that the compiler reports the actual mistake.
 */
export type ThirdArgument<
  Options,
  Names extends PropertyKey,
  Schema extends FastifySchema,
  User,
  Data,
  Types
> = [Options] extends [Nothing] ? Options
  : [Nothing] extends [Names] ? { readonly [Name in Names]?: unknown }
      : IsBag<Options, Names> extends true
        ? SocketRouteOptions<Schema, User, Data, TypesFor<Options, Types>>
        : Grant<User> | SocketRouteOptions<Schema, User, Data, TypesFor<Options, Types>>

// Options that were declared for any route fit a route with a contract too.
type TypesFor<Options, Types> = Options extends { readonly outbox?: infer Outbox }
  ? [OutboxOptions] extends [Outbox] ? ConnectionTypes : Types
  : Types

type Function = (...given: never) => unknown
type IsBag<Options, Names> = [Options] extends [false]
  ? [Names] extends [''] ? false : true
  : Options extends string | number | readonly unknown[] | Function ? false : true

/** A guarded route always has a user. */
export type UserFor<Options, Names extends PropertyKey> = [Options] extends [false]
  ? [Names] extends [never]
      ? UserOfRequest
      : 'isGranted' extends Names ? UserOfRequest : UserOfRequest | null
  : Options extends { readonly isGranted: unknown } | string | readonly string[] | Function
    ? UserOfRequest
    : UserOfRequest | null

/**
 * A controller without a contract. Its `schema` and `on` are texts that the compiler shows if they
 * are given all the same: no contract was inferred, and the generics do not give one.
 *
 * @typeParam Connection the connections of the route.
 */
export interface PlainController<Connection = WsConnection> extends SocketController<Connection> {
  readonly schema?:
    | undefined
    | 'where generics are given, the contract is one of them: `Contract: typeof schema`'
  readonly on?:
    | undefined
    | 'a controller with `on` needs a contract beside it: `schema: { in, out }`'
}

/** The controller of a route, with a contract or without one. */
export type ControllerOf<
  Connection,
  Provider extends FastifyTypeProvider,
  Contract extends ContractSchema
> = [Contract] extends [never]
  ? PlainController<Connection> | SocketControllerClass<never>
  :
    | ContractController<Connection, Provider, Contract>
    | (new (fastify: FastifyInstance) => ContractController<Connection, Provider, Contract>)

/** The client's view of the contract of a route. */
export type ClientContractOf<
  Provider extends FastifyTypeProvider,
  Contract extends ContractSchema
> =
  [Contract] extends [never] ? 'none' : ClientContract<Provider, Contract>

/** A controller of a class that extends the result of `baseController`. */
export interface TypedControllerOf<Connection, Contract> {
  readonly schema: ContractSchema
  readonly on: unknown
  readonly '~connection'?: undefined | Connection
  readonly '~contract'?: undefined | Contract
}

/** The handle of the route of a controller instance. */
export type HandleOf<Controller> =
  Controller extends TypedControllerOf<infer Connection, infer Contract>
    ? SocketRouteHandle<Connection, Contract>
    : Controller extends SocketController<infer Connection>
      ? SocketRouteHandle<unknown extends Connection ? WsConnection : Connection>
      : never
