import { errors } from '../errors.js'
import type { SocketControllerClass } from './controller.js'

/** Where the routes of decorated classes are kept: not on the class, where they would be inherited. */
const decorated = new WeakMap<object, { readonly path: string }>()

/**
 * Says on a class which socket route it is the controller of; `fastify.socketController(Class)` registers it.
 * A standard decorator (TypeScript 5), which works with `experimentalDecorators` as well.
 *
 * @param route the `path`, and any option that `socketRoute` takes.
 */
export function SocketRoute<Options extends { readonly path: string }> (route: Options) {
  return <Class extends SocketControllerClass<never>>(controller: Class, _context?: ClassDecoratorContext<Class>): void => {
    decorated.set(controller, route)
  }
}

/**
 * What `@SocketRoute` said on a class.
 *
 * @throws `FSR_ERR_CONTROLLER_UNDECORATED`.
 */
export function decoratedRoute (controller: unknown): { readonly path: string } {
  const route = typeof controller === 'function' ? decorated.get(controller) : undefined
  if (route === undefined) throw new errors.ControllerUndecorated(typeof controller === 'function' ? controller.name || 'this class' : 'this')
  return route
}
