import type { RouteShorthandOptions } from 'fastify'
import { errors } from '../../errors.js'
import { strayIn } from '../../members.js'
import { suggest } from '../../suggestion.js'
import { check, checkHooks } from '../../options/option-checks.js'
import type { SchemaTransform } from './conversion.js'
import type { AsyncapiDocument, AsyncapiInfo } from './document.js'
import { isWebsocketUrl, type ServersOption } from './servers.js'

/** The options of `fastify.register(asyncapi, options)`. */
export interface AsyncapiOptions {
  /** What the app says of itself: `title`, `version`, `description` and all else of an AsyncAPI Info Object. */
  readonly info: AsyncapiInfo
  /**
   * The path under which `asyncapi.json` and `asyncapi.yaml` are served.
   *
   * @default '/asyncapi'
   */
  // Without `undefined`, as Fastify has it.
  readonly prefix?: string
  /**
   * Whether they are served. Without that there is `fastify.asyncapi()` alone: for the console, or a route of your own.
   *
   * @default true
   */
  readonly expose?: undefined | boolean
  /**
   * Where clients reach the app, by a name of your choice: addresses, `{ production: 'wss://example.com' }`, or AsyncAPI Server Objects.
   *
   * @default the addresses at which the app listens, from when it listens
   */
  readonly servers?: undefined | ServersOption
  /**
   * Makes a JSON Schema, of draft 07, of a schema of another kind. Schemas that can tell that themselves (Standard JSON Schema, as those of
   * Zod from 4.2 on) may be left as they are. What was added by `addSchema` is JSON Schema already, and is not asked about.
   *
   * @default each schema as it is
   */
  readonly transform?: undefined | SchemaTransform
  /** Changes the document as a whole, in the end. What it returns is served. @default nothing is changed */
  readonly transformObject?: undefined | ((document: AsyncapiDocument) => AsyncapiDocument)
  /** Hooks of Fastify for the two routes: to let only some people read what there is. */
  readonly onRequest?: NonNullable<RouteShorthandOptions['onRequest']>
  /** Hooks of Fastify for the two routes. */
  readonly preValidation?: NonNullable<RouteShorthandOptions['preValidation']>
  /** Hooks of Fastify for the two routes. */
  readonly preHandler?: NonNullable<RouteShorthandOptions['preHandler']>
}

const hooks = ['onRequest', 'preValidation', 'preHandler'] as const
const keys = ['info', 'prefix', 'expose', 'servers', 'transform', 'transformObject', ...hooks, 'logLevel', 'logSerializers']

/** Checks them. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkOptions (given: AsyncapiOptions): void {
  const { info, prefix, expose, servers = {}, transform, transformObject } = given
  const unknown = strayIn(given, keys)
  if (unknown !== undefined) throw new errors.OptionInvalid(`'${unknown}'`, `is unknown here${suggest(unknown, keys, `there are ${keys.join(', ')}`)}`)
  for (const name of ['title', 'version'] as const) check(typeof Object(info)[name] === 'string', `info.${name}`, 'is not a text')
  check(prefix === undefined || (typeof prefix === 'string' && /^(\/.*[^/])?$/.test(prefix)), 'prefix', "is not a path that starts with '/' and does not end with it")
  check(expose === undefined || typeof expose === 'boolean', 'expose', 'is neither true nor false')
  check(typeof servers === 'object' && servers !== null, 'servers', 'is not an object of servers by their names')
  for (const [name, server] of Object.entries(servers)) {
    const isServer = typeof server === 'string' ? isWebsocketUrl(server) : typeof Object(server).host === 'string' && typeof Object(server).protocol === 'string'
    check(isServer && /^[\w.-]+$/.test(name), `servers.${name}`, "is neither an address, 'wss://example.com', nor { host, protocol }; or its name has other characters than letters, digits, '.', '-' and '_'")
  }
  for (const name of hooks) if (name in given) checkHooks(given[name], name)
  for (const [name, value] of Object.entries({ transform, transformObject })) check(value === undefined || typeof value === 'function', name, 'is not a function')
}
