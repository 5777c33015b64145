import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  HookHandlerDoneFunction,
  RouteGenericInterface,
  RouteShorthandOptions
} from 'fastify'
import type { WebsocketPluginOptions } from '@fastify/websocket'
import type { ConnectionTypes, IsSame, MessageOf } from '../connection/connection.js'
import type { HeartbeatOptions } from '../connection/heartbeat.js'
import type { UserOfRequest } from '../connection/identity.js'
import type { OutboxOptions } from '../connection/outbox.js'
import type { RateOptions } from '../connection/rate.js'
import type { RefusalOptions } from '../connection/invalid-message-limit.js'
import type { AsJson } from '../contract/as-json.js'
import type { Shown } from '../contract/contract.js'
import type { PreMessageHook, PreSendHook } from '../controller/message-hooks.js'
import type { ConnectionCaps } from '../upgrade/connection-limits.js'
import type { Sendable } from '../message/outbound.js'
import type { Grant, RoleHierarchy } from '../auth/grant.js'
import type { JwtName } from '../host/fastify-jwt-internals.js'
import type { LeftUpgrades } from '../upgrade/left-upgrades.js'
import type { Origins } from '../auth/origin.js'
import type { RevocationStore } from '../auth/revocation-store.js'
import type { Subject } from '../auth/subject.js'
import type { TicketStore } from '../auth/ticket.js'
import type { TokenSource } from '../auth/token-source.js'

// The messages that `notice` may return: on a route with a contract its messages, as they are on
// the wire, since the return value is sent unchanged.
type NoticeOf<Types> = Types extends { Events: unknown }
  ? MessageOf<Types> extends infer Message
    ? Message extends { readonly type: infer Type, readonly data: infer Data }
      ? undefined extends Data
        ? { readonly type: Type, readonly data?: AsJson<Data> }
        : { readonly type: Type, readonly data: AsJson<Data> }
      : never
    : never
  : Sendable

/**
 * The options that the plugin, scopes and routes share. The innermost value applies.
 *
 * @typeParam Types the types of the connections.
 */
