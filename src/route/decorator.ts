import type { FastifyInstance, FastifySchema } from 'fastify'
import type { UserOfRequest } from '../connection/identity.js'
import type { SocketController, SocketControllerClass } from '../controller/controller.js'
import { errors } from '../errors.js'
import { isRecord } from '../members.js'
import { checkKeys } from '../options/option-checks.js'
import type { SocketRouteOptions } from '../options/options.js'
import { notAPath } from '../upgrade/path.js'

/** What `@SocketRoute` says on a class: the path, and any option that `socketRoute` takes. */
export interface DecoratedRoute extends SocketRouteOptions<FastifySchema, UserOfRequest> {
  readonly path: string
}

/**
 * How `socketController` makes the instance of a class.
 *
 * @typeParam Class the decorated class.
 */
export interface SocketControllerOptions<Class extends abstract new (...given: never) => unknown = SocketControllerClass<never>> {
  /**
   * Makes the instance, such as `(Class) => container.resolve(Class)`. Called once, with the Fastify instance of the scope.
   *
   * @default (Class, fastify) => new Class(fastify)
   */
  readonly create?: undefined | ((Class: Class, fastify: FastifyInstance) => InstanceType<Class>)
}

// On the prototype, where instances, subclasses and proxies have it too. A registered symbol, as there may be two copies of this package.
const kRoute = Symbol.for('fastify-socket-route.route')

interface Decoration {
  readonly route: DecoratedRoute
  /** Of the class, for people. */
  readonly name: string
}

/**
 * Says on a class which socket route it is the controller of; `fastify.socketController()` registers the class, or an instance of it.
 * A standard decorator (TypeScript 5), which works with `experimentalDecorators` as well.
 *
 * @throws `FSR_ERR_PATH_INVALID` if there is no path; what it is, is checked when the class is registered. `FSR_ERR_DECORATOR_INVALID` if
 * there is a second argument, the class is decorated twice, or it is no class.
 */
export function SocketRoute (route: DecoratedRoute, ...rest: readonly never[]) {
  const path: unknown = Object(route).path
  if (typeof path !== 'string') throw notAPath(path)
  // A getter of its class, for instance, would not be among what is copied.
  if (!isRecord(route)) throw new errors.DecoratorInvalid('is given what its options inherit or hide, which would be ignored: give a plain object')
  if (rest.length > 0) throw new errors.DecoratorInvalid('has a second argument, which would be ignored: give all options in one object')
  return <Class extends abstract new (...given: never) => SocketController<never>>(controller: Class, context?: ClassDecoratorContext<Class>): void => {
    const prototype: unknown = typeof controller === 'function' ? controller.prototype : undefined
    // The older decorators of TypeScript give the name of a member here.
    const isMember = context !== undefined && context.kind !== 'class'
    if (isMember || typeof prototype !== 'object' || prototype === null) throw new errors.DecoratorInvalid('stands before something else than a class')
    const name = controller.name || 'This class'
    if (Object.hasOwn(prototype, kRoute)) throw new errors.DecoratorInvalid(`stands twice before ${name}: one of the two routes, and its guard, would be lost`)
    Object.defineProperty(prototype, kRoute, { value: { route: { ...route }, name } satisfies Decoration })
  }
}

// Of a class, of an instance, or of the nearest class that one of them extends.
function decorationOf (controller: unknown): undefined | Decoration {
  let level: unknown = typeof controller === 'function' ? controller.prototype : controller
  while (typeof level === 'object' && level !== null) {
    if (Object.hasOwn(level, kRoute)) return Reflect.get(level, kRoute) as Decoration
    level = Object.getPrototypeOf(level)
  }
}

/**
 * Refuses a decorated class, a subclass or an instance of one where what the decorator says would be ignored.
 *
 * @throws `FSR_ERR_CONTROLLER_DECORATED`.
 */
export function refuseDecorated (controller: unknown): void {
  const decoration = decorationOf(controller)
  if (decoration !== undefined) throw new errors.ControllerDecorated(decoration.name, 'socketRoute()')
}

/**
 * The instance to register, and what `@SocketRoute` said on its class or on the nearest one that this extends.
 *
 * @throws `FSR_ERR_CONTROLLER_UNDECORATED`, `FSR_ERR_CONTROLLER_DECORATED`, `FSR_ERR_OPTION_INVALID`.
 */
export function decoratedController (given: unknown, fastify: FastifyInstance, rest: readonly unknown[]): { readonly controller: unknown, readonly route: DecoratedRoute } {
  const decoration = decorationOf(given)
  if (decoration === undefined) throw new errors.ControllerUndecorated(typeof given === 'function' ? given.name || 'this class' : 'this')
  const create = createOf(given, rest)
  const controller = typeof given === 'function' ? create(given as SocketControllerClass<never>, fastify) : given
  const { name, route } = decorationOf(controller) ?? decoration
  if (route !== decoration.route) throw new errors.ControllerDecorated(name, `socketController(${decoration.name})`)
  return { controller, route }
}

function createOf (given: unknown, rest: readonly unknown[]): NonNullable<SocketControllerOptions['create']> {
  const [options = {}, ...others] = rest
  if (others.length > 0) throw new errors.OptionInvalid('after the second argument', 'is ignored: give all options in one object')
  checkKeys(options, 'of socketController()', ['create'])
  const { create } = options as SocketControllerOptions
  if (create !== undefined && typeof create !== 'function') throw new errors.OptionInvalid('create', 'is not a function (Class, fastify) => controller')
  if (create !== undefined && typeof given !== 'function') throw new errors.OptionInvalid('create', 'has no effect, as socketController() was given an instance')
  return create ?? ((Class, fastify) => new Class(fastify))
}
