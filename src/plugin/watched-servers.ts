import type { EventEmitter } from 'node:events'
import type { FastifyInstance } from 'fastify'
import type { UrlCredentials } from '../auth/url-credentials.js'
import type { Clock } from '../clock.js'
import { closesUnlistened, furtherServers } from '../host/fastify-internals.js'
import type { UpgradeListener } from '../host/fastify-websocket-internals.js'
import { HttpConnections } from '../operate/http-connections.js'
import { PendingUpgrades, type PendingUpgradesOptions } from '../upgrade/pending-upgrades.js'
import { ServerListeners } from '../upgrade/listener-registry.js'

/** The services that the servers need, and the options of `PendingUpgrades` besides. */
interface WatchedServersOptions
  extends Pick<PendingUpgradesOptions, 'timeout' | 'live' | 'left' | 'isSocketRoute'> {
  readonly clock: Clock
  readonly credentials: UrlCredentials
}

/** The HTTP servers of an app, whose connections, requests and upgrades are watched. */
export class WatchedServers {
  readonly #fastify: FastifyInstance
  readonly #clock: Clock
  readonly #credentials: UrlCredentials
  readonly #listeners = new ServerListeners()
  readonly #connections: HttpConnections
  readonly #upgrades: PendingUpgrades
  #isListening = false

  /**
   * @param dispatch the upgrade listener of `@fastify/websocket`.
   * @throws `FSR_ERR_PACKAGE_UNSUPPORTED`.
   */
  constructor (
    fastify: FastifyInstance,
    dispatch: UpgradeListener,
    options: WatchedServersOptions
  ) {
    const { clock, credentials } = options
    this.#fastify = fastify
    this.#clock = clock
    this.#credentials = credentials
    this.#connections = new HttpConnections(clock)
    this.#upgrades = new PendingUpgrades(fastify, this.#listeners, dispatch, {
      ...options,
      connections: this.#connections
    })
    for (const each of [this.#connections, credentials]) each.watch(fastify.server, this.#listeners)
    // Runs after the server has closed, if it was listening; also if a later step fails.
    fastify.addHook('onClose', async () => {
      this.#listeners.remove()
      this.#connections.clear()
    })
    fastify.addHook('onListen', async () => {
      this.#isListening = true
      for (const server of furtherServers(fastify)) this.#watchFurther(server)
    })
  }

  /**
   * Ends the pending upgrades, and the HTTP connections of a server that closes with the app. A
   * server of the app's own that another listener uses stays open, and so do its connections.
   *
   * @param last the time on the clock by which all are ended.
   * @param silence milliseconds without a byte after which a request is cut.
   */
  async end (last: number, silence: number): Promise<void> {
    const { server } = this.#fastify
    this.#upgrades.end()
    if (!this.#isListening && !(server.listening && closesUnlistened(this.#fastify))) return
    this.#upgrades.endLeft()
    await this.#connections.end(last - this.#clock.now(), silence)
  }

  #watchFurther (server: EventEmitter): void {
    for (const each of [this.#upgrades, this.#connections, this.#credentials]) {
      each.watch(server, this.#listeners)
    }
  }
}