export interface SharedOptions<Types = ConnectionTypes> {
  /**
   * Where the roles of a user are: the name of a claim, which has an array of strings or a
   * space-separated string (RFC 8693 section 4.2), or a function that returns an array for a user,
   * or a promise of one. If the function fails, the user is rejected.
   *
   * @default 'roles'
   */
  // A method's parameter is bivariant: a function may take a narrower user than is declared.
  readonly roles?:
    | undefined
    | string
    | { rolesOf (user: UserOfRequest): readonly string[] | Promise<readonly string[]> }['rolesOf']
  /**
   * The roles that each role includes, transitively.
   *
   * @default {}
   */
  readonly roleHierarchy?: undefined | RoleHierarchy
  /**
   * The sources of the token of a guarded route; the first that has a token is used.
   *
   * - `header`: `Authorization: Bearer` (RFC 6750 section 2.1).
   * - `protocol`: the sub-protocol list `bearer, <token>`, for browsers.
   * - `cookie`: the cookie that `@fastify/jwt` is configured for.
   * - `query`: the parameter `access_token` (RFC 6750 section 2.3).
   * - `ticket`: the parameter `ticket`, issued by `fastify.socketTicket`.
   * - `message`: the first message, a text, of a connection that has sent no token before.
   *
   * With `[]` the user must be set on the request by a hook of the app.
   *
   * @default ['header', 'protocol', 'cookie']
   */
  readonly tokenFrom?: undefined | readonly TokenSource[]
  /**
   * The `namespace` of the `@fastify/jwt` that verifies tokens; `{ namespace, jwtVerify }` if its
   * method on requests has a custom name.
   *
   * @default the `@fastify/jwt` without a namespace
   */
  readonly jwt?: undefined | string | JwtName
  /**
   * Identifies a user, for `connections.perUser`, `socketRevoke` and `renew()`: the name of a claim
   * (a string or an integer), or a function that returns a string made of the claims. The claims
   * are those of the token, or of the user that a hook has set without a token. If the option is
   * set, a user without a subject is rejected with 401.
   *
   * @default `sub`, together with `iss` if the token has it (RFC 7519 section 4.1.2); users without
   * `sub` are not told apart
   */
  readonly subject?: undefined | Subject
  /**
   * Whether access must expire: `exp` of the token (RFC 7519 section 4.1.4), or of the user that a
   * hook has set without a token, is then required. A connection with an `exp` is closed with 4401
   * when it expires.
   *
   * @default false
   */
  readonly requireExpiry?: undefined | boolean
  /**
   * The origins of the pages that may connect, by the `Origin` header that browsers send. Requests
   * without the header are not checked. The whole origin is compared: scheme, host and port. Behind
   * a proxy that terminates TLS, `'same-origin'` needs `trustProxy` of Fastify.
   *
   * @default 'same-origin'
   */
  readonly origins?: undefined | Origins
  /**
   * The largest message, in bytes; a larger one closes the connection with 1009. A scope or a route
   * can lower the value of the outer level, but not raise it.
   *
   * @default 65_536
   */
  readonly maxPayload?: undefined | number
  /**
   * How many messages of one connection are handled concurrently. Above 1, replies are sent in the
   * order in which they are ready.
   *
   * @default 1
   */
  readonly concurrency?: undefined | number
  /**
   * Pings, which detect dead clients and keep proxies from closing idle connections; `false` turns
   * them off. `interval` and `timeout` are in milliseconds.
   *
   * @default { interval: 25_000, timeout: 10_000 }
   */
  readonly heartbeat?: undefined | false | HeartbeatOptions
  /** Limits on concurrent connections. @default no limit */
  readonly connections?: undefined | ConnectionCaps
  /** The rate at which one client may send. @default no limit */
  readonly rate?: undefined | RateOptions
  /** How much may be buffered for a slow client. */
  readonly outbox?: undefined | OutboxOptions<MessageOf<Types>, NoticeOf<Types>>
  /**
   * How many rooms one connection can be in.
   *
   * @default 1_000
   */
  readonly roomsPerConnection?: undefined | number
  /**
   * How a message that violates the contract is handled: the client receives an error, or the
   * connection is closed, with 1007 in most cases. `onError` is called in both cases.
   *
   * @default 'answer'
   */
  readonly invalidMessages?: undefined | 'answer' | 'close'
  /**
   * How many messages in a row that violate the contract one client may send before the connection
   * is closed with 4429. A valid message restarts the count, so that a client with occasional
   * mistakes is never closed. `per` is in milliseconds; `false` means no limit.
   *
   * @default { max: 100, per: 10_000 }
   */
  readonly refusals?: undefined | false | RefusalOptions
  /**
   * How many streams of a contract one connection can receive at a time.
   *
   * @default 16
   */
  readonly streamsPerConnection?: undefined | number
  /**
   * Runs before each message is handled. The hooks of outer scopes run first; an inner scope cannot
   * remove them.
   *
   * @default none
   */
  readonly preMessage?: PreMessageHook | readonly PreMessageHook[]
  /**
   * Runs before each message is encoded, once for all its receivers; same order as `preMessage`.
   *
   * @default none
   */
  readonly preSend?: undefined | PreSendHook | readonly PreSendHook[]
  /**
   * Milliseconds that a closing connection has for running handlers, for `onClose`, and for the
   * close frame of the client. Then the connection is terminated.
   *
   * @default 5_000
   */
  readonly closeTimeout?: undefined | number
}

/** The options of `fastify.socketScope`. */
export interface SocketScopeOptions extends SharedOptions {
  /**
   * The grant of this scope: a role, a list of roles (any of them), or a predicate. The grants of
   * outer scopes and of the routes themselves apply as well.
   */
  readonly isGranted?: Grant<UserOfRequest>
}

