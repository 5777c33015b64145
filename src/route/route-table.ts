import { isDeepStrictEqual } from 'node:util'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { errors } from '../errors.js'
import { checkHandler } from '../host/fastify-websocket-internals.js'
import { areSeparate, refuseConfused, type Constrained, type Constraints } from './constraints.js'
import { isHandshake } from '../upgrade/handshake.js'
import { joinPath, mayBeAt, patternOf, slashVariants } from '../upgrade/path-template.js'
import type { Route } from './route.js'
import {
  createIsSamePath,
  isDuplicate,
  pathsOf,
  shapeOf,
  type IsSamePath
} from './path-equivalence.js'

// The constraint for upgrade requests, if a socket route and a REST route share a path.
const UPGRADE = 'socketUpgrade'

const lifecycleHooks = [
  'onRequest', 'preParsing', 'preValidation', 'preSerialization', 'preHandler', 'onSend',
  'onResponse', 'onError', 'onTimeout', 'onRequestAbort'
] as const

const guardHooks = ['onRequest', 'preValidation', 'preHandler', 'onError', 'onSend'] as const

/** A registered route: a socket route, or a route of bare `@fastify/websocket` or of REST. */
interface Taken extends Constrained {
  readonly route?: Route
}

/** The socket routes of an app. Detects conflicts with each other and with its other routes. */
export class RouteTable {
  /** By name, in the order of registration. */
  readonly byName = new Map<string, Route>()
  readonly #fastify: FastifyInstance
  readonly #isSamePath: IsSamePath
  readonly #ignoresTrailingSlash: boolean
  // All routes, by the shape of their paths.
  readonly #taken = new Map<string, Taken[]>()
  // The paths of all routes with sockets.
  readonly #patterns: RegExp[] = []
  // Whether routes registered before this table may be routes of bare @fastify/websocket.
  readonly #hadSockets: boolean
  // The route of each wsHandler.
  readonly #ofHandlers = new WeakMap<object, Route>()
  #adding: undefined | { readonly url: string, options?: RouteOptions }

  /**
   * @throws `FSR_ERR_ALREADY_REGISTERED` if the app has a table already, in any scope: the upgrades
   * of a server are handled once.
   */
  constructor (fastify: FastifyInstance) {
    if (fastify.hasConstraintStrategy(UPGRADE)) throw new errors.AlreadyRegistered()
    this.#fastify = fastify
    this.#isSamePath = createIsSamePath(fastify)
    this.#ignoresTrailingSlash = this.#isSamePath('/a', '/a/')
    this.#hadSockets = fastify.hasDecorator('websocketServer')
    fastify.addConstraintStrategy({
      name: UPGRADE,
      storage: () => new Map() as never,
      deriveConstraint: (request) => isHandshake(request.headers) ? 'websocket' : 'none',
      validate: () => {},
      mustMatchWhenDerived: false
    })
  }

