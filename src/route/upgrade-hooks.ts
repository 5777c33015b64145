import type {
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  RouteHandlerMethod,
  RouteOptions
} from 'fastify'
import { originOf } from '../auth/origin.js'
import { asError, errors, headersOf } from '../errors.js'
import { writeLog } from '../log.js'
import {
  agreeOnProtocol,
  checkHandshake,
  isHandshake,
  upgradeDropped,
  upgradeRequired
} from '../upgrade/handshake.js'
import { refuseAsFailed, RETRY_AFTER } from '../upgrade/refusal.js'
import type { LastCheck } from './last-check.js'
import type { Opening } from './opening.js'
import type { RouteGuard } from './route-guard.js'
import type { RouteSetup } from './route-context.js'
import { kData, kUpgrade, type UpgradeRequest } from './upgrade-state.js'

type Done = (error?: Error) => void

/** The hooks and the handlers of a route: all checks of an upgrade, in their order. */
export class UpgradeHooks {
  readonly #setup: RouteSetup
  readonly #guard: RouteGuard
  readonly #check: LastCheck
  readonly #opening: Opening

  constructor (setup: RouteSetup, guard: RouteGuard, check: LastCheck, opening: Opening) {
    this.#setup = setup
    this.#guard = guard
    this.#check = check
    this.#opening = opening
  }

