import type { FastifyRequest, FastifySchema, RouteShorthandOptions } from 'fastify'
import type { WebsocketPluginOptions } from '@fastify/websocket'
import type { HeartbeatOptions } from '../connection/heartbeat.js'
import type { UserOfRequest } from '../connection/identity.js'
import type { OutboxOptions } from '../connection/outbox.js'
import type { RateOptions } from '../connection/rate.js'
import type { RefusalOptions } from '../connection/refusals.js'
import type { PreMessageHook, PreSendHook } from '../controller/hooks.js'
import type { ConnectionCaps } from '../upgrade/connection-limits.js'
import type { Grant, RoleHierarchy } from '../auth/grant.js'
import type { JwtName } from '../auth/jwt.js'
import type { LeftUpgrades } from '../upgrade/left-upgrades.js'
import type { Origins } from '../auth/origin.js'
import type { RevocationStore } from '../auth/revocation.js'
import type { Subject } from '../auth/subject.js'
import type { TicketStore } from '../auth/ticket.js'
import type { TokenSource } from '../auth/token-source.js'

/** The options that the plugin, a scope and a route have in common. The innermost that is set counts. */
export interface SharedOptions {
  /**
   * Where the roles of a user are: the name of a claim, an array of strings or a space-separated string (RFC 8693 section 4.2),
   * or a function from the user to an array, or to a promise of one. If it fails, nobody gets in.
   *
   * @default 'roles'
   */
  // A method's parameter is bivariant: a function may ask for a narrower user than is declared.
  readonly roles?: undefined | string | { rolesOf (user: UserOfRequest): readonly string[] | Promise<readonly string[]> }['rolesOf']
  /**
   * What each role includes, transitively.
   *
   * @default {}
   */
  readonly roleHierarchy?: undefined | RoleHierarchy
  /**
   * Where the token of a guarded route is looked for, the first that has one: `header` is `Authorization: Bearer` (RFC 6750
   * section 2.1), `protocol` the sub-protocol list `bearer, <token>` (for browsers), `cookie` the one that `@fastify/jwt` is
   * configured for, `query` the parameter `access_token` (RFC 6750 section 2.3), `ticket` the parameter `ticket` with what
   * `fastify.socketTicket` has issued, `message` the first message, a text, of a connection that brought none before. With `[]` only
   * a user that a hook of the app has put on the request counts.
   *
   * @default ['header', 'protocol', 'cookie']
   */
  readonly tokenFrom?: undefined | readonly TokenSource[]
  /**
   * The `@fastify/jwt` that verifies tokens, by its `namespace`; `{ namespace, jwtVerify }` if its method on requests has a name of its own.
   *
   * @default the one without a namespace
   */
  readonly jwt?: undefined | string | JwtName
  /**
   * Tells users apart, for `connections.perUser`, `socketRevoke` and `renew()`: the name of a claim, a string or an integer, or a function
   * that makes a string of the claims. The claims are those of the token, or a user that a hook has set without one. A user
   * for whom there is none is refused with 401.
   *
   * @default `sub`, together with `iss` where the token has one (RFC 7519 section 4.1.2); users without `sub` are not told apart
   */
  readonly subject?: undefined | Subject
  /**
   * Whether a user must have an end: `exp` of the token (RFC 7519 section 4.1.4), or of a user that a hook has set without one. Where
   * there is one, the connection is closed with 4401 then.
   *
   * @default false
   */
  readonly requireExpiry?: undefined | boolean
  /**
   * Which pages may connect, by the `Origin` that browsers send; whoever sends none is not affected. The whole origin is compared:
   * scheme, host and port. Behind a proxy that ends TLS, `'same-origin'` needs Fastify's `trustProxy`.
   *
   * @default 'same-origin'
   */
  readonly origins?: undefined | Origins
  /**
   * The largest message, in bytes; a larger one closes the connection with 1009. A scope or a route can lower what the plugin
   * allows, not raise it.
   *
   * @default 65_536
   */
  readonly maxPayload?: undefined | number
  /**
   * How many messages of one connection are handled at a time. Above 1 the order of the answers is that in which they are ready.
   *
   * @default 1
   */
  readonly concurrency?: undefined | number
  /**
   * Pings find clients that are gone without a word, and keep proxies from cutting silent connections; `false` for none.
   *
   * @default { interval: 25_000, timeout: 10_000 }
   */
  readonly heartbeat?: undefined | false | HeartbeatOptions
  /** How many connections there may be at a time. @default any number */
  readonly connections?: undefined | ConnectionCaps
  /** How fast one client may send. @default any speed */
  readonly rate?: undefined | RateOptions
  /** What may wait for a slow client. */
  readonly outbox?: undefined | OutboxOptions
  /**
   * The rooms that one connection can be in.
   *
   * @default 1_000
   */
  readonly roomsPerConnection?: undefined | number
  /**
   * What happens to a message that the contract of a route does not have: it is answered with an error, or the connection is closed, with
   * 1007 in most cases. The connection's `onError` hears of it either way.
   *
   * @default 'answer'
   */
  readonly invalidMessages?: undefined | 'answer' | 'close'
  /**
   * How many messages that the contract of a route refuses one client may send in a row; then it is closed with 4429. Any that is taken
   * begins a new row, so that a client which makes mistakes now and then is never closed. `false` for any number.
   *
   * @default { max: 100, per: 10_000 }
   */
  readonly refusals?: undefined | false | RefusalOptions
  /**
   * The streams of a contract that one connection can be sent at a time.
   *
   * @default 16
   */
  readonly streamsPerConnection?: undefined | number
  /**
   * Runs before each message is handled; the hooks of outer scopes run first, and none can be taken away further in.
   *
   * @default none
   */
  readonly preMessage?: PreMessageHook | readonly PreMessageHook[]
  /**
   * Runs before each message is encoded, once for all its receivers; order as above.
   *
   * @default none
   */
  readonly preSend?: undefined | PreSendHook | readonly PreSendHook[]
  /**
   * Milliseconds that a closing connection has: for handlers that run, for `onClose`, for the client to answer the close frame.
   * After that the connection is cut.
   *
   * @default 5_000
   */
  readonly closeTimeout?: undefined | number
}

