import { isDeepStrictEqual } from 'node:util'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { errors } from '../errors.js'
import { areSeparate, refuseConfused, type Constrained, type Constraints } from './constraints.js'
import { isHandshake } from '../upgrade/handshake.js'
import { joinPath, mayBeAt, patternOf, slashVariants } from '../upgrade/path.js'
import type { Route } from './route.js'
import { createIsSamePath, isDuplicate, pathsOf, shapeOf, type IsSamePath } from './router.js'

// The constraint that tells upgrade requests from others where a socket route and a REST route share a path.
const UPGRADE = 'socketUpgrade'

const lifecycleHooks = ['onRequest', 'preParsing', 'preValidation', 'preSerialization', 'preHandler', 'onSend', 'onResponse', 'onError', 'onTimeout', 'onRequestAbort'] as const

/** A route at a path: one of ours, or one of bare `@fastify/websocket` or REST. */
interface Taken extends Constrained {
  readonly route?: Route
}

/** The socket routes of an app, and how they get along with its other routes. */
export class RouteTable {
  /** By name, in the order of registration. */
  readonly byName = new Map<string, Route>()
  readonly #fastify: FastifyInstance
  readonly #isSamePath: IsSamePath
  readonly #ignoresTrailingSlash: boolean
  // By the shape of their paths.
  readonly #taken = new Map<string, Taken[]>()
  // Of all paths that a socket can have.
  readonly #patterns: RegExp[] = []
  // Whether routes that were there before this table may be ones of bare @fastify/websocket.
  readonly #hadSockets: boolean
  // Whose handler of sockets it is.
  readonly #ofHandlers = new WeakMap<object, Route>()
  #adding: undefined | { readonly url: string, options?: RouteOptions }

  /** @throws `FSR_ERR_ALREADY_REGISTERED` if the app has a table already, in whatever scope: upgrades of a server are handled once. */
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

