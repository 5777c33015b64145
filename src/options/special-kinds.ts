import type { FastifySchema } from 'fastify'
import type { Overflow } from '../connection/drop-queue.js'
import type { Rate } from '../connection/rate.js'
import { checkHook, type Hooks } from '../controller/message-hooks.js'
import type { ConnectionCaps } from '../upgrade/connection-limits.js'
import {
  checkGrant,
  createRolesOf,
  type EffectiveGrant,
  type Grant,
  type RolesOf
} from '../auth/grant.js'
import type { JwtName } from '../host/fastify-jwt-internals.js'
import {
  createSubjectReader,
  subjectAndIssuer,
  type Subject,
  type SubjectReader
} from '../auth/subject.js'
import { defaultSources, type TokenSource } from '../auth/token-source.js'
import { check, checkKeys, isObject } from '../option-checks.js'
import {
  amount,
  converted,
  object,
  unlimited,
  value,
  type Kind,
  type Place
} from './option-kinds.js'

/** Whether a value is a function. */
export const isFunction = (given: unknown): boolean => typeof given === 'function'

/** Whether a value is a name: a text of at least one character. */
export const isNamed = (given: unknown): boolean => typeof given === 'string' && given !== ''

// An undefined hook comes from a constant that does not exist yet. Without the hook every client
// would be let in.
function refuseUndefined (given: unknown, name: string): void {
  check(given !== undefined, name, 'is undefined: without the hook everyone would be let in. ' +
    'Leave it out, or register the route once the hook exists')
}

/** The grants of all levels, outermost first. The roles of the same level are read before. */
export const grants: Kind<readonly EffectiveGrant[]> = {
  default: undefined,
  initial: [],
  refusesUndefined: true,
  read (given, { outer, effective }) {
    checkGrant(given)
    const { roles, roleHierarchy } = effective as {
      readonly roles: RolesOf
      readonly roleHierarchy: EffectiveGrant['hierarchy']
    }
    // If the app changes its list later, the grant must not change.
    const grant: Grant = Array.isArray(given) ? [...given] : given
    return [...outer, { grant, rolesOf: roles, hierarchy: roleHierarchy }]
  }
}

/** The function that returns the roles of a user. */
export const roles = converted('roles', (given: unknown, name) => {
  check(isFunction(given) || isNamed(given), name, 'is neither the name of the claim that has ' +
    'the roles, nor a function that returns them; who may connect is said by isGranted')
  return createRolesOf(given as string | ((user: unknown) => unknown))
})

/** The sources of the token, in the order of the search. */
export const tokenFrom: Kind<readonly TokenSource[]> = {
  default: defaultSources,
  initial: defaultSources,
  read (given, { name }) {
    check(Array.isArray(given) && given.every((source) => sources.includes(source)), name,
      `is not a list of ${sources.join(', ')}: it is ${JSON.stringify(given)}`)
    return given as TokenSource[]
  }
}

const sources: readonly unknown[] = [
  'header', 'protocol', 'cookie', 'query', 'ticket', 'message'
] satisfies TokenSource[]

const jwtName = {
  namespace: value('', isNamed, 'is not the namespace of a @fastify/jwt'),
  jwtVerify: value<undefined | string>(
    undefined,
    isNamed,
    'is not the name of a method of requests'
  )
}

/** The `@fastify/jwt` of a namespace. The namespace alone stands for `{ namespace }`. */
export const jwt: Kind<undefined | JwtName> & { readonly members: typeof jwtName } = {
  default: undefined,
  initial: undefined,
  members: jwtName,
  read (given, place) {
    const { read, initial } = object(jwtName, 'neither a namespace nor')
    const name = read(isNamed(given) ? { namespace: given } : given, { ...place, outer: initial })
    check(name.namespace !== '', 'jwt.namespace', 'is missing')
    return name
  }
}

/** The function that reads the subject from claims. */
export const subject: Kind<SubjectReader> = {
  default: undefined,
  initial: subjectAndIssuer,
  read (given, { name }) {
    check(isFunction(given) || isNamed(given), name, 'is neither the name of a claim, nor a ' +
      'function that returns a string made of the claims')
    return createSubjectReader(given as Subject)
  }
}

/** The largest message. An inner level can lower it only. */
export const maxPayload = {
  ...amount('bytes', 65_536),
  read (given: unknown, place: Place<number>): number {
    const { name, level, outer } = place
    const bytes = amount('bytes', outer).read(given, place)
    check(level === 'plugin' || bytes <= outer, name, `is more than the ${outer} bytes of the ` +
      'plugin or the outer scope, which it can only lower. Raise it there, ' +
      `register(socketRoutes, { maxPayload: ${bytes} }), and lower it for the other routes`)
    return bytes
  }
}

