import type { FastifyInstance } from 'fastify'
import { checkHook, type Hooks } from '../controller/hooks.js'
import { errors } from '../errors.js'
import type { Grant, EffectiveGrant } from '../auth/grant.js'
import type { SocketScopeOptions } from './options.js'
import { resolveOptions, type Options } from './resolve-options.js'

/** What holds at one place of the app: the innermost of each option, and all grants and hooks, outermost first. */
export interface EffectiveOptions {
  readonly options: Options
  readonly grants: readonly EffectiveGrant[]
  readonly hooks: Hooks
}

// What one encapsulated context of Fastify adds to its surroundings.
interface Scope {
  readonly outer: undefined | Scope
  effective: () => EffectiveOptions
  hasRoutes: boolean
  // An option that it was given which reads like a guard, and whether one of its routes asks for roles.
  roles: undefined | 'roles' | 'roleHierarchy'
  asksForRoles: boolean
}

const kScope = Symbol('fastify-socket-route.scope')
type Scoped = FastifyInstance & { [kScope]: Scope }

/**
 * Gives the root its scope, and each context that is made later one of its own.
 *
 * @returns a function that throws `FSR_ERR_OPTION_INVALID` if roles were said for a scope, and none of its routes asks for any.
 */
export function openScopes (fastify: FastifyInstance, root: EffectiveOptions): () => void {
  const scopes: Scope[] = []
  const open = (instance: FastifyInstance, outer: undefined | Scope, effective: () => EffectiveOptions): void => {
    const scope: Scope = { outer, effective, hasRoutes: false, roles: undefined, asksForRoles: false }
    scopes.push(scope);
    (instance as Scoped)[kScope] = scope
  }
  open(fastify, undefined, () => root)
  fastify.addHook('onRegister', (instance) => {
    // A context inherits from its surroundings, so before it has a scope of its own it shows the outer one.
    const outer = (instance as Scoped)[kScope]
    open(instance, outer, () => outer.effective())
  })
  return () => {
    const [silent] = scopes.filter(({ roles, hasRoutes, asksForRoles }) => roles !== undefined && hasRoutes && !asksForRoles)
    if (silent !== undefined) throw new errors.OptionInvalid(silent.roles, 'has no effect in a scope of which no route is guarded: everyone would be let in. Say who may come in by isGranted, or leave it out')
  }
}

/**
 * Lays options over those of a scope. Its grant is added: what an outer scope demands cannot be taken back.
 *
 * @throws `FSR_ERR_SCOPE_TOO_LATE` if there are routes that would not obey them, and as `resolveOptions`.
 */
export function addToScope (fastify: FastifyInstance, given: SocketScopeOptions): void {
  const scope = (fastify as Scoped)[kScope]
  if (scope.hasRoutes) throw new errors.ScopeTooLate()
  const { effective } = scope
  scope.effective = () => overlay(effective(), given, 'scope')
  scope.effective()
  for (const name of ['roles', 'roleHierarchy'] as const) if (given[name] !== undefined) scope.roles ??= name
}

/** What holds in a context for a route with these options of its own; the context's options are fixed from now on. */
export function enterScope (fastify: FastifyInstance, given: SocketScopeOptions): EffectiveOptions {
  const scope = (fastify as Scoped)[kScope]
  const effective = overlay(scope.effective(), given, 'route')
  for (let each: undefined | Scope = scope; each !== undefined; each = each.outer) each.hasRoutes = true
  return effective
}

/** A route of this context asks for the roles of its users, so that what was said of roles has an effect. */
export function useRoles (fastify: FastifyInstance): void {
  for (let each: undefined | Scope = (fastify as Scoped)[kScope]; each !== undefined; each = each.outer) each.asksForRoles = true
}

/** Lays options over what holds already. */
export function overlay ({ options, grants, hooks }: EffectiveOptions, given: SocketScopeOptions, level: 'plugin' | 'scope' | 'route'): EffectiveOptions {
  const resolved = resolveOptions(options, given, level)
  const { isGranted, preMessage, preSend } = given
  const { rolesOf, hierarchy } = resolved
  return {
    options: resolved,
    grants: isGranted === undefined ? grants : [...grants, { grant: copyOf(isGranted as Grant), rolesOf, hierarchy }],
    hooks: { preMessage: [...hooks.preMessage, ...hooksOf('preMessage', preMessage)], preSend: [...hooks.preSend, ...hooksOf('preSend', preSend)] }
  }
}

function hooksOf<Hook> (name: keyof Hooks, given: undefined | Hook | readonly Hook[]): readonly Hook[] {
  if (given === undefined) return []
  const hooks = Array.isArray(given) ? given as readonly Hook[] : [given as Hook]
  for (const hook of hooks) checkHook(name, hook)
  return hooks
}

// A list that the app changes later must not change who may come in.
function copyOf (grant: Grant): Grant {
  return Array.isArray(grant) ? [...grant] : grant
}
