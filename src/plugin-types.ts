import type {
  FastifyBaseLogger, FastifyInstance, FastifySchema, FastifyTypeProvider, RawReplyDefaultExpression,
  RawRequestDefaultExpression, RawServerBase, RouteGenericInterface
} from 'fastify'
import type { WsConnection } from './connection/connection.js'
import type { UserOfRequest } from './connection/identity.js'
import type { ClientContract, ContractController, ContractSchema, Shown, WithEvents } from './contract/contract.js'
import type { SocketController, SocketControllerClass } from './controller/controller.js'
import type { HealthReply, SocketHealth } from './operate/health.js'
import type { SocketControllerOptions } from './route/decorator.js'
import type { Grant } from './auth/grant.js'
import type { SocketRouteOptions, SocketScopeOptions } from './options/options.js'
import type { ParamsOfPath } from './upgrade/path.js'
import type { FastPath } from './options/plugin-settings.js'
import type { Revocation } from './auth/revocation.js'
import type { SocketRouteHandle } from './route/route.js'

/** How the plugin runs in an app. */
export interface SocketInfo {
  /** Which parts of the fast path are on: as the option `fastPath` says, where the installed `ws` and the other options let them be. */
  readonly fastPath: FastPath
}

/** What an app can say about a socket route, as with Fastify's own `RouteGenericInterface`; `User`, `Data` and `Contract` are added. */
export interface SocketRouteGeneric extends RouteGenericInterface {
  User?: unknown
  Data?: unknown
  /** The contract of the controller, `typeof schema`: where one thing is said by hand, nothing is inferred. */
  Contract?: ContractSchema
}

// One part of the upgrade request: what the generics say of it, or its schema by the type provider, or else the default. Asked for in
// this order: a provider that is given a schema which is not inferred yet works out all that there could be.
type PartOf<Generic, Name extends string, Provider extends FastifyTypeProvider, Schema, Default> = Generic extends { readonly [Key in Name]: infer Given }
  ? Given
  : unknown extends Schema ? Default : Known<(Provider & { schema: Schema })['validator'], Default>
type Known<Type, Default> = unknown extends Type ? Default : Type
type Lowered<Headers> = { [Name in keyof Headers as Name extends string ? Lowercase<Name> : Name]: Headers[Name] }

type TypesOf<Generic, Path extends string, Schema extends FastifySchema, User, Data, RawRequest extends { headers: unknown }, Provider extends FastifyTypeProvider> = {
  Params: PartOf<Generic, 'Params', Provider, Schema['params'], ParamsOfPath<Path>>
  Querystring: PartOf<Generic, 'Querystring', Provider, Schema['querystring'], Record<string, string | string[]>>
  Headers: RawRequest['headers'] & Lowered<PartOf<Generic, 'Headers', Provider, Schema['headers'], unknown>>
  User: Generic extends { User: infer Given } ? Given : User
  Data: Data
}

/** The connections of one route: its types come from the generics, the schema, the contract, or the path, whichever says more. */
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
  : WsConnection<WithEvents<TypesOf<Generic, Path, Schema, User, Data, RawRequest, Provider>, Provider, Contract>>

// Nothing is inferred from what a callback says of its connection: to look for it there, the compiler would work out all that the schemas
// of a type provider could be, which takes it a million steps. As NoInfer, but for the name, which would stand in its messages.
type Uninferred<Type, Path> = { type: Type }[Path extends string ? 'type' : never]

type DataFor<Generic> = Generic extends { Data: infer Given } ? Given : Record<string, unknown>
type ContractFor<Generic> = Generic extends { Contract: infer Given extends ContractSchema } ? Given : never
// Whom a predicate is asked about.
type UserOf<Generic> = Generic extends { User: infer Given } ? Given : UserOfRequest

// Nothing is assignable to it.
interface Nothing { readonly nothing: never }

// The third argument. Options is all of it, where no function in it waits for types; Names are the names in it, in any case: none of a
// predicate, and `''` where there is no third argument. A type by itself for each kind, so that the compiler tells the right mistake.
type ThirdArgument<Options, Names extends PropertyKey, Schema extends FastifySchema, User, Data> =
  [Options] extends [Nothing] ? Options
    : [Nothing] extends [Names] ? { readonly [Name in Names]?: unknown }
        : IsBag<Options, Names> extends true ? SocketRouteOptions<Schema, User, Data> : Grant<User> | SocketRouteOptions<Schema, User, Data>

type Function = (...given: never) => unknown
type IsBag<Options, Names> = [Options] extends [undefined]
  ? [Names] extends [''] ? false : true
  : Options extends string | number | readonly unknown[] | Function ? false : true

// A guarded route always has a user.
type UserFor<Options, Names extends PropertyKey> = [Options] extends [undefined]
  ? [Names] extends [never] ? UserOfRequest : 'isGranted' extends Names ? UserOfRequest : UserOfRequest | null
  : Options extends { readonly isGranted: unknown } | string | readonly string[] | Function ? UserOfRequest : UserOfRequest | null

// What goes with a contract alone. The texts are what the compiler tells: there is no contract here, unless it is in generics that are given.
interface WithoutContract {
  readonly schema?: undefined | 'where generics are given, the contract is one of them: `Contract: typeof schema`'
  readonly on?: undefined | 'a controller with `on` needs a contract beside it: `schema: { in, out }`'
}

type ControllerOf<Connection, Provider extends FastifyTypeProvider, Contract extends ContractSchema> = [Contract] extends [never]
  ? (SocketController<Connection> & WithoutContract) | SocketControllerClass<never>
  : ContractController<Connection, Provider, Contract> | (new (fastify: FastifyInstance) => ContractController<Connection, Provider, Contract>)

