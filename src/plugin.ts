import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import fastifyWebsocket from '@fastify/websocket'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { clockOf } from './clock.js'
import { closeCodes } from './close-codes.js'
import { Budget } from './connection/budget.js'
import type { Closable } from './connection/live.js'
import { Deadlines } from './connection/deadlines.js'
import { FastSocket } from './socket/fast-socket.js'
import { FrameSocket } from './socket/frame-socket.js'
import { readsDirectly } from './socket/lazy-socket.js'
import { findUnsupported, versionOfWs } from './socket/probe.js'
import { Clocks } from './connection/clocks.js'
import { createController } from './contract/create-controller.js'
import { errors } from './errors.js'
import { strayIn } from './members.js'
import { Drain } from './operate/drain.js'
import { createHealth } from './operate/health.js'
import { HttpConnections } from './operate/http-connections.js'
import { printRoutes } from './operate/print.js'
import { revoke } from './operate/revoke.js'
import { ConnectionCounts } from './connection/connection-counts.js'
import { decoratedController, refuseDecorated } from './route/decorator.js'
import { checkGrant, type Grant } from './auth/grant.js'
import { completeInjected } from './upgrade/injected.js'
import { UpgradesLeft } from './upgrade/left-upgrades.js'
import type { SocketPluginOptions, SocketRouteOptions, SocketScopeOptions } from './options/options.js'
import { barePath, createPathOf, joinPath } from './upgrade/path.js'
import { UrlCredentials } from './auth/url-credentials.js'
import { resolvePlugin } from './options/plugin-settings.js'
import { defaults } from './options/resolve-options.js'
import { Revocations, type Revocation } from './auth/revocation.js'
import { kUpgrade, Route, type SocketRouteHandle } from './route/route.js'
import { routerOptionsOf } from './route/router.js'
import { SocketServer } from './upgrade/socket-server.js'
import { addToScope, enterScope, openScopes, overlay } from './options/scope.js'
import { furtherServers, ServerListeners } from './upgrade/server-listeners.js'
import { RouteTable } from './route/route-table.js'
import { Tickets } from './auth/ticket.js'
import { PendingUpgrades } from './upgrade/pending-upgrades.js'