/** The options of `fastify.socketScope`. */
export interface SocketScopeOptions extends SharedOptions {
  /** Who may connect to the routes of this scope, in addition to what outer scopes and the routes themselves demand. */
  readonly isGranted?: Grant<UserOfRequest>
}

/** The options of `fastify.register(socketRoutes, options)`. */
export interface SocketPluginOptions extends SocketScopeOptions {
  /** What happens at `fastify.close()`. */
  readonly drain?: undefined | {
    /**
     * Milliseconds. After four fifths of it connections that are not closed yet are cut; after all of it `fastify.close()` waits no
     * longer. Less than `pluginTimeout` of Fastify.
     *
     * @default 5_000
     */
    readonly deadline?: undefined | number
    /**
     * How many connections are closed at a time, so that a fleet of clients does not come back in one moment.
     *
     * @default 1_000
     */
    readonly batch?: undefined | number
    /**
     * Milliseconds between two batches; less if there are so many that the deadline would come first.
     *
     * @default 100
     */
    readonly interval?: undefined | number
  }
  /**
   * Milliseconds that an upgrade may take, from the request to its answer: for hooks, the token, `isGranted`. Then it is cut. A token
   * that is to come as the first message has as many again; then the connection is closed with 4401.
   *
   * @default 10_000
   */
  readonly handshakeTimeout?: undefined | number
  /**
   * Upgrades that another library answers, such as Socket.IO or Vite on the same server: paths, with all that is below them, or a
   * predicate that looks at the request and returns `true`. Nothing of such an upgrade is read, changed, timed or cut. All others
   * that no route has are refused with 404.
   *
   * @default []
   */
  readonly leaveUpgrades?: undefined | LeftUpgrades
  /** The tickets of `fastify.socketTicket`. */
  readonly tickets?: undefined | {
    /**
     * Milliseconds from the issue of a ticket to the upgrade.
     *
     * @default 30_000
     */
    readonly ttl?: undefined | number
    /** Keeps the tickets. @default in this process, at most 64 MiB of them */
    readonly store?: undefined | TicketStore
  }
  /**
   * The most fragments that one message may come in (RFC 6455 section 5.4); more close the connection with 1008. Where `maxPayload` is
   * above 64 KiB, a 512th of that.
   *
   * @default 128
   */
  readonly maxFragments?: undefined | number
  /**
   * Whether messages are compressed for clients that offer it (RFC 7692). No message needs what was before it to be inflated, so
   * little is kept for each client; `maxPayload` holds for what is inflated. Four messages of the process are worked on at a time,
   * unless something else has used compression of `ws` before: its limit is that of whoever is first.
   *
   * @default false
   */
  readonly compression?: undefined | boolean | {
    /**
     * Bytes below which a message is sent as it is.
     *
     * @default 1_024
     */
    readonly threshold?: undefined | number
  }
  /**
   * Bytes that may wait for all slow clients of the process together. While it is more, a client that has more than 64 KiB waiting
   * is treated as one whose outbox is full.
   *
   * @default 268_435_456
   */
  readonly outboxBudget?: undefined | number
  /**
   * Which parts of the fast path are taken. It is many times faster where messages come in numbers. `app.socketInfo` tells which are on.
   *
   * - Writing: what a connection is sent within a turn of the event loop leaves in one write, what many are sent is encoded once, and of
   *   the request only what can be asked for is kept. It needs no more than the public API of `ws` and Node.
   * - Reading: sockets read whole frames themselves, and have what `ws` makes for each only when it is needed. It relies on more of `ws`
   *   and Node than those promise: where that looks different from what is expected, a warning names it and `ws` reads.
   *
   * `true` takes both, `'write'` leaves reading to `ws`, `false` takes none.
   *
   * @default true
   */
  readonly fastPath?: undefined | boolean | 'write'
  /** Remembers what `socketRevoke` has revoked. @default in this process */
  readonly revocations?: undefined | RevocationStore
  /** Handed to `@fastify/websocket`, if the app has not registered that itself; `options` are those of `ws`. */
  readonly websocket?: undefined | WebsocketPluginOptions
}

