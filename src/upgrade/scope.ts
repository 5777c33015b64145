import type { FastifyInstance } from 'fastify'
import { checkHook, type Hooks } from '../controller/hooks.js'
import { errors } from '../errors.js'
import type { Grant, GrantInForce } from './grant.js'
import type { SocketScopeOptions } from './options.js'
import { resolveOptions, type Options } from './resolve.js'

/** What holds at one place of the app: the innermost of each option, and all grants and hooks, outermost first. */
export interface InForce {
  readonly options: Options
  readonly grants: readonly GrantInForce[]
  readonly hooks: Hooks
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
export function overlay ({ options, grants, hooks }: InForce, given: SocketScopeOptions, level: 'plugin' | 'scope' | 'route'): InForce {
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
