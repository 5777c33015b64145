import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import fastifyWebsocket from '@fastify/websocket'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { clockOf } from './clock.js'
import { closeCodes } from './protocol/close-codes.js'
import { MemoryBroker } from './broker/memory.js'
import { Budget } from './connection/budget.js'
import type { Closable } from './connection/supervised.js'
import { Deadlines } from './connection/deadlines.js'
import { FastSocket } from './socket/fast-socket.js'
import { FrameSocket } from './socket/frame-socket.js'
import { readsDirectly } from './socket/lazy-socket.js'
import { findUnsupported, versionOfWs } from './socket/probe.js'
import { Clocks } from './connection/clocks.js'
import { createController } from './contract/create-controller.js'
import { errors } from './errors.js'
import {
  closesUnlistened,
  furtherServers,
  logMissing,
  onCloseBegins
} from './host/fastify-internals.js'
import { serverOf, takeUpgradeListener } from './host/websocket-internals.js'
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
import type {
  SocketPluginOptions,
  SocketRouteOptions,
  SocketScopeOptions
} from './options/options.js'
import { barePath, createPathOf, joinPath } from './upgrade/path.js'
import { UrlCredentials } from './auth/url-credentials.js'
import { resolvePlugin } from './options/plugin-settings.js'
import { Revocations, type Revocation } from './auth/revocation.js'
import { Route } from './route/route.js'
import type { SocketRouteHandle } from './route/route-handle.js'
import { kUpgrade } from './route/upgrade-state.js'
import { routerOptionsOf } from './route/router.js'
import { SocketServer } from './upgrade/socket-server.js'
import { addToScope, enterScope, openScopes } from './options/scope.js'
import { ServerListeners } from './upgrade/server-listeners.js'
import { RouteTable } from './route/route-table.js'
import { Tickets } from './auth/ticket.js'
import { PendingUpgrades } from './upgrade/pending-upgrades.js'

