import type { FastifyInstance } from 'fastify'
import { errors } from '../errors.js'
import type { Grant, GrantInForce } from './grant.js'
import type { SocketScopeOptions } from './options.js'
import { resolveOptions, type Options } from './resolve.js'

/** What holds at one place of the app: the innermost of each option, and all grants, outermost first. */
export interface InForce {
  readonly options: Options
  readonly grants: readonly GrantInForce[]
}

// What one encapsulated context of Fastify adds to its surroundings.
interface Scope {
  readonly outer: undefined | Scope
  inForce: () => InForce
  hasRoutes: boolean
}

const kScope = Symbol('fastify-socket-route.scope')
type Scoped = FastifyInstance & { [kScope]: Scope }

/** Gives the root its scope, and each context that is made later one of its own. */
export function openScopes (fastify: FastifyInstance, root: InForce): void {
  (fastify as Scoped)[kScope] = { outer: undefined, inForce: () => root, hasRoutes: false }
  fastify.addHook('onRegister', (instance) => {
    // A context inherits from its surroundings, so before it has a scope of its own it shows the outer one.
    const outer = (instance as Scoped)[kScope];
    (instance as Scoped)[kScope] = { outer, inForce: () => outer.inForce(), hasRoutes: false }
  })
}

/**
 * Lays options over those of a scope. Its grant is added: what an outer scope demands cannot be taken back.
 *
 * @throws `FSR_ERR_SCOPE_TOO_LATE` if there are routes that would not obey them, and as `resolveOptions`.
 */
export function addToScope (fastify: FastifyInstance, given: SocketScopeOptions): void {
  const scope = (fastify as Scoped)[kScope]
  if (scope.hasRoutes) throw new errors.ScopeTooLate()
  const { inForce } = scope
  scope.inForce = () => overlay(inForce(), given, 'scope')
  scope.inForce()
}

/** What holds in a context for a route with these options of its own; the context's options are fixed from now on. */
export function enterScope (fastify: FastifyInstance, given: SocketScopeOptions): InForce {
  const scope = (fastify as Scoped)[kScope]
  const inForce = overlay(scope.inForce(), given, 'route')
  for (let each: undefined | Scope = scope; each !== undefined; each = each.outer) each.hasRoutes = true
  return inForce
}

/** Lays options over what holds already. */
export function overlay ({ options, grants }: InForce, given: SocketScopeOptions, level: 'plugin' | 'scope' | 'route'): InForce {
  const resolved = resolveOptions(options, given, level)
  if (given.isGranted === undefined) return { options: resolved, grants }
  const { rolesOf, hierarchy } = resolved
  return { options: resolved, grants: [...grants, { grant: copyOf(given.isGranted as Grant), rolesOf, hierarchy }] }
}

// A list that the app changes later must not change who may come in.
function copyOf (grant: Grant): Grant {
  return Array.isArray(grant) ? [...grant] : grant
}