  /**
   * Adds an `onRoute` hook for all further routes. It runs after that of `@fastify/websocket`,
   * which replaces the handler of each route.
   */
  watch (): void {
    this.#fastify.addHook('onRoute', (options) => {
      const route = this.#ofHandlers.get(options.wsHandler ?? options)
      // The wsHandler identifies the route also if a hook of another plugin has copied the options.
      if (route !== undefined) options.handler = route.answerFirst(options.handler)
      const adding = this.#adding
      if (adding !== undefined && adding.options === undefined && options.url === adding.url) {
        adding.options = options
      } else this.#meet(options)
    })
  }

  /**
   * Registers a route in a scope, with and without a trailing slash.
   *
   * @throws `FSR_ERR_NAME_DUPLICATE`, `FSR_ERR_PATH_DUPLICATE`, `FSR_ERR_PATH_AMBIGUOUS`,
   * `FSR_ERR_PATH_INVALID`, `FSR_ERR_ROUTE_CHANGED`, `FSR_ERR_PACKAGE_UNSUPPORTED`.
   */
  add (fastify: FastifyInstance, path: string, given: undefined | Constraints, route: Route): void {
    const constraints = given ?? {}
    const written = joinPath(fastify.prefix, path)
    const all = [...this.#urlsOf(path, fastify.prefix)].map(([full, url]) => {
      const others = this.#at(full)
      const isShared = others.some((other) =>
        other.kind === 'rest' && !areSeparate(constraints, other.constraints)) ||
        this.#hasUnknown(full, constraints, others)
      const count = Object.keys(constraints).length + Number(isShared)
      const taken: Taken = { kind: 'socket', path: full, written, constraints, count, route }
      for (const other of others) refuseConfused(taken, other)
      return { url, isShared, taken }
    })
    if (this.byName.has(route.name)) throw new errors.NameDuplicate(route.name)
    const [first, ...others] = all.map(({ url, isShared, taken }) => {
      if (isShared) route.isShared = true
      this.#take(taken)
      const options = route.toRouteOptions(url, isShared
        ? { ...given, [UPGRADE]: 'websocket' }
        : given)
      this.#ofHandlers.set(options.wsHandler!, route)
      return this.#register(fastify, taken.path, options)
    }) as [RouteOptions, ...RouteOptions[]]
    // All spellings of the path share the hooks that onRoute hooks of other plugins have added for
    // the first, such as a request counter. Fastify reads them when it becomes ready.
    for (const other of others) {
      for (const hook of lifecycleHooks) other[hook] = first[hook] as never
    }
    this.byName.set(route.name, route)
    this.#patterns.push(patternOf(route.path))
  }

  /**
   * Whether a path, in any spelling, may be that of a socket route or of a route of bare
   * `@fastify/websocket`.
   */
  mayHaveSocket (path: string): boolean {
    return mayBeAt(this.#patterns, path)
  }

  #register (fastify: FastifyInstance, url: string, given: RouteOptions): RouteOptions {
    const options = this.#route(fastify, url, given)
    // The path differs if a hook that ran before has changed it.
    const changed = options?.url !== url ? 'path' : changedIn(given, options)
    if (changed !== undefined) throw new errors.RouteChanged(changed, url)
    checkHandler(options!.handler, given.handler)
    return options!
  }

  // Registers the route, and returns its options after all onRoute hooks; undefined if one of them
  // has changed the path.
  #route (fastify: FastifyInstance, url: string, given: RouteOptions): undefined | RouteOptions {
    const adding: { url: string, options?: RouteOptions } = { url }
    this.#adding = adding
    try {
      fastify.route(given)
    } catch (error) {
      this.#adding = undefined
      throw isDuplicate(error) ? new errors.PathDuplicate(url, url) : error
    }
    this.#adding = undefined
    return adding.options
  }

  // Checks another route of the app.
  #meet (options: RouteOptions): void {
    const isWebsocket = options.websocket === true || options.wsHandler !== undefined
    if ([options.method].flat().includes('GET')) this.#meetGet(options, isWebsocket)
    // For any other route, @fastify/websocket would accept the upgrade and close it at once.
    if (isWebsocket) this.#patterns.push(patternOf(options.url))
    else options.onRequest = [refuseUpgrade, ...[options.onRequest ?? []].flat()]
  }

  #meetGet (options: RouteOptions, isWebsocket: boolean): void {
    const { constraints = {} } = options
    const urls = pathsOfOther(options)
    const others = urls.flatMap((each) => this.#at(each))
    const sharing = isWebsocket
      ? []
      : others.filter((other) =>
        other.route !== undefined && !areSeparate(constraints, other.constraints))
    const length = Object.keys(constraints).length
    // Marked only if necessary: a marked REST route takes precedence over other REST routes.
    const isMarked = sharing.some((other) =>
      other.count <= Math.max(length, Object.keys(other.constraints).length))
    const taken = {
      kind: isWebsocket ? 'socket' : 'rest',
      constraints,
      count: length + Number(isMarked)
    } as const
    for (const path of urls) {
      const each = { ...taken, path, written: path }
      for (const other of others) {
        if (!isWebsocket || other.route !== undefined) refuseConfused(each, other)
      }
      this.#take(each)
    }
    for (const { route } of sharing) route!.isShared = true
    if (isMarked) options.constraints = { ...constraints, [UPGRADE]: 'none' }
  }

  // Returns the URLs to register, by their full path. There is only one if the router ignores
  // trailing slashes.
  #urlsOf (path: string, prefix: string): ReadonlyMap<string, string> {
    const urls = new Map<string, string>()
    for (const url of slashVariants(path, prefix)) {
      const full = joinPath(prefix, url)
      const known = this.#ignoresTrailingSlash && full.endsWith('/') ? full.slice(0, -1) : full
      if (!urls.has(known)) urls.set(full, url)
    }
    return urls
  }

  #at (path: string): readonly Taken[] {
    return (this.#taken.get(shapeOf(path)) ?? [])
      .filter((other) => this.#isSamePath(other.path, path))
  }

  #take (taken: Taken): void {
    const shape = shapeOf(taken.path)
    const known = this.#taken.get(shape)
    if (known === undefined) this.#taken.set(shape, [taken])
    else known.push(taken)
  }

  // Whether the router has a route at the path that was registered before this table.
  #hasUnknown (url: string, constraints: Constraints, others: readonly Taken[]): boolean {
    if (
      others.some((other) => isDeepStrictEqual(other.constraints, constraints)) ||
      !this.#fastify.hasRoute({ method: 'GET', url, constraints })
    ) return false
    // It may be a route of bare @fastify/websocket, which would lose its upgrades.
    if (this.#hadSockets) throw new errors.PathDuplicate(url, url)
    return true
  }
}

// Returns the paths of another route. Fastify registers '/' of a scope also with the trailing
// slash, for which no onRoute hook runs.
function pathsOfOther (options: RouteOptions & { readonly routePath?: string }): readonly string[] {
  const urls = pathsOf(options.url)
  return options.routePath === '' ? [...urls, `${options.url}/`] : urls
}

// Returns the property that an onRoute hook of another plugin has changed, if the change could
// remove the guard.
function changedIn (given: RouteOptions, options: RouteOptions): undefined | string {
  if ([options.method].flat().join() !== 'GET') return 'method'
  if (typeof options.wsHandler !== 'function') return 'wsHandler'
  for (const [name, value] of Object.entries(given.constraints ?? {})) {
    const actual: unknown = Reflect.get(options.constraints ?? {}, name)
    if (!isDeepStrictEqual(actual, value)) return 'constraints'
  }
  return guardHooks.find((hook) => lengthOf(options[hook]) < lengthOf(given[hook]))
}

function lengthOf (hooks: unknown): number {
  return [hooks ?? []].flat().length
}

async function refuseUpgrade (
  request: FastifyRequest,
  reply: FastifyReply
): Promise<undefined | FastifyReply> {
  if (!request.ws) return
  reply.callNotFound()
  return reply
}
