import type {
  FastifyBaseLogger, FastifyInstance, FastifySchema, FastifyTypeProvider, RawReplyDefaultExpression,
  RawRequestDefaultExpression, RawServerBase, RouteGenericInterface
} from 'fastify'
import type {
  ConnectionTypes,
  DefaultTypes,
  IsSame,
  WsConnection
} from './connection/connection.js'
import type { UserOfRequest } from './connection/identity.js'
import type { OutboxOptions } from './connection/outbox.js'
import type {
  ClientContract,
  ContractController,
  ContractSchema,
  Shown,
  WithEvents
} from './contract/contract.js'
import type { SocketController, SocketControllerClass } from './controller/controller.js'
import type { HealthReply, SocketHealth } from './operate/health.js'
import type { SocketControllerOptions } from './route/decorator.js'
import type { Grant } from './auth/grant.js'
import type { SocketRouteOptions, SocketScopeOptions } from './options/options.js'
import type { ParamsOfPath } from './upgrade/path.js'
import type { FastPath } from './options/plugin-settings.js'
import type { Revocation } from './auth/revocation.js'
import type { SocketRouteHandle } from './route/route-handle.js'

/** How the plugin runs in an app. */
export interface SocketInfo {
  /**
   * Which parts of the fast path are on: those that the option `fastPath` asks for and that the
   * installed `ws` and the other options support.
   */
  readonly fastPath: FastPath
}

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

// Prevents inference from the connection parameter of a callback: for it the compiler would compute
// everything that the schemas of a type provider could be, in a million steps. Like NoInfer, but
// without its name in the compiler's messages.
type Uninferred<Type, Path> = { type: Type }[Path extends string ? 'type' : never]

type DataFor<Generic> = Generic extends { Data: infer Given } ? Given : Record<string, unknown>
type ContractFor<Generic> =
  Generic extends { Contract: infer Given extends ContractSchema } ? Given : never
// The user that a predicate receives.
type UserOf<Generic> = Generic extends { User: infer Given } ? Given : UserOfRequest

// The types that the third argument is typed by. They do not depend on its own types, so that the
// parameters of its functions have their types while those are inferred.
type OptionTypes<
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

// The third argument. `Options` is its whole type, if it has no function that needs contextual
// types. `Names` are its keys in any case: none for a predicate, `''` without a third argument.
// Each kind has a separate type, so that the compiler reports the actual mistake.
type ThirdArgument<
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
type IsBag<Options, Names> = [Options] extends [undefined]
  ? [Names] extends [''] ? false : true
  : Options extends string | number | readonly unknown[] | Function ? false : true

// A guarded route always has a user.
type UserFor<Options, Names extends PropertyKey> = [Options] extends [undefined]
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

type ControllerOf<
  Connection,
  Provider extends FastifyTypeProvider,
  Contract extends ContractSchema
> = [Contract] extends [never]
  ? PlainController<Connection> | SocketControllerClass<never>
  :
    | ContractController<Connection, Provider, Contract>
    | (new (fastify: FastifyInstance) => ContractController<Connection, Provider, Contract>)

type ClientContractOf<Provider extends FastifyTypeProvider, Contract extends ContractSchema> =
  [Contract] extends [never] ? 'none' : ClientContract<Provider, Contract>

// A controller of a class that extends the result of `baseController`.
interface TypedControllerOf<Connection, Contract> {
  readonly schema: ContractSchema
  readonly on: unknown
  readonly '~connection'?: undefined | Connection
  readonly '~contract'?: undefined | Contract
}

// The handle of the route of a controller instance.
type HandleOf<Controller> = Controller extends TypedControllerOf<infer Connection, infer Contract>
  ? SocketRouteHandle<Connection, Contract>
  : Controller extends SocketController<infer Connection>
    ? SocketRouteHandle<unknown extends Connection ? WsConnection : Connection>
    : never

