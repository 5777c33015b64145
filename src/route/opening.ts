import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { Identity } from '../connection/identity.js'
import { ConnectionRunner } from '../controller/connection-runner.js'
import type { RouteRuntime } from '../controller/route-runtime.js'
import { countFrames } from '../socket/frame-scanner.js'
import { guardReceiver } from '../socket/lazy-socket.js'
import { releaseResponse } from '../socket/response-release.js'
import { FirstMessage, type FirstMessageRoute } from '../upgrade/first-message.js'
import type { LastCheck } from './last-check.js'
import type { RouteGuard } from './route-guard.js'
import type { RouteSetup } from './route-context.js'
import { kData, kUpgrade, type UpgradeRequest } from './upgrade-state.js'

// The identity on a route without a guard, if no hook has set a user.
const unknown: Identity = {
  user: null,
  subject: undefined,
  sub: undefined,
  iat: undefined,
  exp: undefined
}

/** Makes connections of upgraded sockets. */
export class Opening {
  readonly #setup: RouteSetup
  readonly #runtime: RouteRuntime
  readonly #firstMessages: FirstMessageRoute

  constructor (setup: RouteSetup, runtime: RouteRuntime, guard: RouteGuard, check: LastCheck) {
    const { name, server, effective } = setup
    this.#setup = setup
    this.#runtime = runtime
    this.#firstMessages = {
      name,
      live: server.live,
      counts: server.counts,
      tokens: server.tokens,
      // A client that was never admitted gets little time: its messages are read and inflated
      // meanwhile.
      closing: server.clocks.closing(Math.min(effective.closeTimeout, 1_000)),
      limits: runtime.limits,
      admit: (request, token) => guard.admission.admitLater(request, token),
      refusal: (identity) => check.refusalOfFirst(identity),
      open: this.#open
    }
  }

  /** Opens the connection, or waits for the token if that is to come as the first message. */
  readonly upgraded = (socket: WebSocket, given: FastifyRequest): void => {
    const request = given as UpgradeRequest
    const { server, isGuarded, sockets } = this.#setup
    const { identity, response } = request[kUpgrade]!
    // Releases the token as well.
    request[kUpgrade] = null
    const { read, write } = server.fastPath
    if (write) releaseResponse(response)
    if (!read) {
      guardReceiver(socket)
      countFrames(request.raw.socket, socket, sockets.limits.maxPayload)
    }
    if (identity === undefined && isGuarded) {
      new FirstMessage(this.#firstMessages, socket, request).open()
    } else this.#open(socket, request, identity ?? unknown)
  }

  readonly #open = (
    socket: WebSocket,
    request: FastifyRequest,
    identity: Identity
  ): ConnectionRunner => {
    const runner = new ConnectionRunner(this.#runtime, socket, request, identity)
    const { [kData]: data } = request as UpgradeRequest
    if (data !== undefined) {
      runner.connection.data = data as Record<string, unknown>
      // Only the connection keeps it, so that the app can release it.
      delete (request as UpgradeRequest)[kData]
    }
    runner.open()
    return runner
  }
}
