import type { FastifyInstance } from 'fastify'
import { errors } from '../errors.js'
import type { SocketScopeOptions } from './options.js'
import { resolveOptions, type EffectiveOptions } from './resolve-options.js'

// One encapsulated context of Fastify, and the options that it adds to those of the outer ones.
interface Scope {
  readonly outer: undefined | Scope
  effective: () => EffectiveOptions
  hasRoutes: boolean
  // The option about roles that was set for it, if any: it has no effect unless a route uses roles.
  roles: undefined | 'roles' | 'roleHierarchy'
  asksForRoles: boolean
}

const kScope = Symbol('fastify-socket-route.scope')
type Scoped = FastifyInstance & { [kScope]: Scope }

/**
 * Opens a scope for the root instance, and one for each context that is created later.
 *
 * @returns a function that throws `FSR_ERR_OPTION_INVALID` if a scope has an option about roles,
 * and none of its routes uses roles.
 */
export function openScopes (fastify: FastifyInstance, root: EffectiveOptions): () => void {
  const scopes: Scope[] = []
  const open = (
    instance: FastifyInstance,
    outer: undefined | Scope,
    effective: () => EffectiveOptions
  ): void => {
    const scope: Scope = {
      outer,
      effective,
      hasRoutes: false,
      roles: undefined,
      asksForRoles: false
    }
    scopes.push(scope);
    (instance as Scoped)[kScope] = scope
  }
  open(fastify, undefined, () => root)
  fastify.addHook('onRegister', (instance) => {
    // A context inherits the properties of the outer one: until it has its own scope, this is the
    // outer scope.
    const outer = (instance as Scoped)[kScope]
    open(instance, outer, () => outer.effective())
  })
  return () => {
    const [silent] = scopes.filter(({ roles, hasRoutes, asksForRoles }) =>
      roles !== undefined && hasRoutes && !asksForRoles)
    if (silent !== undefined) {
      throw new errors.OptionInvalid(`Option ${silent.roles}`, 'has no effect in a scope ' +
        'without a guarded route: everyone may connect. Set isGranted, or leave it out')
    }
  }
}

/**
 * Overrides the options of a scope. The grant is added to those of the outer scopes, which cannot
 * be removed.
 *
 * @throws `FSR_ERR_SCOPE_TOO_LATE` if the scope already has routes, and as `resolveOptions`.
 */
export function addToScope (fastify: FastifyInstance, given: SocketScopeOptions): void {
  const scope = (fastify as Scoped)[kScope]
  if (scope.hasRoutes) throw new errors.ScopeTooLate()
  const { effective } = scope
  scope.effective = () => resolveOptions(effective(), given, 'scope')
  scope.effective()
  for (const name of ['roles', 'roleHierarchy'] as const) {
    if (given[name] !== undefined) scope.roles ??= name
  }
}

/**
 * Returns the effective options of a route in a scope. From now on the options of the scope cannot
 * change.
 */
export function enterScope (fastify: FastifyInstance, given: SocketScopeOptions): EffectiveOptions {
  const scope = (fastify as Scoped)[kScope]
  const effective = resolveOptions(scope.effective(), given, 'route')
  for (let each: undefined | Scope = scope; each !== undefined; each = each.outer) {
    each.hasRoutes = true
  }
  return effective
}

/** Marks that a route of this scope uses roles, so that its options about roles have an effect. */
export function useRoles (fastify: FastifyInstance): void {
  const scope = (fastify as Scoped)[kScope]
  for (let each: undefined | Scope = scope; each !== undefined; each = each.outer) {
    each.asksForRoles = true
  }
}