  /** Returns the route options for Fastify, for one spelling of the path. */
  toRouteOptions (url: string, constraints: undefined | RouteOptions['constraints']): RouteOptions {
    const { isGuarded, given } = this.#setup
    const { schema, config, logLevel, onRequest, preValidation, preHandler } = given
    return {
      method: 'GET',
      url,
      exposeHeadRoute: false,
      prefixTrailingSlash: 'slash',
      // For @fastify/swagger, which would otherwise document a GET route.
      schema: { ...schema, hide: true } as FastifySchema,
      ...(config === undefined ? undefined : { config }),
      ...(logLevel === undefined ? undefined : { logLevel }),
      ...(constraints === undefined ? undefined : { constraints }),
      onRequest: [this.#checkRequest, ...asArray(onRequest)],
      preValidation: [...asArray(preValidation), ...(isGuarded ? [this.#admit] : [])],
      preHandler: [...asArray(preHandler), this.#prepare],
      onError: [this.#fail],
      onSend: [this.#switch],
      handler: demandUpgrade,
      wsHandler: this.#opening.upgraded
    }
  }

  /**
   * Returns a handler that sends the response before the upgrade, so that hooks apply to the 101 as
   * to any response, such as those that set cookies.
   *
   * @param upgrade the handler that `@fastify/websocket` has created for the route. That of the
   * route itself is returned unchanged.
   */
  answerFirst (upgrade: RouteHandlerMethod): RouteHandlerMethod {
    if (upgrade === demandUpgrade) return upgrade
    return function (request, reply) {
      if (!request.ws) return upgrade.call(this, request, reply)
      const begun = (request as UpgradeRequest)[kUpgrade]
      // The hooks of this route have not run: another plugin has replaced them.
      if (begun?.isAdmitted !== true) throw new errors.GuardLost(request.routeOptions.url)
      begun.accept = upgrade
      reply.code(101).send()
    }
  }

  // Not async, as only a predicate of the app can wait here: each promise would cost a microtask.
  readonly #checkRequest = (request: FastifyRequest, reply: FastifyReply, done: Done): void => {
    if (!asksForUpgrade(request)) {
      done(isHandshake(request.raw.headers) ? upgradeDropped(request, reply, 'Upgrade') : undefined)
      return
    }
    checkHandshake(request, reply)
    this.#setup.server.sockets.chooseExtension(request.raw.headers)
    const isAllowed = this.#setup.effective.origins(request)
    if (typeof isAllowed === 'boolean') {
      this.#begin(request, reply, isAllowed)
      done()
    } else {
      isAllowed
        .then((isAllowed) => { this.#begin(request, reply, isAllowed) })
        .then(() => { done() }, done)
    }
  }

  #begin (request: FastifyRequest, reply: FastifyReply, isOriginAllowed: boolean): void {
    if (!isOriginAllowed) {
      const details = { origin: request.headers.origin, own: originOf(request) }
      writeLog(request, 'info', details, 'the origin of the page is not allowed: add it to ' +
        'origins; or, if it is this server behind a proxy that terminates TLS, set trustProxy')
      throw new errors.OriginRefused()
    }
    const { given, isGuarded, effective } = this.#setup
    const takesProtocol = effective.tokenFrom.includes('protocol')
    const token = agreeOnProtocol(request.raw.headers, given.protocols, takesProtocol);
    (request as UpgradeRequest)[kUpgrade] = {
      token,
      response: reply.raw,
      identity: undefined,
      isAdmitted: !isGuarded
    }
  }

  // Runs after the hooks of the app, which may have set the user.
  readonly #admit = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    // null for a plain request.
    const upgrade = (request as UpgradeRequest)[kUpgrade]
    try {
      const identity = await this.#guard.admission.admit(request, upgrade?.token)
      if (upgrade === null) return
      upgrade.identity = identity
      upgrade.isAdmitted = true
    } catch (thrown) {
      throw refused(reply, thrown)
    }
  }

  // Runs after all hooks of the app, which may have set the user also on a route without a guard:
  // the identity is that of the user's token.
  readonly #prepare = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const upgrade = (request as UpgradeRequest)[kUpgrade]
    if (upgrade === null) return
    const { isGuarded, given, server } = this.#setup
    try {
      if (!isGuarded) {
        upgrade.identity = await this.#guard.admission.recognise(request, upgrade.token)
      }
      if (!request.ws) return
      if (given.data !== undefined) (request as UpgradeRequest)[kData] = await given.data(request)
      await server.sockets.verify(request, reply)
    } catch (thrown) {
      throw refused(reply, thrown)
    }
  }

  // An onSend hook has failed: the response is an error now.
  readonly #fail = (
    request: FastifyRequest,
    reply: FastifyReply,
    thrown: unknown,
    done: () => void
  ): void => {
    const upgrade = (request as UpgradeRequest)[kUpgrade]
    if (upgrade?.accept !== undefined) {
      upgrade.accept = undefined
      reply.code(200)
      const err = asError(thrown)
      if (err !== thrown) {
        // Fastify sends no response if an onSend hook fails with a value that is not an Error, and
        // would end the process.
        writeLog(request, 'error', { err }, 'an upgrade has failed')
        reply.hijack()
        refuseAsFailed(reply.raw)
        return
      }
    }
    done()
  }

  // The last check, and the 101, after all hooks. Not async, so that no other client is admitted,
  // and no user revoked, between the two.
  readonly #switch = (
    request: FastifyRequest,
    reply: FastifyReply,
    payload: unknown,
    done: (error: null | Error, payload?: unknown) => void
  ): void => {
    const upgrade = (request as UpgradeRequest)[kUpgrade]
    if (upgrade?.accept === undefined || reply.statusCode !== 101) {
      done(null, payload)
      return
    }
    // The socket was closed while the hooks ran: it takes no slot, and no response can be sent.
    if (request.raw.socket.destroyed) {
      reply.hijack()
      return
    }
    const refusal = this.#check.refusal(request, upgrade.identity)
    if (refusal === undefined) {
      const { accept } = upgrade
      const { scope, server, sockets } = this.#setup
      try {
        server.sockets.upgrade(reply, sockets.server, accept.bind(scope, request, reply))
      } catch (thrown) {
        // It is too late for another response.
        writeLog(request, 'error', { err: asError(thrown) }, 'the upgrade has failed')
        request.raw.socket.destroy()
      }
    } else {
      reply.headers(refusal.headers ?? { 'retry-after': RETRY_AFTER })
      done(refusal)
    }
  }
}

// The handler of the route for plain requests.
async function demandUpgrade (request: FastifyRequest, reply: FastifyReply): Promise<never> {
  throw upgradeRequired(request, reply)
}

// Sets the headers of a rejection on the response, and returns its error. A predicate or a getter
// of the app may throw any value.
function refused (reply: FastifyReply, thrown: unknown): Error {
  const error = asError(thrown)
  reply.headers(headersOf(error))
  return error
}

// Not `request.ws`, which depends on the order of hooks: an upgrade must never bypass the checks.
function asksForUpgrade (request: FastifyRequest): boolean {
  return request.raw.headers.upgrade !== undefined
}

function asArray<T> (value: undefined | T | T[]): T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}