async function socketRoutes (
  fastify: FastifyInstance,
  pluginOptions: SocketPluginOptions
): Promise<void> {
  const table = new RouteTable(fastify)
  const isRegistered = fastify.hasDecorator('websocketServer')
  const { pluginTimeout } = fastify.initialConfig
  const settings = resolvePlugin(pluginOptions, { isRegistered, pluginTimeout })

  const { websocket } = settings
  const { write } = settings.fastPath
  const unsupported = settings.fastPath.read ? await findUnsupported(FastSocket) : undefined
  const read = settings.fastPath.read && unsupported === undefined
  const fastPath = Object.freeze({ write, read })
  if (unsupported !== undefined) {
    fastify.log.warn(`ws ${versionOfWs()} is not supported by the reading part of the fast path ` +
      `(${unsupported}); ws reads instead`)
  }
  if (read && !(fastify.server instanceof TlsServer) && !readsDirectly()) {
    fastify.log.warn('this version of Node does not support direct reads of the fast path; ' +
      'reading through streams, which is slower')
  }

  logMissing(fastify)
  const dispatch = await takeUpgradeListener(fastify,
    isRegistered ? undefined : () => fastify.register(fastifyWebsocket, websocket))
  const ofSockets = write
    ? { ...websocket.options, WebSocket: (read ? FastSocket : FrameSocket) as never }
    : websocket.options
  const sockets = new SocketServer(serverOf(fastify), ofSockets, settings.limitsOf)
  table.watch()

  const clock = clockOf(pluginOptions)
  const drain = new Drain(clock)
  const { handshakeTimeout, tickets } = settings
  // An option of the router; in older versions of Fastify itself.
  const { useSemicolonDelimiter } = {
    ...fastify.initialConfig,
    ...routerOptionsOf(fastify)
  } as { useSemicolonDelimiter?: boolean }
  const pathOf = createPathOf(useSemicolonDelimiter === true)
  const credentials = new UrlCredentials(pathOf)
  const connections = new HttpConnections(clock)
  const listeners = new ServerListeners()
  const left = new UpgradesLeft(fastify, settings.leaveUpgrades)
  const isTls = fastify.server instanceof TlsServer
  const gate = new PendingUpgrades(fastify, listeners, dispatch, {
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
  // Runs after the server has closed, if it was listening; also if a step below fails.
  fastify.addHook('onClose', async () => {
    listeners.remove()
    connections.clear()
  })
  // The upgrade, and the token as the first message after it, each have the whole timeout.
  const revocations = new Revocations(clock, settings.revocations, 2 * handshakeTimeout)
  const server = {
    live: drain,
    sockets,
    clocks: new Clocks(clock, handshakeTimeout),
    counts: new ConnectionCounts(),
    budget: new Budget(settings.outboxBudget),
    broker: new MemoryBroker(),
    handshakeTimeout,
    credentials,
    tickets: new Tickets(clock, tickets.store, tickets.ttl),
    revocations,
    compression: settings.compression,
    tokens: new Deadlines<Closable>(clock, handshakeTimeout, (connection) => {
      connection.closeWith(closeCodes.tokenMissing)
    }),
    fastPath
  }
  const checkScopes = openScopes(fastify, settings)
  fastify.decorateRequest(kUpgrade, null)

  const add = (
    scope: FastifyInstance,
    path: string,
    controller: unknown,
    given: SocketRouteOptions
  ): Route => {
    const full = joinPath(scope.prefix, barePath(path, scope.prefix))
    left.check(full)
    const effective = enterScope(scope, given)
    const created = createController(full, controller, scope, checkGrant)
    const route = new Route({ server, scope, path: full, given, effective }, created)
    table.add(scope, path, given.constraints, route)
    return route
  }

  fastify.decorate('socketRoute', function (
    this: FastifyInstance,
    path: string,
    controller: unknown,
    ...rest: unknown[]
  ) {
    refuseDecorated(controller)
    return add(this, path, controller, toOptions(rest))
  } as unknown as FastifyInstance['socketRoute'])
  fastify.decorate('socketController', function (
    this: FastifyInstance,
    given: unknown,
    ...rest: unknown[]
  ) {
    const { controller, route: { path, ...options } } = decoratedController(given, this, rest)
    return add(this, path, controller, options as SocketRouteOptions)
  } as unknown as FastifyInstance['socketController'])
  fastify.decorate('socketScope', function (this: FastifyInstance, options: SocketScopeOptions) {
    addToScope(this, options)
    return this
  })
  fastify.decorate('socketRevoke', (revocation: Revocation) =>
    revoke(fastify, clock, drain, revocations, revocation))
  fastify.decorate('socketTicket', async (
    request: Pick<FastifyRequest, 'headers'>,
    options: { readonly route: string }
  ) => {
    if (typeof Object(request).headers !== 'object') {
      throw new errors.OptionInvalid('The first argument of socketTicket()',
        'is not the request that asks for the ticket')
    }
    // The text does not repeat the unknown name: it may come from the body of a request.
    if (strayIn(Object(options), ['route']) !== undefined) {
      throw new errors.OptionInvalid('The second argument of socketTicket()', 'is not { route }. ' +
        'The lifetime of a ticket is the option tickets.ttl of the plugin')
    }
    const route = table.byName.get(String(Object(options).route))
    if (route === undefined) {
      throw new errors.OptionInvalid('Option route of socketTicket()', 'is not the name of ' +
        'a socket route; there are ' + [...table.byName.keys()].join(', '))
    }
    return await route.ticket(request as FastifyRequest)
  })
  fastify.decorate('socketRoutes', {
    getter: () => table.byName as ReadonlyMap<string, SocketRouteHandle>
  })
  fastify.decorate('printSocketRoutes', () => printRoutes(table.byName.values()))
  fastify.decorate('socketHealth', createHealth(drain))
  fastify.decorate('socketInfo', Object.freeze({ fastPath }))

  fastify.addHook('onReady', async () => {
    checkScopes()
    for (const route of table.byName.values()) route.ready()
    fastify.log.debug({ routes: table.byName.size, fastPath }, 'socket routes are ready')
    // Upgrades are rejected while a preClose hook of the app runs, which may come before the one
    // below.
    onCloseBegins(fastify, () => { drain.begin() })
  })
  // A server of the app's own that it did not have listen is not closed by Fastify: the HTTP
  // connections stay open.
  let isListening = false
  fastify.addHook('onListen', async () => {
    isListening = true
    for (const server of furtherServers(fastify)) {
      for (const each of [gate, connections, credentials]) each.watch(server, listeners)
    }
  })
  fastify.addHook('preClose', async () => {
    const { deadline } = settings.drain
    const last = clock.now() + deadline
    await drain.run(settings.drain, fastify)
    gate.end()
    const { server } = fastify
    if (!isListening && !(server.listening && closesUnlistened(fastify))) return
    gate.endLeft()
    await connections.end(last - clock.now(), deadline / 5)
  })
}

// The third argument is a grant, or all options. Leaving it out is allowed; an explicit undefined
// is an error.
function toOptions (rest: readonly unknown[]): SocketRouteOptions {
  if (rest.length === 0) return {}
  if (rest.length > 1) {
    throw new errors.OptionInvalid('The fourth argument of socketRoute()',
      'is ignored: give all options in one object')
  }
  const [third] = rest
  return typeof third === 'object' && third !== null && !Array.isArray(third)
    ? third
    : { isGranted: third as Grant }
}

/**
 * Makes WebSocket endpoints first-class routes of Fastify. Register it once, on the root instance:
 * `await app.register(socketRoutes, options)`.
 *
 * @throws `FSR_ERR_ALREADY_REGISTERED`, `FSR_ERR_OPTION_INVALID`, `FSR_ERR_GRANT_INVALID`,
 * `FSR_ERR_ROLE_CYCLE`.
 */
// The type accepts any object as the instance: to check that an instance with a type provider is a
// FastifyInstance, the compiler would compare all members of Fastify.
export default fastifyPlugin(socketRoutes, {
  fastify: '5.x',
  name: 'fastify-socket-route'
}) as (instance: object, options: SocketPluginOptions) => Promise<void>