declare module 'fastify' {
  interface FastifyInstance<
    RawServer extends RawServerBase,
    RawRequest extends RawRequestDefaultExpression<RawServer>,
    RawReply extends RawReplyDefaultExpression<RawServer>,
    Logger extends FastifyBaseLogger,
    TypeProvider extends FastifyTypeProvider
  > {
    /**
     * Registers a socket route in this scope.
     *
     * @param path as in any route of Fastify; it matches with and without a trailing slash.
     * @param controller an object, an instance, or a class (constructed once, with this Fastify
     * instance). With `schema` and `on` it has a contract: messages are validated, typed, and
     * passed to the handler of their `type`.
     * @param isGranted a role, a list of roles (any of them) or a predicate; or an object with all
     * options.
     * @throws a coded error for an invalid argument: see `docs/errors.md`.
     */
    socketRoute<
      Generic extends SocketRouteGeneric = SocketRouteGeneric,
      const Path extends string = string,
      const Contract extends ContractSchema = ContractFor<Generic>,
      const Schema extends FastifySchema = FastifySchema,
      Data = DataFor<Generic>,
      Options = undefined,
      Names extends PropertyKey = '',
      Connection = ConnectionOf<
        Generic, Path, Schema, UserFor<Options, Names>, Data, Contract, RawRequest, TypeProvider
      >
    > (
      path: Path,
      controller: ControllerOf<Uninferred<Connection, Path>, TypeProvider, Contract>,
      isGranted?: ThirdArgument<
        Options,
        Names,
        Schema,
        UserOf<Generic>,
        Data,
        Uninferred<OptionTypes<Generic, Path, Schema, Contract, RawRequest, TypeProvider>, Path>
      >
    ): SocketRouteHandle<Connection, ClientContractOf<TypeProvider, Contract>>

    /**
     * Registers a class that is decorated with `@SocketRoute`, or an instance of one, in this
     * scope. A subclass without a decorator of its own has the route, and the guard, of the class
     * that it extends.
     *
     * @param options how the class is instantiated, `{ create }`.
     * @throws `FSR_ERR_CONTROLLER_UNDECORATED`, and as `socketRoute`.
     */
    socketController<Connection, Contract> (
      controller:
        | TypedControllerOf<Connection, Contract>
        | (new (fastify: FastifyInstance) => TypedControllerOf<Connection, Contract>)
    ): SocketRouteHandle<Connection, Contract>
    socketController<Connection = WsConnection> (
      controller: SocketController<Connection> | SocketControllerClass<Connection>
    ): SocketRouteHandle<Connection>
    socketController<
      Class extends abstract new (...given: never) => TypedControllerOf<unknown, unknown>
    > (
      controller: Class,
      options: SocketControllerOptions<Class>
    ): HandleOf<InstanceType<Class>>
    socketController<Class extends abstract new (...given: never) => SocketController<never>> (
      controller: Class,
      options: SocketControllerOptions<Class>
    ): HandleOf<InstanceType<Class>>

    /**
     * Sets options for the socket routes of this scope and of the scopes in it. The grant of each
     * outer scope and of each route applies as well. Call it before the first socket route of the
     * scope.
     *
     * @throws `FSR_ERR_SCOPE_TOO_LATE`, `FSR_ERR_OPTION_INVALID`, `FSR_ERR_GRANT_INVALID`,
     * `FSR_ERR_ROLE_CYCLE`.
     */
    socketScope (options: SocketScopeOptions): this

    /**
     * Revokes the tokens of a user: the user's connections to this process are closed with 4403,
     * and the tokens are rejected from now on.
     *
     * @returns the number of closed connections.
     * @throws `FSR_ERR_OPTION_INVALID`; also, once the connections are closed, the error of the
     * store `revocations`.
     */
    socketRevoke (revocation: Revocation): Promise<number>

    /**
     * Issues a ticket for the user of a REST request: the user that a hook has set on the request,
     * or that of the token in its header or cookie. The ticket lets the user connect once, to the
     * named route, from the same page, within `tickets.ttl`.
     *
     * @param request a request with any generics.
     * @param options the name of the route.
     * @throws `FSR_ERR_TOKEN_MISSING`, `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED` (401),
     * `FSR_ERR_STORE_FAILED` (503), `FSR_ERR_OPTION_INVALID`.
     */
    socketTicket (
      request: Pick<FastifyRequest, 'headers'>,
      options: { readonly route: string }
    ): Promise<string>

    /** The socket routes of the whole app by name, in the order of registration. */
    readonly socketRoutes: ReadonlyMap<string, SocketRouteHandle>

    /**
     * A handler for a health route: `app.get('/health', app.socketHealth)`. It sends 200 with `{
     * status: 'ready', connections }` or, once the app is closing, 503 with `Retry-After` and
     * `status: 'closing'`. Unless `return503OnClosing` of Fastify is `false`, Fastify itself sends
     * a plain 503 while it closes.
     */
    readonly socketHealth: (request: unknown, reply: HealthReply) => Promise<SocketHealth>

    /** How the plugin runs in this app. */
    readonly socketInfo: SocketInfo

    /** Returns a table of the socket routes: path, name, grants, limits. */
    printSocketRoutes (): string
  }
}