async function socketRoutes (fastify: FastifyInstance, pluginOptions: SocketPluginOptions): Promise<void> {
  const table = new RouteTable(fastify)
  const root = overlay({ options: defaults, grants: [], hooks: { preMessage: [], preSend: [] } }, pluginOptions, 'plugin')
  const isRegistered = fastify.hasDecorator('websocketServer')
  const settings = resolvePlugin(pluginOptions, root.options, { isRegistered, pluginTimeout: fastify.initialConfig.pluginTimeout })

  const { websocket } = settings
  const { write } = settings.fastPath
  const unsupported = settings.fastPath.read ? await findUnsupported(FastSocket) : undefined
  const fastPath = Object.freeze({ write, read: settings.fastPath.read && unsupported === undefined })
  const { read } = fastPath
  if (unsupported !== undefined) fastify.log.warn(`ws ${versionOfWs()} is not supported by the reading part of the fast path (${unsupported}); ws reads instead`)
  if (read && !(fastify.server instanceof TlsServer) && !readsDirectly()) fastify.log.warn('this version of Node is made in another way than this plugin knows: what comes is read through streams, which is slower')

  if (!isRegistered) await fastify.register(fastifyWebsocket, websocket)
  const ofSockets = write ? { ...websocket.options, WebSocket: (read ? FastSocket : FrameSocket) as never } : websocket.options
  const sockets = new SocketServer(fastify.websocketServer, ofSockets, settings.limitsOf)
  table.watch()

  const clock = clockOf(pluginOptions)
  const drain = new Drain(clock)
  const { handshakeTimeout, tickets } = settings
  // Of the router, or, as in older versions, of Fastify.
  const { useSemicolonDelimiter } = { ...fastify.initialConfig, ...routerOptionsOf(fastify) } as { useSemicolonDelimiter?: boolean }
  const pathOf = createPathOf(useSemicolonDelimiter === true)
  const credentials = new UrlCredentials(pathOf)
  const connections = new HttpConnections(clock)
  const listeners = new ServerListeners()
  const left = new UpgradesLeft(fastify, pluginOptions.leaveUpgrades)
  const isTls = fastify.server instanceof TlsServer
  const gate = new PendingUpgrades(fastify, listeners, {
    clock,
    timeout: handshakeTimeout,
    live: drain,
    isLeft: (request) => left.has(request),
    isSocketRoute: ({ url }) => table.mayHaveSocket(pathOf(url!)),
    onUpgrade: (request, socket) => {
      completeInjected(request, socket, isTls)
      connections.forget(socket as Socket)
    },
    onArrival: (request) => { credentials.takeFrom(request) }
  })
  for (const each of [connections, credentials]) each.watch(fastify.server, listeners)
  // After the server is closed, if it is; also where one of the steps below fails.
  fastify.addHook('onClose', async () => {
    listeners.remove()
    connections.clear()
  })
  // An upgrade, and a token as the first message after it, may take a timeout each.
  const revocations = new Revocations(clock, settings.revocations, 2 * handshakeTimeout)
  const server = {
    live: drain,
    sockets,
    clocks: new Clocks(clock, handshakeTimeout),
    counts: new ConnectionCounts(),
    budget: new Budget(settings.outboxBudget),
    handshakeTimeout,
    credentials,
    tickets: new Tickets(clock, tickets.store, tickets.ttl),
    revocations,
    compression: settings.compression,
    tokens: new Deadlines<Closable>(clock, handshakeTimeout, (connection) => { connection.closeWith(closeCodes.tokenMissing) }),
    fastPath
  }
  const checkScopes = openScopes(fastify, root)
  fastify.decorateRequest(kUpgrade, null)

  const add = (scope: FastifyInstance, path: string, controller: unknown, given: SocketRouteOptions): Route => {
    const full = joinPath(scope.prefix, barePath(path, scope.prefix))
    left.check(full)
    const effective = enterScope(scope, given)
    const route = new Route(server, scope, full, createController(full, controller, scope, checkGrant), given, effective)
    table.add(scope, path, given.constraints, route)
    return route
  }

  fastify.decorate('socketRoute', function (this: FastifyInstance, path: string, controller: unknown, ...rest: unknown[]) {
    refuseDecorated(controller)
    return add(this, path, controller, toOptions(rest))
  } as unknown as FastifyInstance['socketRoute'])
  fastify.decorate('socketController', function (this: FastifyInstance, given: unknown, ...rest: unknown[]) {
    const { controller, route: { path, ...options } } = decoratedController(given, this, rest)
    return add(this, path, controller, options as SocketRouteOptions)
  } as unknown as FastifyInstance['socketController'])
  fastify.decorate('socketScope', function (this: FastifyInstance, options: SocketScopeOptions) {
    addToScope(this, options)
    return this
  })
  fastify.decorate('socketRevoke', (revocation: Revocation) => revoke(fastify, clock, drain, revocations, revocation))
  fastify.decorate('socketTicket', async (request: Pick<FastifyRequest, 'headers'>, options: { readonly route: string }) => {
    if (typeof Object(request).headers !== 'object') throw new errors.OptionInvalid('the first argument of socketTicket()', 'is not the request that asks for the ticket')
    // Names are not told: they may be what a request asks for.
    if (strayIn(Object(options), ['route']) !== undefined) throw new errors.OptionInvalid('of socketTicket()', 'is unknown: there is route alone; how long a ticket is good the option tickets of the plugin says')
    const route = table.byName.get(String(Object(options).route))
    if (route === undefined) throw new errors.OptionInvalid('route', `is not the name of a socket route; there are ${[...table.byName.keys()].join(', ')}`)
    return await route.ticket(request as FastifyRequest)
  })
  fastify.decorate('socketRoutes', { getter: () => table.byName as ReadonlyMap<string, SocketRouteHandle> })
  fastify.decorate('printSocketRoutes', () => printRoutes(table.byName.values()))
  fastify.decorate('socketHealth', createHealth(drain))
  fastify.decorate('socketInfo', Object.freeze({ fastPath }))

  fastify.addHook('onReady', async () => {
    checkScopes()
    for (const route of table.byName.values()) route.ready()
    fastify.log.debug({ routes: table.byName.size, fastPath }, 'socket routes are ready')
    // Those of onClose run from the last to the first, and Fastify runs preClose in one of them. Added here, this runs before that:
    // nobody is let in while a preClose of the app, which may be before the one below, takes its time.
    fastify.addHook('onClose', async () => { drain.begin() })
  })
  // A server that another listens with is not closed by the app: its connections go on.
  let isListening = false
  fastify.addHook('onListen', async () => {
    isListening = true
    for (const server of furtherServers(fastify)) for (const each of [gate, connections, credentials]) each.watch(server, listeners)
  })
  fastify.addHook('preClose', async () => {
    const { deadline } = settings.drain
    const last = clock.now() + deadline
    await drain.run(settings.drain, fastify)
    gate.end()
    if (!isListening) return
    gate.endLeft()
    await connections.end(last - clock.now(), deadline / 5)
  })
}

// The third argument: who may come in, or all options. None at all is not the same as one that is undefined.
function toOptions (rest: readonly unknown[]): SocketRouteOptions {
  if (rest.length === 0) return {}
  if (rest.length > 1) throw new errors.OptionInvalid('after the third argument', 'is ignored: give all options in one object')
  const [third] = rest
  return typeof third === 'object' && third !== null && !Array.isArray(third) ? third : { isGranted: third as Grant }
}

/**
 * Makes WebSocket endpoints first-class routes of Fastify. Register it once, on the root instance:
 * `await app.register(socketRoutes, options)`.
 *
 * @throws `FSR_ERR_ALREADY_REGISTERED`, `FSR_ERR_OPTION_INVALID`, `FSR_ERR_GRANT_INVALID`, `FSR_ERR_ROLE_CYCLE`.
 */
// The type takes any instance: to see that one with a type provider is one of Fastify, the compiler would compare all that Fastify has.
export default fastifyPlugin(socketRoutes, { fastify: '5.x', name: 'fastify-socket-route' }) as (instance: object, options: SocketPluginOptions) => Promise<void>
