import type { FastifyInstance, FastifySchema } from 'fastify'
import type { UserOfRequest } from '../connection/identity.js'
import type { SocketController, SocketControllerClass } from '../controller/controller.js'
import { errors } from '../errors.js'
import { isRecord } from '../members.js'
import { checkMembers } from '../option-checks.js'
import type { SocketRouteOptions } from '../options/options.js'
import { notAPath } from '../upgrade/path-template.js'

/** The argument of `@SocketRoute`: the path, and any option of `socketRoute`. */
export interface DecoratedRoute extends SocketRouteOptions<FastifySchema, UserOfRequest> {
  readonly path: string
}

/**
 * How `socketController` instantiates a class.
 *
 * @typeParam Class the decorated class.
 */
export interface SocketControllerOptions<
  Class extends abstract new (...given: never) => unknown = SocketControllerClass<never>
> {
  /**
   * Creates the instance, such as `(Class) => container.resolve(Class)`. Called once, with the
   * Fastify instance of the scope.
   *
   * @default (Class, fastify) => new Class(fastify)
   */
  readonly create?: undefined | ((Class: Class, fastify: FastifyInstance) => InstanceType<Class>)
}

// The key of the decoration on the prototype, so that instances, subclasses and proxies have it
// too. A registered symbol, as two copies of this package may be installed.
const kRoute = Symbol.for('fastify-socket-route.route')

interface Decoration {
  readonly route: DecoratedRoute
  /** The name of the class, for error texts. */
  readonly name: string
}

/**
 * Declares a class as the controller of a socket route. `fastify.socketController()` registers the
 * class, or an instance of it. A standard decorator (TypeScript 5), which works with
 * `experimentalDecorators` as well.
 *
 * @throws `FSR_ERR_PATH_INVALID` if there is no path; its form is checked when the class is
 * registered. `FSR_ERR_DECORATOR_INVALID` if there is a second argument, the class is decorated
 * twice, or the target is not a class.
 */
export function SocketRoute (route: DecoratedRoute, ...rest: readonly never[]) {
  if (typeof route === 'string') {
    throw new errors.DecoratorInvalid('has a string as its argument, not an object')
  }
  const path: unknown = Object(route).path
  if (typeof path !== 'string') throw notAPath(path)
  // Inherited and non-enumerable properties, such as a getter of a class, would not be copied.
  if (!isRecord(route)) {
    throw new errors.DecoratorInvalid('has options that are inherited or not enumerable, which ' +
      'would be ignored: give a plain object')
  }
  if (rest.length > 0) {
    throw new errors.DecoratorInvalid('has a second argument, which would be ignored: ' +
      'give all options in one object')
  }
  return <Class extends abstract new (...given: never) => SocketController<never>>(
    controller: Class,
    context?: ClassDecoratorContext<Class>
  ): void => {
    const prototype: unknown = typeof controller === 'function' ? controller.prototype : undefined
    // With experimentalDecorators this is the name of the member.
    const isMember = context !== undefined && context.kind !== 'class'
    if (isMember || typeof prototype !== 'object' || prototype === null) {
      throw new errors.DecoratorInvalid('is not on a class')
    }
    const name = controller.name || 'This class'
    if (Object.hasOwn(prototype, kRoute)) {
      throw new errors.DecoratorInvalid(`stands twice before ${name}: one of the two routes, and ` +
        'its guard, would be lost')
    }
    const decoration: Decoration = { route: { ...route }, name }
    Object.defineProperty(prototype, kRoute, { value: decoration })
  }
}

// Returns the decoration of a class or an instance, or of the nearest class that it extends.
function decorationOf (controller: unknown): undefined | Decoration {
  let level: unknown = typeof controller === 'function' ? controller.prototype : controller
  while (typeof level === 'object' && level !== null) {
    if (Object.hasOwn(level, kRoute)) return Reflect.get(level, kRoute) as Decoration
    level = Object.getPrototypeOf(level)
  }
}

/**
 * Rejects a decorated class, a subclass or an instance of one, if the decorator would be ignored.
 *
 * @throws `FSR_ERR_CONTROLLER_DECORATED`.
 */
export function refuseDecorated (controller: unknown): void {
  const decoration = decorationOf(controller)
  if (decoration === undefined) return
  throw new errors.ControllerDecorated(decoration.name, 'socketRoute()')
}

/**
 * Returns the instance to register, and the decoration of its class or of the nearest class that it
 * extends.
 *
 * @throws `FSR_ERR_CONTROLLER_UNDECORATED`, `FSR_ERR_CONTROLLER_DECORATED`,
 * `FSR_ERR_OPTION_INVALID`.
 */
export function decoratedController (
  given: unknown,
  fastify: FastifyInstance,
  rest: readonly unknown[]
): { readonly controller: unknown, readonly route: DecoratedRoute } {
  const decoration = decorationOf(given)
  if (decoration === undefined) {
    const what = typeof given === 'function' ? given.name || 'this class' : 'this'
    throw new errors.ControllerUndecorated(what)
  }
  const create = createOf(given, rest)
  const controller = typeof given === 'function'
    ? create(given as SocketControllerClass<never>, fastify)
    : given
  const { name, route } = decorationOf(controller) ?? decoration
  if (route !== decoration.route) {
    throw new errors.ControllerDecorated(name, `socketController(${decoration.name})`)
  }
  return { controller, route }
}

function createOf (
  given: unknown,
  rest: readonly unknown[]
): NonNullable<SocketControllerOptions['create']> {
  const [options = {}, ...others] = rest
  if (others.length > 0) {
    throw new errors.OptionInvalid('The third argument of socketController()',
      'is ignored: give all options in one object')
  }
  if (decorationOf(options) !== undefined) {
    throw new errors.OptionInvalid('The second argument of socketController()',
      'is a controller: give it as the first, in place of its class')
  }
  checkMembers(options, 'The second argument of socketController()', ['create'])
  const { create } = options as SocketControllerOptions
  if (create !== undefined && typeof create !== 'function') {
    throw new errors.OptionInvalid('Option create of socketController()',
      'is not a function (Class, fastify) => controller')
  }
  if (create !== undefined && typeof given !== 'function') {
    throw new errors.OptionInvalid('Option create of socketController()',
      'has no effect, as socketController() was given an instance')
  }
  return create ?? ((Class, fastify) => new Class(fastify))
}
