import type { FastifyInstance } from 'fastify'
import { checkGrant, type Grant } from '../auth/grant.js'
import { createController } from '../contract/create-controller.js'
import { errors } from '../errors.js'
import type { SocketRouteOptions, SocketScopeOptions } from '../options/options.js'
import { addToScope, enterScope } from '../options/scope.js'
import type { Server } from '../route/app-services.js'
import { decoratedController, refuseDecorated } from '../route/class-decorator.js'
import { Route } from '../route/route.js'
import type { RouteTable } from '../route/route-table.js'
import type { UpgradesLeft } from '../upgrade/left-upgrades.js'
import { barePath, joinPath } from '../upgrade/path-template.js'

/** What the routes of an app are registered with. */
interface Registry {
  readonly table: RouteTable
  readonly left: UpgradesLeft
  readonly server: Server
}

/** Decorates an app with the methods that register routes and options. */
export function decorateRegistration (fastify: FastifyInstance, registry: Registry): void {
  fastify.decorate('socketRoute', function (
    this: FastifyInstance,
    path: string,
    controller: unknown,
    ...rest: unknown[]
  ) {
    refuseDecorated(controller)
    return register(registry, this, path, controller, toOptions(rest))
  } as unknown as FastifyInstance['socketRoute'])
  fastify.decorate('socketController', function (
    this: FastifyInstance,
    given: unknown,
    ...rest: unknown[]
  ) {
    const { controller, route: { path, ...options } } = decoratedController(given, this, rest)
    return register(registry, this, path, controller, options as SocketRouteOptions)
  } as unknown as FastifyInstance['socketController'])
  fastify.decorate('socketScope', function (this: FastifyInstance, options: SocketScopeOptions) {
    addToScope(this, options)
    return this
  })
}

function register (
  { table, left, server }: Registry,
  scope: FastifyInstance,
  path: string,
  controller: unknown,
  given: SocketRouteOptions
): Route {
  const full = joinPath(scope.prefix, barePath(path, scope.prefix))
  left.check(full)
  const effective = enterScope(scope, given)
  const created = createController(full, controller, scope, checkGrant)
  const route = new Route({ server, scope, path: full, given, effective }, created)
  table.add(scope, path, given.constraints, route)
  return route
}

// The third argument is a grant, or all options. Leaving it out is allowed; an explicit undefined
// is an error.
function toOptions (rest: readonly unknown[]): SocketRouteOptions {
  if (rest.length === 0) return {}
  if (rest.length > 1) {
    throw new errors.OptionInvalid('The fourth argument of socketRoute()',
      'is ignored: give all options in one object')
  }
  const [third] = rest
  return typeof third === 'object' && third !== null && !Array.isArray(third)
    ? third
    : { isGranted: third as Grant }
}