/** The options of `fastify.register(socketRoutes, options)`. */
export interface SocketPluginOptions extends SocketScopeOptions {
  /** How connections are closed at `fastify.close()`. */
  readonly drain?: undefined | {
    /**
     * Milliseconds. After four fifths of it, connections that are still open are terminated; after
     * all of it, `fastify.close()` waits no longer. Must be less than `pluginTimeout` of Fastify.
     *
     * @default 5_000
     */
    readonly deadline?: undefined | number
    /**
     * How many connections are closed at a time, so that clients do not all reconnect at once.
     *
     * @default 1_000
     */
    readonly batch?: undefined | number
    /**
     * Milliseconds between two batches; less if there are so many batches that they would exceed
     * the deadline.
     *
     * @default 100
     */
    readonly interval?: undefined | number
  }
  /**
   * Milliseconds that an upgrade may take, from the request to the response: for hooks, the token,
   * `isGranted`. Then the socket is destroyed. A token sent as the first message has the same time
   * again; then the connection is closed with 4401.
   *
   * @default 10_000
   */
  readonly handshakeTimeout?: undefined | number
  /**
   * Upgrades that another library handles, such as Socket.IO or Vite on the same server: paths,
   * each with everything below it, or a predicate that returns `true` for a request. The plugin
   * does not read, change, time out or terminate such an upgrade. All other upgrades without a
   * route are rejected with 404.
   *
   * @default []
   */
  readonly leaveUpgrades?: undefined | LeftUpgrades
  /** The tickets of `fastify.socketTicket`. */
  readonly tickets?: undefined | {
    /**
     * How long a ticket is valid, in milliseconds from its issue to the upgrade.
     *
     * @default 30_000
     */
    readonly ttl?: undefined | number
    /** Stores the tickets. @default in the memory of this process, at most 64 MiB */
    readonly store?: undefined | TicketStore
  }
  /**
   * The most fragments of one message (RFC 6455 section 5.4); more close the connection with 1008.
   * If `maxPayload` is above 64 KiB, the default is a 512th of it.
   *
   * @default 128
   */
  readonly maxFragments?: undefined | number
  /**
   * Whether messages are compressed for clients that offer it (RFC 7692). Each message is
   * compressed on its own (no context takeover), so that little memory is kept for each client.
   * `maxPayload` applies to the inflated size. The process compresses or inflates four messages at
   * a time; the first user of compression in `ws` sets this limit for the process.
   *
   * @default false
   */
  readonly compression?: undefined | boolean | {
    /**
     * The size in bytes below which a message is not compressed.
     *
     * @default 1_024
     */
    readonly threshold?: undefined | number
  }
  /**
   * Bytes that may be buffered for all slow clients of the process together. Above it, a client
   * with more than 64 KiB buffered is treated as if its outbox were full.
   *
   * @default 268_435_456
   */
  readonly outboxBudget?: undefined | number
  /**
   * Which parts of the fast path are on. It is many times faster for large numbers of messages.
   * `app.socketInfo` shows which parts are on.
   *
   * - Writing: the messages that a connection is sent within one turn of the event loop leave in
   *   one write, a broadcast is encoded once, and the parts of the request that the app cannot read
   *   are released. It uses only the public API of `ws` and Node.
   * - Reading: sockets read whole frames themselves, and create the objects of `ws` only when they
   *   are needed. It uses private parts of `ws` and Node: if one of them is not as expected, a
   *   warning names it, and `ws` reads.
   *
   * `true` turns both on, `'write'` leaves reading to `ws`, `false` turns both off.
   *
   * @default true
   */
  readonly fastPath?: undefined | boolean | 'write'
  /** Stores the revocations of `socketRevoke`. @default in the memory of this process */
  readonly revocations?: undefined | RevocationStore
  /**
   * Options of `@fastify/websocket`, unless the app has registered that itself; `options` are those
   * of `ws`.
   */
  readonly websocket?: undefined | WebsocketPluginOptions
}

