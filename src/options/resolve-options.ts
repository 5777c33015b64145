import { errors } from '../errors.js'
import { check, checkArgument, checkNames, isObject } from '../option-checks.js'
import { ofOtherLibrary } from './foreign-options.js'
import type { Kinds, Level } from './option-kinds.js'
import { optionTable, type Row, type ValuesOf } from './option-table.js'
import type { SocketRouteOptions } from './options.js'

/** The effective values of the options of a scope or a route: the innermost value of each. */
export type EffectiveOptions = ValuesOf<'scope'>

const rows: ReadonlyArray<readonly [name: string, row: Row]> = Object.entries(optionTable)

/** The defaults, as the outer level of the plugin. */
export const defaults = Object.fromEntries(
  rows.map(([name, { initial }]) => [name, initial])
) as object as ValuesOf<'plugin'>

const calls: Readonly<Record<Level, string>> = {
  plugin: 'The second argument of register()',
  scope: 'The argument of socketScope()',
  route: 'The third argument of socketRoute()'
}

/**
 * Checks the options of one level, and lays them over those of the outer level. In the result an
 * option that is not set has the value of the outer level.
 *
 * @throws `FSR_ERR_OPTION_INVALID`, `FSR_ERR_GRANT_INVALID`, `FSR_ERR_HOOK_INVALID`,
 * `FSR_ERR_ROLE_CYCLE`.
 */
export function resolveOptions<Outer extends EffectiveOptions> (
  outer: Outer,
  given: object,
  level: Level
): Outer {
  checkArgument(isObject(given), calls[level], 'is not an object')
  checkNames(given, namesOf(level), placeOf)
  const effective: Outer & Record<string, unknown> = { ...outer }
  for (const [name, row] of rows) {
    if (!(name in given)) continue
    const value: unknown = Reflect.get(given, name)
    if (value === undefined && row.refusesUndefined !== true) continue
    const place = { name, level, outer: effective[name], effective }
    Object.assign(effective, { [name]: row.read(value, place) })
  }
  return effective
}

function namesOf (level: Level): readonly string[] {
  return rows.filter(([, { levels }]) => levels.includes(level)).map(([name]) => name)
}

// Describes where an option belongs that is unknown at its level.
function placeOf (name: string): undefined | string {
  const hint = ofOtherLibrary(name)
  if (hint !== undefined) return `is unknown here: ${hint}`
  if (namesOf('plugin').includes(name)) return 'is an option of the plugin: give it to register()'
  if (namesOf('route').includes(name)) return 'is an option of a route: give it to socketRoute()'
  const [whole] = rows.find(([, { members }]) => Object.hasOwn({ ...members }, name)) ?? []
  if (whole !== undefined) return `belongs to ${whole}: { ${whole}: { ${name} } }`
  if (name === 'then') return 'belongs to a promise: await the options first'
  if (name === 'prefix') {
    return 'is an option of a scope of Fastify: register the routes in one, ' +
      'app.register(routes, { prefix })'
  }
  if (['onOpen', 'onMessage', 'onClose', 'onError'].includes(name)) {
    return 'is a callback: the controller is the second argument of socketRoute(), ' +
      'and options are the third'
  }
}

/** What options of a route may need to have an effect. */
export interface RouteNeeds {
  /** Whether the route, or a scope around it, has `isGranted`. */
  readonly grant: boolean
  /** Whether a grant asks for roles, also that of a message. */
  readonly roles: boolean
  readonly contract: boolean
}

/**
 * Rejects options of a route that look like a protection and have no effect.
 *
 * @param path the path of the route.
 * @param has what the route has.
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function checkEffect (
  given: SocketRouteOptions,
  { outbox }: EffectiveOptions,
  path: string,
  has: RouteNeeds
): void {
  // An empty tokenFrom says that hooks of the app set the users, whose roles the messages need.
  const isOfHooks = has.roles && given.tokenFrom?.length === 0
  const idle = idleIn(isOfHooks ? { ...given, tokenFrom: undefined } : given, optionTable, has)
  if (idle !== undefined) {
    throw new errors.OptionInvalid(`Option ${idle.name}`, `has no effect on '${path}', which ` +
      (idle.needs === 'contract'
        ? 'has no contract: leave it out, or set it for the plugin or a scope, as a default'
        : 'is not guarded: everyone may connect. Set isGranted, or leave it out'))
  }
  check(
    given.outbox?.notice === undefined || outbox.overflow !== 'close',
    'outbox.notice',
    `has no effect on '${path}', where a slow client is closed and no message is dropped: set ` +
      'outbox.overflow, or leave it out'
  )
}

// Returns the first option that a route sets, and that needs what the route does not have.
function idleIn (
  given: object,
  kinds: Kinds,
  has: RouteNeeds
): undefined | { readonly name: string, readonly needs: keyof RouteNeeds } {
  for (const [name, { needs, members = {} }] of Object.entries(kinds)) {
    const value: unknown = Reflect.get(given, name)
    if (value === undefined) continue
    if (needs !== undefined && !has[needs]) return { name, needs }
    const member = isObject(value) ? idleIn(value, members, has) : undefined
    if (member !== undefined) return { ...member, name: `${name}.${member.name}` }
  }
}
