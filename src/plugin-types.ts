// Names that another module augments would resolve to that augmentation alone: they are renamed.
import type {
  FastifyBaseLogger, FastifyRequest as Request, FastifySchema as AnySchema, FastifyTypeProvider,
  RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerBase
} from 'fastify'
import type { Revocation } from './auth/revocation-store.js'
import type { WsConnection } from './connection/connection.js'
import type { ContractSchema } from './contract/contract.js'
import type { SocketController, SocketControllerClass } from './controller/controller.js'
import type { HealthReply, SocketHealth } from './operate/health.js'
import type { SocketScopeOptions } from './options/options.js'
import type { FastPath } from './options/plugin-settings.js'
import type { SocketControllerOptions } from './route/class-decorator.js'
import type { SocketRouteHandle, SocketRoutes } from './route/route-handle.js'
import type {
  ClientContractOf,
  ConnectionOf,
  ContractFor,
  ControllerOf,
  DataFor,
  HandleOf,
  OptionTypes,
  SocketRouteGeneric,
  ThirdArgument,
  TypedControllerOf,
  Uninferred,
  UserFor,
  UserOf
} from './route/route-types.js'

/** How the plugin runs in an app. */
export interface SocketInfo {
  /**
   * Which parts of the fast path are on: those that the option `fastPath` asks for and that the
   * installed `ws` and the other options support.
   */
  readonly fastPath: FastPath
}

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
      const Schema extends AnySchema = AnySchema,
      Data = DataFor<Generic>,
      Options = false,
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
      request: Pick<Request, 'headers'>,
      options: { readonly route: string }
    ): Promise<string>

    /**
     * The socket routes of the whole app by name, in the order of registration.
     * `socketRoutes.get<typeof chat>('chat')` has the type of the route.
     */
    readonly socketRoutes: SocketRoutes

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
