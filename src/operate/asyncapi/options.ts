import type { RouteShorthandOptions } from 'fastify'
import { check, checkHooks, checkNames } from '../../option-checks.js'
import type { SchemaTransform } from './schema-conversion.js'
import type { AsyncapiDocument, AsyncapiInfo } from './document.js'
import { isWebsocketUrl, type ServersOption } from './servers.js'

/** The options of `fastify.register(asyncapi, options)`. */
export interface AsyncapiOptions {
  /**
   * The description of the app: `title`, `version`, `description` and all other fields of an
   * AsyncAPI Info Object.
   */
  readonly info: AsyncapiInfo
  /**
   * The path under which `asyncapi.json` and `asyncapi.yaml` are served.
   *
   * @default '/asyncapi'
   */
  // Without `undefined`, as Fastify declares it.
  readonly prefix?: string
  /**
   * Whether the two files are served. `false` leaves `fastify.asyncapi()` alone: for the console,
   * or for a route of your own.
   *
   * @default true
   */
  readonly expose?: undefined | boolean
  /**
   * The servers at which clients reach the app, by a name of your choice: URLs, such as
   * `{ production: 'wss://example.com' }`, or AsyncAPI Server Objects.
   *
   * @default the addresses on which the app listens, once it listens
   */
  readonly servers?: undefined | ServersOption
  /**
   * Converts a schema of another library to a JSON Schema of draft 07. Schemas that convert
   * themselves (Standard JSON Schema, such as those of Zod from 4.2 on) can be returned as they
   * are. Not called for schemas of `addSchema`, which are JSON Schema already.
   *
   * @default each schema as it is
   */
  readonly transform?: undefined | SchemaTransform
  /** Changes the finished document. The return value is served. @default no change */
  readonly transformObject?: undefined | ((document: AsyncapiDocument) => AsyncapiDocument)
  /** Hooks of Fastify for the two routes, to restrict access to the files. */
  readonly onRequest?: NonNullable<RouteShorthandOptions['onRequest']>
  /** Hooks of Fastify for the two routes. */
  readonly preValidation?: NonNullable<RouteShorthandOptions['preValidation']>
  /** Hooks of Fastify for the two routes. */
  readonly preHandler?: NonNullable<RouteShorthandOptions['preHandler']>
}

const hooks = ['onRequest', 'preValidation', 'preHandler'] as const
const keys = [
  'info',
  'prefix',
  'expose',
  'servers',
  'transform',
  'transformObject',
  ...hooks,
  'logLevel',
  'logSerializers'
]

/** Checks the options. @throws `FSR_ERR_OPTION_INVALID`. */
export function checkOptions (given: AsyncapiOptions): void {
  const { info, prefix, expose, servers = {}, transform, transformObject } = given
  checkNames(given, keys)
  for (const name of ['title', 'version'] as const) {
    check(typeof Object(info)[name] === 'string', `info.${name}`, 'is not a string')
  }
  check(
    prefix === undefined || (typeof prefix === 'string' && /^(\/.*[^/])?$/.test(prefix)),
    'prefix',
    "is not a path that starts with '/' and does not end with it"
  )
  check(expose === undefined || typeof expose === 'boolean', 'expose', 'is not true or false')
  check(
    typeof servers === 'object' && servers !== null,
    'servers',
    'is not an object of servers by name'
  )
  for (const [name, server] of Object.entries(servers)) {
    const isServer = typeof server === 'string'
      ? isWebsocketUrl(server)
      : typeof Object(server).host === 'string' && typeof Object(server).protocol === 'string'
    check(
      isServer && /^[\w.-]+$/.test(name),
      `servers.${name}`,
      "is not a URL, 'wss://example.com', or { host, protocol }, " +
        "under a name of letters, digits, '.', '-' and '_'"
    )
  }
  for (const name of hooks) if (name in given) checkHooks(given[name], name)
  for (const [name, value] of Object.entries({ transform, transformObject })) {
    check(value === undefined || typeof value === 'function', name, 'is not a function')
  }
}
