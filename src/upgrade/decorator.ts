import type { FastifySchema } from 'fastify'
import type { SocketControllerClass } from '../controller/controller.js'
import { errors } from '../errors.js'
import type { UserOfRequest } from '../connection/identity.js'
import type { SocketRouteOptions } from './options.js'
import { notAPath } from './path.js'

/** What `@SocketRoute` says on a class: the path, and any option that `socketRoute` takes. */
export interface DecoratedRoute extends SocketRouteOptions<FastifySchema, UserOfRequest> {
  readonly path: string
}

// Not on the class itself, where subclasses would inherit the route.
const decorated = new WeakMap<object, DecoratedRoute>()

/**
 * Says on a class which socket route it is the controller of; `fastify.socketController(Class)` registers it.
 * A standard decorator (TypeScript 5), which works with `experimentalDecorators` as well.
 *
 * @throws `FSR_ERR_PATH_INVALID` if there is no path; what it is, is checked when the class is registered.
 */
export function SocketRoute (route: DecoratedRoute) {
  const path: unknown = Object(route).path
  if (typeof path !== 'string') throw notAPath(path)
  return <Class extends SocketControllerClass<never>>(controller: Class, _context?: ClassDecoratorContext<Class>): void => {
    decorated.set(controller, route)
  }
}

/**
 * Refuses a decorated class where what the decorator says would be ignored.
 *
 * @throws `FSR_ERR_CONTROLLER_DECORATED`.
 */
export function refuseDecorated (controller: unknown): void {
  if (typeof controller === 'function' && decorated.has(controller)) throw new errors.ControllerDecorated(controller.name || 'This class')
}

/**
 * What `@SocketRoute` said on a class.
 *
 * @throws `FSR_ERR_CONTROLLER_UNDECORATED`.
 */
export function decoratedRoute (controller: unknown): DecoratedRoute {
  const route = typeof controller === 'function' ? decorated.get(controller) : undefined
  if (route === undefined) throw new errors.ControllerUndecorated(typeof controller === 'function' ? controller.name || 'this class' : 'this')
  return route
}