  /** Looks at all routes to come, behind the hook of `@fastify/websocket`, which makes a handler of its own of each. */
  watch (): void {
    this.#fastify.addHook('onRoute', (options) => {
      const route = this.#ofHandlers.get(options.wsHandler ?? options)
      // Also of a copy that a hook of another plugin has made.
      if (route !== undefined) options.handler = route.answerFirst(options.handler)
      if (this.#adding !== undefined && this.#adding.options === undefined && options.url === this.#adding.url) this.#adding.options = options
      else this.#meet(options)
    })
  }

  /**
   * Registers a route in a scope, with and without a slash at the end of its path.
   *
   * @throws `FSR_ERR_NAME_DUPLICATE`, `FSR_ERR_PATH_DUPLICATE`, `FSR_ERR_PATH_AMBIGUOUS`, `FSR_ERR_PATH_INVALID`, `FSR_ERR_ROUTE_CHANGED`.
   */
  add (fastify: FastifyInstance, path: string, given: undefined | Constraints, route: Route): void {
    const constraints = given ?? {}
    const all = [...this.#urlsOf(path, fastify.prefix)].map(([full, url]) => {
      const others = this.#at(full)
      const isShared = others.some((other) => other.kind === 'rest' && !areSeparate(constraints, other.constraints)) || this.#hasUnknown(full, constraints, others)
      const taken: Taken = { kind: 'socket', path: full, constraints, count: Object.keys(constraints).length + Number(isShared), route }
      for (const other of others) refuseConfused(taken, other)
      return { url, isShared, taken }
    })
    if (this.byName.has(route.name)) throw new errors.NameDuplicate(route.name)
    const [first, ...others] = all.map(({ url, isShared, taken }) => {
      if (isShared) route.isShared = true
      this.#take(taken)
      const options = route.toRouteOptions(url, isShared ? { ...given, [UPGRADE]: 'websocket' } : given)
      this.#ofHandlers.set(options.wsHandler!, route)
      return this.#register(fastify, taken.path, options)
    }) as [RouteOptions, ...RouteOptions[]]
    // What hooks onRoute of other plugins made for one spelling of the path, such as a counter of requests, is that of all. Fastify reads
    // these when it gets ready.
    for (const other of others) for (const hook of lifecycleHooks) other[hook] = first[hook] as never
    this.byName.set(route.name, route)
    this.#patterns.push(patternOf(route.path))
  }

  /** Whether a path, however it is written, may be that of a socket route, or of a bare route of `@fastify/websocket`. */
  mayHaveSocket (path: string): boolean {
    return mayBeAt(this.#patterns, path)
  }

  #register (fastify: FastifyInstance, url: string, given: RouteOptions): RouteOptions {
    const options = this.#route(fastify, url, given)
    // A hook that ran before has changed the path.
    const changed = options?.url !== url ? 'path' : changedIn(given, options)
    if (changed !== undefined) throw new errors.RouteChanged(changed, url)
    return options!
  }

  // What hooks onRoute have made of it, unless one of them has given it another path.
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

  // Another route of the app.
  #meet (options: RouteOptions): void {
    const isWebsocket = options.websocket === true || options.wsHandler !== undefined
    if ([options.method].flat().includes('GET')) this.#meetGet(options, isWebsocket)
    // @fastify/websocket would upgrade it, only to close.
    if (isWebsocket) this.#patterns.push(patternOf(options.url))
    else options.onRequest = [refuseUpgrade, ...[options.onRequest ?? []].flat()]
  }

  #meetGet (options: RouteOptions, isWebsocket: boolean): void {
    const { constraints = {} } = options
    const urls = pathsOfOther(options)
    const others = urls.flatMap((each) => this.#at(each))
    const sharing = isWebsocket ? [] : others.filter((other) => other.route !== undefined && !areSeparate(constraints, other.constraints))
    const length = Object.keys(constraints).length
    // Not without need: REST that is marked comes before other REST.
    const isMarked = sharing.some((other) => other.count <= Math.max(length, Object.keys(other.constraints).length))
    const taken = { kind: isWebsocket ? 'socket' : 'rest', constraints, count: length + Number(isMarked) } as const
    for (const path of urls) {
      for (const other of others) if (!isWebsocket || other.route !== undefined) refuseConfused({ ...taken, path }, other)
      this.#take({ ...taken, path })
    }
    for (const { route } of sharing) route!.isShared = true
    if (isMarked) options.constraints = { ...constraints, [UPGRADE]: 'none' }
  }

  // By the whole path, which is one where the router ignores a slash at its end.
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
    return (this.#taken.get(shapeOf(path)) ?? []).filter((other) => this.#isSamePath(other.path, path))
  }

  #take (taken: Taken): void {
    const shape = shapeOf(taken.path)
    const known = this.#taken.get(shape)
    if (known === undefined) this.#taken.set(shape, [taken])
    else known.push(taken)
  }

  // Whether the router has a route there from before this table.
  #hasUnknown (url: string, constraints: Constraints, others: readonly Taken[]): boolean {
    if (others.some((other) => isDeepStrictEqual(other.constraints, constraints)) || !this.#fastify.hasRoute({ method: 'GET', url, constraints })) return false
    // It may be one of bare @fastify/websocket, which would lose its upgrades.
    if (this.#hadSockets) throw new errors.PathDuplicate(url, url)
    return true
  }
}

// The paths of another route. Fastify registers '/' of a scope also with the slash, and does not tell.
function pathsOfOther (options: RouteOptions & { readonly routePath?: string }): readonly string[] {
  const urls = pathsOf(options.url)
  return options.routePath === '' ? [...urls, `${options.url}/`] : urls
}

// What a hook onRoute of another plugin has made of a route, where that would take its guard away.
function changedIn (given: RouteOptions, options: RouteOptions): undefined | string {
  if ([options.method].flat().join() !== 'GET') return 'method'
  if (typeof options.wsHandler !== 'function') return 'wsHandler'
  for (const [name, value] of Object.entries(given.constraints ?? {})) if (!isDeepStrictEqual(Reflect.get(options.constraints ?? {}, name), value)) return 'constraints'
  return (['onRequest', 'preValidation', 'preHandler', 'onError', 'onSend'] as const).find((hook) => lengthOf(options[hook]) < lengthOf(given[hook]))
}

function lengthOf (hooks: unknown): number {
  return [hooks ?? []].flat().length
}

async function refuseUpgrade (request: FastifyRequest, reply: FastifyReply): Promise<undefined | FastifyReply> {
  if (!request.ws) return
  reply.callNotFound()
  return reply
}