type RouteHooks = Pick<RouteShorthandOptions, 'onRequest' | 'preValidation' | 'preHandler'>

/**
 * The options of one socket route.
 *
 * @typeParam Schema the schemas of `params`, `querystring` and `headers`.
 * @typeParam User who is connected.
 * @typeParam Data the `data` of the connections.
 */
export interface SocketRouteOptions<Schema extends FastifySchema = FastifySchema, User = unknown, Data = Record<string, unknown>> extends SharedOptions {
  /** Who may connect. @default everyone whom the outer scopes let in */
  readonly isGranted?: Grant<User>
  /** The name of the route in `fastify.socketRoutes`. @default its path */
  readonly name?: undefined | string
  /** Schemas of `params`, `querystring` and `headers`, validated before the upgrade (400). */
  readonly schema?: undefined | Schema
  /**
   * The sub-protocols that are spoken (RFC 6455 section 1.9). The first that the client asks for and that is in the list is
   * answered; a client that asks only for others is refused with 400.
   *
   * @default none: the client's are ignored
   */
  readonly protocols?: undefined | readonly string[]
  /** Hooks of Fastify for the upgrade request. */
  readonly onRequest?: NonNullable<RouteHooks['onRequest']>
  /** Hooks of Fastify for the upgrade request; they run before the token is verified. */
  readonly preValidation?: NonNullable<RouteHooks['preValidation']>
  /** Hooks of Fastify for the upgrade request; they run last before the upgrade. */
  readonly preHandler?: NonNullable<RouteHooks['preHandler']>
  /**
   * Returns what `connection.data` is at first, made of the upgrade request: a session, cookies, what hooks have put on it. It runs behind
   * all hooks of `preHandler` before the last check, and is awaited; where it fails, the upgrade is refused.
   * It gives `connection.data` its type, where it has no parameter or says what that is.
   *
   * @default {}
   */
  // A method's parameter is bivariant: a function may ask for a request with the app's own properties.
  readonly data?: undefined | { dataOf (request: FastifyRequest): Data | Promise<Data> }['dataOf']
  /** As with any route of Fastify, for hooks to read at `request.routeOptions.config`. */
  readonly config?: undefined | RouteShorthandOptions['config']
  /** As with any route of Fastify: the host, or a constraint of the app's own. */
  readonly constraints?: undefined | RouteShorthandOptions['constraints']
  /** As with any route of Fastify. */
  readonly logLevel?: undefined | RouteShorthandOptions['logLevel']
}
