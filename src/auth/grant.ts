import type { FastifyRequest } from 'fastify'
import type { WsConnection } from '../connection/connection.js'
import type { MessageGrant } from '../contract/contract.js'
import type { MessageGuard } from '../contract/compiled-message.js'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'
import { then } from '../thenable.js'

/**
 * Decides whether a user may connect. It runs after the token was verified, before the upgrade. The
 * error handler of Fastify replies to what it throws.
 */
export type GrantPredicate<User = unknown> =
  (user: User, request: FastifyRequest) => boolean | undefined | Promise<boolean | undefined>

/**
 * Users that may connect: those with a role, with any role of a list, or as a predicate decides.
 */
export type Grant<User = unknown> = string | readonly string[] | GrantPredicate<User>

/** The roles that each role includes: `{ ROLE_ADMIN: ['ROLE_USER'] }`. */
export type RoleHierarchy = Readonly<Record<string, readonly string[]>>

/** Returns the roles of a user, or a promise of them. */
export interface RolesOf {
  (user: unknown): readonly string[] | Promise<readonly string[]>
  /** The claim that has the roles; undefined where a function of the app returns them. */
  readonly claim?: string
}

/** Each role with all roles that it includes, itself among them. */
type Expanded = ReadonlyMap<string, ReadonlySet<string>>

/** Checks that a value is a valid grant. @throws `FSR_ERR_GRANT_INVALID`. */
export function checkGrant (value: unknown): asserts value is Grant {
  if (typeof value === 'function') return
  const roles = typeof value === 'string' ? [value] : value
  if (!Array.isArray(roles)) {
    throw new errors.GrantInvalid(value == null
      ? `is ${value}`
      : `is ${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`)
  }
  // An empty list could be read as "no user may connect" or as "every user may connect".
  if (roles.length === 0) throw new errors.GrantInvalid('is an empty list')
  if (roles.some((role) => typeof role !== 'string' || role === '')) {
    throw new errors.GrantInvalid('has an empty role, or one that is not a string')
  }
}

/** Creates the function that reads roles: from a claim, or by a function of the app. */
export function createRolesOf (roles: string | ((user: unknown) => unknown)): RolesOf {
  if (typeof roles === 'function') return (user) => then(roles(user), asRoles)
  const read = (user: unknown) => hasClaim(user, roles) ? asRoles(user[roles]) : []
  return Object.assign(read, { claim: roles })
}

function hasClaim (user: unknown, claim: string): user is Record<string, unknown> {
  return typeof user === 'object' && user !== null && Object.hasOwn(user, claim)
}

// An array, or a space-separated scope; any other value has no roles.
function asRoles (value: unknown): readonly string[] {
  if (typeof value === 'string') return value.split(' ')
  return Array.isArray(value) ? value.filter((role) => typeof role === 'string') : []
}

/**
 * Expands each role to all roles it includes.
 *
 * @throws `FSR_ERR_ROLE_CYCLE`, `FSR_ERR_OPTION_INVALID`.
 */
export function createRoleHierarchy (hierarchy: RoleHierarchy): Expanded {
  const expanded = new Map<string, ReadonlySet<string>>()
  const expand = (role: string, path: readonly string[]): ReadonlySet<string> => {
    if (path.includes(role)) {
      throw new errors.RoleCycle([...path.slice(path.indexOf(role)), role].join(' → '))
    }
    const known = expanded.get(role)
    if (known !== undefined) return known
    const all = new Set([role])
    for (const included of Object.hasOwn(hierarchy, role) ? hierarchy[role]! : []) {
      for (const reached of expand(included, [...path, role])) all.add(reached)
    }
    expanded.set(role, all)
    return all
  }
  if (typeof hierarchy !== 'object' || hierarchy === null) {
    throw new errors.OptionInvalid('Option roleHierarchy', 'is not an object')
  }
  for (const [role, included] of Object.entries(hierarchy)) {
    if (!Array.isArray(included) || included.some((name) => typeof name !== 'string')) {
      throw new errors.OptionInvalid('Option roleHierarchy', `has no list of roles at '${role}'`)
    }
    expand(role, [])
  }
  return expanded
}

/**
 * A grant with the `roles` and `roleHierarchy` of the scope or route that set it. Options of an
 * inner scope do not change its meaning.
 */
export interface EffectiveGrant {
  readonly grant: Grant
  readonly rolesOf: RolesOf
  readonly hierarchy: Expanded
}

/** Returns the grant that refuses a user; undefined if every grant of the route agrees. */
export type Guard = (
  user: unknown,
  request: FastifyRequest
) => undefined | EffectiveGrant | Promise<undefined | EffectiveGrant>

/**
 * Creates the guard of a route from the grants of its scopes and its own. They are checked in turn,
 * outermost first. The guard returns synchronously unless a grant is asynchronous.
 */
export function createGuard (grants: readonly EffectiveGrant[]): Guard {
  const checks = grants.map((effective) => ({
    effective,
    isGranted: typeof effective.grant === 'function'
      ? effective.grant
      : createRoleCheck(asRoleList(effective.grant), effective)
  }))
  const checkFrom = (
    user: unknown,
    request: FastifyRequest,
    index: number
  ): undefined | EffectiveGrant | Promise<undefined | EffectiveGrant> => {
    const check = checks[index]
    if (check === undefined) return
    return then(check.isGranted(user, request), (isGranted) =>
      isGranted === true ? checkFrom(user, request, index + 1) : check.effective)
  }
  return (user, request) => checkFrom(user, request, 0)
}

/**
 * Creates the guard of a message from the `isGranted` of its contract. A refusal is logged at
 * `debug`.
 */
export function createMessageGuard (
  grant: MessageGrant,
  rolesOf: RolesOf,
  hierarchy: Expanded
): MessageGuard {
  const effective = { grant: grant as Grant, rolesOf, hierarchy }
  const check = typeof grant === 'function'
    ? grant as (user: unknown, connection: WsConnection) => unknown
    : createRoleCheck(asRoleList(grant), effective)
  return (user, connection) =>
    then(check(user, connection), (isGranted) => {
      if (isGranted === true) return true
      const details = { ...explain(effective, user), hasUser: user !== null }
      writeLog(connection, 'debug', details, 'isGranted refused a message')
      return false
    })
}

function createRoleCheck (
  roles: readonly string[],
  { rolesOf, hierarchy }: Pick<EffectiveGrant, 'rolesOf' | 'hierarchy'>
): (user: unknown) => boolean | Promise<boolean> {
  const sufficient = new Set(roles)
  for (const [role, included] of hierarchy) {
    if (roles.some((each) => included.has(each))) sufficient.add(role)
  }
  return (user) => then(rolesOf(user), (all) => all.some((role) => sufficient.has(role)))
}

/** A readable description of a grant. */
export function nameOf (grant: Grant): string {
  return typeof grant === 'function' ? grant.name || 'a predicate' : asRoleList(grant).join(' or ')
}

/**
 * Explains a refusal, for the log: what the grant requires, and whether the user has the claim with
 * roles. It has no data of the user.
 */
export function explain (
  { grant, rolesOf: { claim } }: EffectiveGrant,
  user: unknown
): { wanted: string, claim?: string, isClaimThere?: boolean } {
  const wanted = nameOf(grant)
  return typeof grant === 'function' || claim === undefined
    ? { wanted }
    : { wanted, claim, isClaimThere: hasClaim(user, claim) }
}

/** The roles of a grant. Any of them is sufficient. */
export function asRoleList (grant: string | readonly string[]): readonly string[] {
  return typeof grant === 'string' ? [grant] : grant
}
