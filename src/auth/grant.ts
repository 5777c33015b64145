import type { FastifyRequest } from 'fastify'
import type { MessageGrant } from '../contract/contract.js'
import type { MessageGuard } from '../contract/contract-router.js'
import { errors } from '../errors.js'
import { then } from '../thenable.js'

/**
 * Decides about one user. It runs after the token was verified, before the upgrade; what it throws is answered by Fastify's
 * error handler.
 */
export type GrantPredicate<User = unknown> = (user: User, request: FastifyRequest) => boolean | undefined | Promise<boolean | undefined>

/** Who may come in: those with a role, with any role of a list, or those whom a predicate lets in. */
export type Grant<User = unknown> = string | readonly string[] | GrantPredicate<User>

/** The roles that each role includes: `{ ROLE_ADMIN: ['ROLE_USER'] }`. */
export type RoleHierarchy = Readonly<Record<string, readonly string[]>>

/** The roles of a user, or a promise of them, and the claim that has them, unless a function of the app tells them. */
export interface RolesOf {
  (user: unknown): readonly string[] | Promise<readonly string[]>
  readonly claim?: string
}

/** All roles that a role stands for, itself among them. */
type Expanded = ReadonlyMap<string, ReadonlySet<string>>

/** Checks that a value says who may come in. @throws `FSR_ERR_GRANT_INVALID`. */
export function checkGrant (value: unknown): asserts value is Grant {
  if (typeof value === 'function') return
  const roles = typeof value === 'string' ? [value] : value
  if (!Array.isArray(roles)) throw new errors.GrantInvalid(value == null ? `is ${value}` : `is a ${typeof value}`)
  // An empty list would let nobody in, or, read otherwise, everybody.
  if (roles.length === 0) throw new errors.GrantInvalid('is an empty list')
  if (roles.some((role) => typeof role !== 'string' || role === '')) throw new errors.GrantInvalid('has a role that is not a name')
}

/** Reads the roles from a claim, or with a function of the app. */
export function createRolesOf (roles: string | ((user: unknown) => unknown)): RolesOf {
  if (typeof roles === 'function') return (user) => then(roles(user), asRoles)
  return Object.assign((user: unknown) => hasClaim(user, roles) ? asRoles(user[roles]) : [], { claim: roles })
}

function hasClaim (user: unknown, claim: string): user is Record<string, unknown> {
  return typeof user === 'object' && user !== null && Object.hasOwn(user, claim)
}

// An array, or a space-separated scope; anything else is no role at all.
function asRoles (value: unknown): readonly string[] {
  if (typeof value === 'string') return value.split(' ')
  return Array.isArray(value) ? value.filter((role) => typeof role === 'string') : []
}

/** Follows each role to all that it includes. @throws `FSR_ERR_ROLE_CYCLE`, `FSR_ERR_OPTION_INVALID`. */
export function createRoleHierarchy (hierarchy: RoleHierarchy): Expanded {
  const expanded = new Map<string, ReadonlySet<string>>()
  const expand = (role: string, path: readonly string[]): ReadonlySet<string> => {
    if (path.includes(role)) throw new errors.RoleCycle([...path.slice(path.indexOf(role)), role].join(' → '))
    const known = expanded.get(role)
    if (known !== undefined) return known
    const all = new Set([role])
    for (const included of Object.hasOwn(hierarchy, role) ? hierarchy[role]! : []) {
      for (const reached of expand(included, [...path, role])) all.add(reached)
    }
    expanded.set(role, all)
    return all
  }
  if (typeof hierarchy !== 'object' || hierarchy === null) throw new errors.OptionInvalid('roleHierarchy', 'is not an object')
  for (const [role, included] of Object.entries(hierarchy)) {
    if (!Array.isArray(included) || included.some((name) => typeof name !== 'string')) throw new errors.OptionInvalid('roleHierarchy', `has no list of roles at '${role}'`)
    expand(role, [])
  }
  return expanded
}

/** A grant with the way to read roles that held where it was given: what is set further in must not change its meaning. */
export interface EffectiveGrant {
  readonly grant: Grant
  readonly rolesOf: RolesOf
  readonly hierarchy: Expanded
}

/** The one question that is asked about every user: which grant says no, if one does. */
export type Guard = (user: unknown, request: FastifyRequest) => undefined | EffectiveGrant | Promise<undefined | EffectiveGrant>

/** Makes it from the grants of the scopes and the route: all must agree, outermost first. What is known at once is not waited for. */
export function createGuard (grants: readonly EffectiveGrant[]): Guard {
  const checks = grants.map((effective) => ({
    effective,
    isGranted: typeof effective.grant === 'function' ? effective.grant : createRoleCheck(asRoleList(effective.grant), effective)
  }))
  const ask = (user: unknown, request: FastifyRequest, index: number): undefined | EffectiveGrant | Promise<undefined | EffectiveGrant> => {
    const check = checks[index]
    if (check === undefined) return
    return then(check.isGranted(user, request), (isGranted) => isGranted === true ? ask(user, request, index + 1) : check.effective)
  }
  return (user, request) => ask(user, request, 0)
}

/** Makes the question that is asked about who sends a message, from what its contract says. */
export function createMessageGuard (grant: MessageGrant, rolesOf: RolesOf, hierarchy: Expanded): MessageGuard {
  if (typeof grant !== 'function') return createRoleCheck(asRoleList(grant), { rolesOf, hierarchy })
  return (user, connection) => then(grant(user as never, connection), (isGranted) => isGranted === true)
}

function createRoleCheck (roles: readonly string[], { rolesOf, hierarchy }: Pick<EffectiveGrant, 'rolesOf' | 'hierarchy'>): (user: unknown) => boolean | Promise<boolean> {
  const sufficient = new Set(roles)
  for (const [role, included] of hierarchy) if (roles.some((each) => included.has(each))) sufficient.add(role)
  return (user) => then(rolesOf(user), (all) => all.some((role) => sufficient.has(role)))
}

/** What a grant asks for, for people. */
export function nameOf (grant: Grant): string {
  return typeof grant === 'function' ? grant.name || 'a predicate' : asRoleList(grant).join(' or ')
}

/** Why a grant has said no, for the log: what it asks for, and whether the user has the claim at all. Nothing of the user is in it. */
export function explain ({ grant, rolesOf: { claim } }: EffectiveGrant, user: unknown): { wanted: string, claim?: string, isClaimThere?: boolean } {
  const wanted = nameOf(grant)
  return typeof grant === 'function' || claim === undefined ? { wanted } : { wanted, claim, isClaimThere: hasClaim(user, claim) }
}

/** The roles that a grant names, any of which lets in. */
export function asRoleList (grant: string | readonly string[]): readonly string[] {
  return typeof grant === 'string' ? [grant] : grant
}
