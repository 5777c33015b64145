import type { FastifyInstance, FastifyRequest, RouteHandlerMethod, RouteOptions } from 'fastify'
import { createMessageGuard } from '../auth/grant.js'
import type { BroadcastOptions, Room } from '../connection/connection.js'
import { ContractRouter, interrupt, upkeepOf } from '../contract/contract-router.js'
import type { ContractDefinition } from '../contract/parse-contract.js'
import type { SocketController } from '../controller/controller.js'
import { withPreMessage } from '../controller/message-hooks.js'
import { errors } from '../errors.js'
import type { SocketRouteOptions } from '../options/options.js'
import type { EffectiveOptions } from '../options/resolve-options.js'
import { ClientSet } from '../room/clients.js'
import { fillPath } from '../upgrade/path-template.js'
import { createCodecs, createRuntime } from './create-runtime.js'
import { LastCheck } from './last-check.js'
import { Opening } from './opening.js'
import { RouteGuard } from './route-guard.js'
import type { SocketRouteHandle } from './route-handle.js'
import { setUp, type RouteSetup } from './route-context.js'
import { compilersOf } from './schema-compilers.js'
import { UpgradeHooks } from './upgrade-hooks.js'

/** The declared properties of a route, from which AsyncAPI is generated. */
export interface RouteDefinition
  extends Pick<SocketRouteOptions, 'schema' | 'config' | 'protocols'> {
  readonly scope: FastifyInstance
}

/** A socket route. */
export class Route implements Omit<SocketRouteHandle, 'hasContract'> {
  readonly name: string
  readonly path: string
  readonly clients: ClientSet
  /** Whether a REST route has the same path. @internal */
  isShared = false
  /** The effective options. @internal */
  readonly effective: EffectiveOptions
  readonly #setup: RouteSetup
  readonly #guard: RouteGuard
  readonly #hooks: UpgradeHooks
  readonly #contractRouter: undefined | ContractRouter

  /**
   * @throws `FSR_ERR_OPTION_INVALID`.
   */
  constructor (
    base: Pick<RouteSetup, 'server' | 'scope' | 'path' | 'given' | 'effective'>,
    controller: SocketController
  ) {
    const contractRouter = controller instanceof ContractRouter ? controller : undefined
    const setup = setUp(base, contractRouter?.definition)
    const { name, server, effective, sockets } = setup
    const codecs = createCodecs(contractRouter, effective)
    this.name = name
    this.path = setup.path
    this.effective = effective
    this.clients = new ClientSet(name, codecs.codec, server.broker, server.fastPath.write)
    this.#setup = setup
    this.#contractRouter = contractRouter
    const guard = this.#guard = new RouteGuard(setup)
    const runtime = createRuntime(server, effective, {
      ...codecs,
      name,
      controller: contractRouter ?? withPreMessage(controller, effective.preMessage),
      interrupt: contractRouter && interrupt,
      upkeepOf: contractRouter && upkeepOf,
      clients: this.clients,
      renew: (request, token, before) => guard.admission.admitAgain(request, token, before),
      limits: { maxPayload: effective.maxPayload, maxFragments: sockets.limits.maxFragments }
    })
    const check = new LastCheck(setup)
    this.#hooks = new UpgradeHooks(setup, guard, check, new Opening(setup, runtime, guard, check))
  }

  url (params: Readonly<Record<string, string | number>> = {}): string {
    return fillPath(this.path, params)
  }

  broadcast (...message: readonly unknown[]): void {
    this.clients.broadcast(...message)
  }

  to (rooms: string | Iterable<string>, options?: BroadcastOptions): Room {
    return this.clients.to(rooms, options)
  }

  get hasContract (): boolean {
    return this.#contractRouter !== undefined
  }

  /** The contract, if the route has one. @internal */
  get contract (): undefined | ContractDefinition {
    return this.#contractRouter?.definition
  }

  /** The declared properties of the route, and its scope. @internal */
  get declared (): RouteDefinition {
    const { given: { schema, config, protocols }, scope } = this.#setup
    return { scope, schema, config, protocols }
  }

  /**
   * Resolves the dependencies of the guard and compiles the contract, once all plugins are loaded.
   *
   * @throws `FSR_ERR_JWT_MISSING`, `FSR_ERR_OPTION_INVALID`, `FSR_ERR_CONTRACT_INVALID`,
   * `FSR_ERR_PACKAGE_UNSUPPORTED`.
   */
  ready (): void {
    this.#guard.ready(this.isShared)
    if (this.#contractRouter !== undefined) this.#compile(this.#contractRouter)
  }

  /** Issues a ticket for the user of a REST request. @throws as `RouteGuard.ticket`. */
  ticket (request: FastifyRequest): Promise<string> {
    return this.#guard.ticket(request)
  }

  /** Returns the route options for Fastify, for one spelling of the path. */
  toRouteOptions (url: string, constraints: undefined | RouteOptions['constraints']): RouteOptions {
    return this.#hooks.toRouteOptions(url, constraints)
  }

  /** Returns the handler of the route, made of that of `@fastify/websocket`. */
  answerFirst (upgrade: RouteHandlerMethod): RouteHandlerMethod {
    return this.#hooks.answerFirst(upgrade)
  }

  #compile (contractRouter: ContractRouter): void {
    const { roles, roleHierarchy, invalidMessages, streamsPerConnection } = this.effective
    const compilers = compilersOf(this.#setup.scope, this.path)
    try {
      contractRouter.compile(compilers, {
        invalidMessages,
        streamsPerConnection,
        hooks: this.effective,
        guardOf: (grant) => createMessageGuard(grant, roles, roleHierarchy)
      })
    } catch (cause) {
      const problem = `cannot be compiled, in the ${(cause as Error).message}`
      throw new errors.ContractInvalid(this.path, problem, { cause })
    }
  }
}