/**
 * The upgrade request of a route, as its hooks get it.
 *
 * @typeParam Types the types that the generics, the schema or the path give: `{ Params,
 * Querystring, Headers }`.
 */
export interface SocketRequest<Types extends RouteGenericInterface = RouteGenericInterface>
  extends FastifyRequest<Types> {}

type RequestOf<Types> = IsSame<Types, ConnectionTypes> extends true
  // The route is not known.
  ? FastifyRequest
  : Shown<Pick<Types, keyof Types & keyof RouteGenericInterface>> extends infer Known
    ? WithUser<SocketRequest<Known & RouteGenericInterface>, Types>
    : never
type WithUser<Request, Types> =
  Types extends { User: infer User } ? Request & { user: User } : Request

/**
 * A hook of Fastify for the upgrade request, async or with `done`.
 *
 * @typeParam Request the request.
 */
// A method's parameter is bivariant: a hook may take a request with properties of the app.
export type UpgradeHook<Request = FastifyRequest> = {
  hook (
    this: FastifyInstance,
    request: Request,
    reply: FastifyReply,
    done: HookHandlerDoneFunction
  ): void | Promise<unknown>
}['hook']

/**
 * The options of one socket route.
 *
 * @typeParam Schema the schemas of `params`, `querystring` and `headers`.
 * @typeParam User the user of a connection.
 * @typeParam Data the `data` of the connections.
 * @typeParam Types the types of the connections, for hooks and for the messages of the outbox.
 */
export interface SocketRouteOptions<
  Schema extends FastifySchema = FastifySchema,
  User = unknown,
  Data = Record<string, unknown>,
  Types = ConnectionTypes
> extends SharedOptions<Types> {
  /**
   * The grant of the route: a role, a list of roles (any of them), or a predicate. The grants of
   * the scopes around it apply as well.
   *
   * @default no grant: every client that the scopes let in may connect
   */
  readonly isGranted?: Grant<User>
  /** The name of the route in `fastify.socketRoutes`. @default its path */
  readonly name?: undefined | string
  /** Schemas of `params`, `querystring` and `headers`, validated before the upgrade (400). */
  readonly schema?: undefined | Schema
  /**
   * The supported sub-protocols (RFC 6455 section 1.9). The server selects the first that the
   * client requests and that is in the list; a client that requests only others is rejected with
   * 400.
   *
   * @default none: requested sub-protocols are ignored
   */
  readonly protocols?: undefined | readonly string[]
  /** Hooks of Fastify for the upgrade request. */
  readonly onRequest?: UpgradeHook<RequestOf<Types>> | Array<UpgradeHook<RequestOf<Types>>>
  /** Hooks of Fastify for the upgrade request, before the token is verified. */
  readonly preValidation?: UpgradeHook<RequestOf<Types>> | Array<UpgradeHook<RequestOf<Types>>>
  /** Hooks of Fastify for the upgrade request, the last before the upgrade. */
  readonly preHandler?: UpgradeHook<RequestOf<Types>> | Array<UpgradeHook<RequestOf<Types>>>
  /**
   * Returns the initial `connection.data`, made from the upgrade request: a session, cookies,
   * properties that hooks have set. It runs after all `preHandler` hooks, before the last check,
   * and is awaited. If it fails, the upgrade is rejected. Its return type is the type of
   * `connection.data`, if it has no parameter or the parameter has a type.
   *
   * @default {}
   */
  // A method's parameter is bivariant: a function may take a request with properties of the app.
  readonly data?: undefined | { dataOf (request: FastifyRequest): Data | Promise<Data> }['dataOf']
  /** As in any route of Fastify; hooks read it as `request.routeOptions.config`. */
  readonly config?: undefined | RouteShorthandOptions['config']
  /** As in any route of Fastify: the host, the version, or a custom constraint. */
  readonly constraints?: undefined | RouteShorthandOptions['constraints']
  /** As in any route of Fastify. */
  readonly logLevel?: undefined | RouteShorthandOptions['logLevel']
}
