import fastifyWebsocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { UrlCredentials } from './auth/url-credentials.js'
import { clockOf } from './clock.js'
import { logMissing, onCloseBegins } from './host/fastify-internals.js'
import { serverOf, takeUpgradeListener } from './host/fastify-websocket-internals.js'
import { Drain } from './operate/drain.js'
import type { SocketPluginOptions } from './options/options.js'
import { resolvePlugin, type FastPath } from './options/plugin-settings.js'
import { openScopes } from './options/scope.js'
import { socketClassOf, supportedFastPath } from './plugin/socket-class.js'
import { decorateOperation } from './plugin/operation-decorators.js'
import { decorateRegistration } from './plugin/route-decorators.js'
import { createServices } from './plugin/services.js'
import { WatchedServers } from './plugin/watched-servers.js'
import { RouteTable } from './route/route-table.js'
import { createPathOf } from './route/path-equivalence.js'
import { kUpgrade } from './route/upgrade-state.js'
import { UpgradesLeft } from './upgrade/left-upgrades.js'
import { SocketServer } from './upgrade/socket-server.js'

async function socketRoutes (
  fastify: FastifyInstance,
  given: SocketPluginOptions
): Promise<void> {
  const table = new RouteTable(fastify)
  const isRegistered = fastify.hasDecorator('websocketServer')
  const { pluginTimeout } = fastify.initialConfig
  const settings = resolvePlugin(given, { isRegistered, pluginTimeout })
  const { websocket, handshakeTimeout: timeout } = settings
  const fastPath = await supportedFastPath(fastify, settings.fastPath)
  logMissing(fastify)
  const dispatch = await takeUpgradeListener(fastify,
    isRegistered ? undefined : () => fastify.register(fastifyWebsocket, websocket))
  const ofWs = { ...websocket.options, ...socketClassOf(fastPath) }
  const sockets = new SocketServer(serverOf(fastify), ofWs, settings.limitsOf)
  // Behind the onRoute hook of @fastify/websocket.
  table.watch()

  const clock = clockOf(given)
  const live = new Drain(clock)
  const pathOf = createPathOf(fastify)
  const credentials = new UrlCredentials(pathOf)
  const left = new UpgradesLeft(fastify, settings.leaveUpgrades)
  const isSocketRoute = (url: string): boolean => table.mayHaveSocket(pathOf(url))
  const servers = new WatchedServers(fastify, dispatch,
    { clock, timeout, live, left, credentials, isSocketRoute })
  const services = createServices(clock, settings, { live, sockets, credentials, fastPath })
  getReady(fastify, table, openScopes(fastify, settings), live, fastPath)
  fastify.decorateRequest(kUpgrade, null)
  decorateRegistration(fastify, { table, left, server: services })
  decorateOperation(fastify, table, clock, live, services)

  fastify.addHook('preClose', async () => {
    const { deadline } = settings.drain
    const last = clock.now() + deadline
    await live.run(settings.drain, fastify)
    await servers.end(last, deadline / 5)
  })
}

function getReady (
  fastify: FastifyInstance,
  table: RouteTable,
  checkScopes: () => void,
  drain: Drain,
  fastPath: FastPath
): void {
  fastify.addHook('onReady', async () => {
    checkScopes()
    for (const route of table.byName.values()) route.ready()
    fastify.log.debug({ routes: table.byName.size, fastPath }, 'socket routes are ready')
    // Upgrades are rejected while a preClose hook of the app runs, which may come before that of
    // the plugin.
    onCloseBegins(fastify, () => { drain.begin() })
  })
}

/**
 * Makes WebSocket endpoints first-class routes of Fastify. Register it once, on the root instance:
 * `await app.register(socketRoutes, options)`.
 *
 * @throws `FSR_ERR_ALREADY_REGISTERED`, `FSR_ERR_OPTION_INVALID`, `FSR_ERR_GRANT_INVALID`,
 * `FSR_ERR_ROLE_CYCLE`, `FSR_ERR_PACKAGE_UNSUPPORTED`.
 */
// The type accepts any object as the instance: to check that an instance with a type provider is a
// FastifyInstance, the compiler would compare all members of Fastify.
export default fastifyPlugin(socketRoutes, {
  fastify: '5.x',
  name: 'fastify-socket-route'
}) as (instance: object, options: SocketPluginOptions) => Promise<void>
