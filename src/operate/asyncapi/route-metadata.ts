import type { ContractDefinition } from '../../contract/parse-contract.js'
import { asRoleList } from '../../auth/grant.js'
import type { TokenSource } from '../../auth/token-source.js'
import type { EffectiveOptions } from '../../options/resolve-options.js'
import type { Route } from '../../route/route.js'
import { jwtOf } from '../../host/fastify-jwt-internals.js'
import { isOfJwt } from '../../auth/token-source.js'
import { check, checkKeys } from '../../option-checks.js'

/** A route as the document describes it, without its schemas. */
export interface RouteProperties {
  readonly name: string
  readonly path: string
  readonly contract: undefined | ContractDefinition
  readonly options: EffectiveOptions
  readonly isGuarded: boolean
  /** A user needs one role of each list. */
  readonly roles: ReadonlyArray<readonly string[]>
  readonly hasPredicate: boolean
  /** The places where the guard reads a token; empty without a guard. */
  readonly sources: readonly TokenSource[]
  /** The name of the cookie that holds the token. */
  readonly cookie: undefined | string
  /** Whether a client can send a new token. */
  readonly canRenew: boolean
  readonly protocols: readonly string[]
  readonly hasSchema: boolean
}

/** Returns the properties of a route. Called after all plugins have been loaded. */
export function propertiesOf (route: Route): RouteProperties {
  const {
    name,
    path,
    contract,
    effective: options,
    declared: { scope, schema, protocols }
  } = route
  const jwt = jwtOf(scope, options.jwt)
  const { isGranted: grants } = options
  const isGuarded = grants.length > 0
  const isRead: Record<TokenSource, boolean> = {
    header: jwt?.options.verify.onlyCookie !== true,
    protocol: true,
    cookie: jwt?.cookie !== undefined,
    query: true,
    ticket: true,
    message: true
  }
  const sources = isGuarded ? options.tokenFrom.filter((source) => isRead[source]) : []
  return {
    name,
    path,
    contract,
    options,
    isGuarded,
    roles: grants.flatMap(({ grant }) => typeof grant === 'function' ? [] : [asRoleList(grant)]),
    hasPredicate: grants.some(({ grant }) => typeof grant === 'function'),
    sources,
    cookie: jwt?.cookie?.cookieName,
    canRenew: jwt !== undefined && sources.some(isOfJwt),
    protocols: protocols ?? [],
    hasSchema: schema !== undefined
  }
}

/** Additions of a route to the AsyncAPI document: `config: { asyncapi: { … } }`. */
export interface RouteInfo {
  /** Whether the document omits the route. @default false */
  readonly hide?: undefined | boolean
  readonly summary?: undefined | string
  /** In CommonMark. */
  readonly description?: undefined | string
  readonly tags?: undefined | readonly string[]
}

/**
 * Returns the route's `config.asyncapi`; an empty object if there is none.
 *
 * @throws `FSR_ERR_OPTION_INVALID`: a misspelt `hide` would publish the route.
 */
export function routeInfoOf (route: Route): RouteInfo {
  const { name, declared: { config } } = route
  const { asyncapi: given = {} } = Object(config) as { readonly asyncapi?: unknown }
  const option = `config.asyncapi of '${name}'`
  checkKeys(given, option, ['hide', 'summary', 'description', 'tags'])
  const { hide } = given as RouteInfo
  check(hide === undefined || typeof hide === 'boolean', option, 'has a hide that is no boolean')
  return given as RouteInfo
}

declare module 'fastify' {
  interface FastifyContextConfig {
    asyncapi?: undefined | RouteInfo
  }
}