type ClientContractOf<Provider extends FastifyTypeProvider, Contract extends ContractSchema> = [Contract] extends [never] ? 'none' : ClientContract<Provider, Contract>

// One of a class that was made with `baseController`.
interface TypedControllerOf<Connection, Contract> {
  readonly schema: ContractSchema
  readonly on: unknown
  readonly '~connection'?: undefined | Connection
  readonly '~contract'?: undefined | Contract
}

// The handle of an instance.
type HandleOf<Controller> = Controller extends TypedControllerOf<infer Connection, infer Contract>
  ? SocketRouteHandle<Connection, Contract>
  : Controller extends SocketController<infer Connection> ? SocketRouteHandle<unknown extends Connection ? WsConnection : Connection> : never

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
     * @param path as in any route of Fastify; it matches with and without a slash at its end.
     * @param controller an object, an instance, or a class (constructed once, with this Fastify instance). With `schema` and `on` it has a
     * contract: messages are validated, go to the handler of their `type`, and are typed.
     * @param isGranted who may come in: a role, a list of roles (any of them), a predicate; or an object of all options.
     * @throws a coded error for any of them that is not right: see `docs/errors.md`.
     */
    socketRoute<
      Generic extends SocketRouteGeneric = SocketRouteGeneric,
      const Path extends string = string,
      const Contract extends ContractSchema = ContractFor<Generic>,
      const Schema extends FastifySchema = FastifySchema,
      Data = DataFor<Generic>,
      Options = undefined,
      Names extends PropertyKey = ''
    > (
      path: Path,
      controller: ControllerOf<Uninferred<ConnectionOf<Generic, Path, Schema, UserFor<Options, Names>, Data, Contract, RawRequest, TypeProvider>, Path>, TypeProvider, Contract>,
      isGranted?: ThirdArgument<Options, Names, Schema, UserOf<Generic>, Data>
    ): SocketRouteHandle<ConnectionOf<Generic, Path, Schema, UserFor<Options, Names>, Data, Contract, RawRequest, TypeProvider>, ClientContractOf<TypeProvider, Contract>>

    /**
     * Registers a class that is decorated with `@SocketRoute` in this scope, or an instance of one. A subclass that is not decorated itself
     * has the route, and the guard, of the class that it extends.
     *
     * @param options how an instance of the class is made, `{ create }`.
     * @throws `FSR_ERR_CONTROLLER_UNDECORATED`, and as `socketRoute`.
     */
    socketController<Connection, Contract> (controller: TypedControllerOf<Connection, Contract> | (new (fastify: FastifyInstance) => TypedControllerOf<Connection, Contract>)): SocketRouteHandle<Connection, Contract>
    socketController<Connection = WsConnection> (controller: SocketController<Connection> | SocketControllerClass<Connection>): SocketRouteHandle<Connection>
    socketController<Class extends abstract new (...given: never) => TypedControllerOf<unknown, unknown>> (controller: Class, options: SocketControllerOptions<Class>): HandleOf<InstanceType<Class>>
    socketController<Class extends abstract new (...given: never) => SocketController<never>> (controller: Class, options: SocketControllerOptions<Class>): HandleOf<InstanceType<Class>>

    /**
     * Sets options for the socket routes of this scope and of those in it. `isGranted` is demanded in addition to what outer
     * scopes and routes demand. Call it before the first socket route of the scope.
     *
     * @throws `FSR_ERR_SCOPE_TOO_LATE`, `FSR_ERR_OPTION_INVALID`, `FSR_ERR_GRANT_INVALID`, `FSR_ERR_ROLE_CYCLE`.
     */
    socketScope (options: SocketScopeOptions): this

    /**
     * Revokes the tokens of a user: its connections on this process are closed with 4403, and its tokens are refused.
     *
     * @returns how many connections were closed.
     * @throws `FSR_ERR_OPTION_INVALID`, and what the store `revocations` throws, after the connections were closed.
     */
    socketRevoke (revocation: Revocation): Promise<number>

    /**
     * Issues a ticket for whoever has sent a request to REST: the user that a hook has put there, or the one of the token in its header
     * or cookie. With it the user can connect once, to this route, from the same page, within `tickets.ttl`.
     *
     * @param request of whatever generics.
     * @param options the name of the route.
     * @throws `FSR_ERR_TOKEN_MISSING`, `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED` (401), `FSR_ERR_STORE_FAILED` (503),
     * `FSR_ERR_OPTION_INVALID`.
     */
    socketTicket (request: Pick<FastifyRequest, 'headers'>, options: { readonly route: string }): Promise<string>

    /** The socket routes of the whole app by name, in the order of registration. */
    readonly socketRoutes: ReadonlyMap<string, SocketRouteHandle>

    /**
     * A handler for a health route, mounted wherever the app wants it: `app.get('/health', app.socketHealth)`. It answers 200 with
     * `{ status: 'ready', connections }`, and from the moment the app begins to close 503 with `Retry-After` and `status: 'closing'`.
     * Unless `return503OnClosing` of Fastify is `false`, Fastify answers that 503 itself, without these.
     */
    readonly socketHealth: (request: unknown, reply: HealthReply) => Promise<SocketHealth>

    /** How the plugin runs in this app. */
    readonly socketInfo: SocketInfo

    /** A table of the socket routes: path, name, who may come in, limits. */
    printSocketRoutes (): string
  }
}