const perUser: Kind<ConnectionCaps['perUser']> = {
  default: undefined,
  initial: undefined,
  needs: 'grant',
  read (given, place) {
    const { name } = place
    const { read } = amount('connections', 0)
    if (typeof given !== 'object') return read(given, { ...place, outer: 0 })
    checkKeys(given, name, ['max', 'on'], 'neither a number nor')
    const { max, on } = given as { max?: unknown, on?: undefined | 'refuse' | 'close-oldest' }
    check(on === undefined || on === 'refuse' || on === 'close-oldest', `${name}.on`,
      "is neither 'refuse' nor 'close-oldest'")
    check(max !== undefined, `${name}.max`, 'is missing')
    return { max: read(max, { ...place, outer: 0 }), on }
  }
}

const caps = object({
  perRoute: unlimited('connections', undefined),
  perUser,
  perIp: unlimited('connections', undefined)
})

/** The limits on connections. An object is refused if it leaves the route without any limit. */
export const connections = {
  ...caps,
  default: undefined,
  read (given: unknown, place: Place<typeof caps.initial>): typeof caps.initial {
    const read = caps.read(given, place)
    check(Object.values(read).some((limit) => limit !== undefined), place.name,
      'limits nothing: set perRoute, perUser or perIp')
    return read
  }
}

const limits = object({
  messages: unlimited('messages', Infinity),
  bytes: unlimited('bytes', Infinity),
  per: amount('milliseconds', 1_000),
  tolerance: amount('windows', 10)
})

/** The rate of one client. An object that limits neither messages nor bytes is refused. */
export const rate: Kind<undefined | Rate> & Pick<typeof limits, 'members'> = {
  ...limits,
  default: undefined,
  initial: undefined,
  read (given, { outer = limits.initial, ...place }) {
    const read = limits.read(given, { ...place, outer })
    check(Math.min(read.messages, read.bytes) < Infinity, place.name,
      'limits nothing: set messages, bytes or both')
    return read
  }
}

/** The policy for a full outbox. */
export const overflow: Kind<Overflow> = {
  default: 'close',
  initial: 'close',
  read (given, { name }) {
    if (typeof given === 'object') checkKeys(given, name, ['latestBy'])
    const { latestBy } = Object(given) as { latestBy?: unknown }
    check(
      typeof given === 'string'
        ? ['close', 'drop-oldest', 'drop-newest'].includes(given)
        : isFunction(latestBy),
      name,
      "is not 'close', 'drop-oldest', 'drop-newest' or { latestBy }"
    )
    return given as Overflow
  }
}

/** The message hooks of all levels, outermost first. */
export function messageHooks<Name extends keyof Hooks> (
  hook: Name,
  refusesUndefined: boolean
): Kind<Hooks[Name]> {
  return {
    default: undefined,
    initial: [] as readonly never[],
    refusesUndefined,
    read (given, { name, outer }) {
      if (refusesUndefined) refuseUndefined(given, name)
      const own = [given].flat()
      for (const each of own) checkHook(hook, each)
      return [...outer, ...own] as readonly unknown[] as Hooks[Name]
    }
  }
}

/** A hook of Fastify, which checks the rest. */
export const requestHook: Kind<unknown> = {
  default: undefined,
  initial: undefined,
  refusesUndefined: true,
  read (given, { name }) {
    refuseUndefined(given, name)
    return given
  }
}

/** The schemas of the upgrade request, which Fastify compiles. */
export const schema: Kind<undefined | FastifySchema> = {
  default: undefined,
  initial: undefined,
  read (given, { name }) {
    const isContract = isObject(given) && ('in' in given || 'out' in given)
    check(!isContract, name, 'is a contract, { in, out }, which belongs on the controller, the ' +
      'second argument of socketRoute(), beside its handlers `on`')
    checkKeys(given, name, ['params', 'querystring', 'query', 'headers'])
    return given
  }
}

/** The sub-protocols of a route. */
export const protocols: Kind<undefined | readonly string[]> = {
  default: undefined,
  initial: undefined,
  read (given, { name }) {
    // A token of HTTP (RFC 9110 section 5.6.2).
    const isToken = (each: unknown) =>
      typeof each === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(each)
    check(Array.isArray(given) && given.length > 0 && given.every(isToken), name,
      'is not a list of sub-protocol names')
    check(!given.includes('bearer'), name, "names 'bearer', which announces a token")
    return given as string[]
  }
}
