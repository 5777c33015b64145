import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { writeLog } from '../log.js'
import { unsupported } from './unsupported.js'

/**
 * Returns a private property of Fastify, found by the description of its symbol, on an instance or
 * in its prototype chain; undefined if this version of Fastify has no such property.
 */
function internalOf (fastify: object, description: string): unknown {
  for (let owner: null | object = fastify; owner !== null; owner = Object.getPrototypeOf(owner)) {
    const key = Object.getOwnPropertySymbols(owner)
      .find((symbol) => symbol.description === description)
    if (key !== undefined) return Reflect.get(owner, key)
  }
}

interface SchemaController {
  setupValidator (options: unknown): void
  setupSerializer (options: unknown): void
}

function schemaControllerOf (fastify: object): undefined | SchemaController {
  const controller = internalOf(fastify, SCHEMAS) as undefined | Partial<SchemaController>
  return typeof controller?.setupValidator === 'function' &&
    typeof controller.setupSerializer === 'function'
    ? controller as SchemaController
    : undefined
}

function bindingsOf (fastify: object): undefined | readonly EventEmitter[] {
  const bindings = internalOf(fastify, BINDINGS)
  return Array.isArray(bindings) ? bindings : undefined
}

function optionsOf (fastify: object): undefined | { readonly serverFactory?: unknown } {
  const options = internalOf(fastify, OPTIONS)
  return typeof options === 'object' && options !== null ? options : undefined
}

const SCHEMAS = 'fastify.schemaController'
const BINDINGS = 'fastify.serverBindings'
const OPTIONS = 'fastify.options'

const WITHOUT_COMPILERS = 'a scope with a contract, and without another route that has schemas, ' +
  'needs setValidatorCompiler() and setSerializerCompiler()'

// The parts that the plugin can do without, and the effect of each one's absence.
const optional: ReadonlyArray<readonly [
  name: string,
  read: (fastify: object) => unknown,
  effect: string
]> = [
  [SCHEMAS, schemaControllerOf, WITHOUT_COMPILERS],
  [BINDINGS, bindingsOf, 'where the app listens on further addresses, such as ::1 beside ' +
    '127.0.0.1, credentials are not removed from the URLs of plain requests there, and ' +
    'app.close() waits for silent connections'],
  [OPTIONS, optionsOf, `${WITHOUT_COMPILERS}; where app.server listens without app.listen(), ` +
    'app.close() waits for silent connections']
]

/** Logs each private part that this version of Fastify lacks, and the effect of its absence. */
export function logMissing (fastify: Pick<FastifyInstance, 'log' | 'version'>): void {
  for (const [missing, read, effect] of optional) {
    if (read(fastify) !== undefined) continue
    writeLog(fastify, 'warn', { missing },
      `fastify ${fastify.version} has no Symbol(${missing}) of the expected form: ${effect}`)
  }
}

/**
 * Makes Fastify create the schema compilers of a scope, which then know the schemas that were added
 * to it. Fastify itself creates them only for scopes with a route that has schemas.
 *
 * @returns a text for the error where no compilers result: the missing part, if one is.
 */
export function setUpCompilers (fastify: FastifyInstance): string {
  const [controller, options] = [schemaControllerOf(fastify), optionsOf(fastify)]
  if (controller === undefined || options === undefined) {
    const missing = controller === undefined ? SCHEMAS : OPTIONS
    return `fastify ${fastify.version} has no Symbol(${missing})`
  }
  controller.setupValidator(options)
  controller.setupSerializer(options)
  return `fastify ${fastify.version} created none`
}

/**
 * Returns the servers that Fastify has for further addresses, such as `::1` if it listens on
 * `localhost`. Fastify passes their upgrades to the first server.
 */
export function furtherServers (fastify: object): readonly EventEmitter[] {
  return bindingsOf(fastify) ?? []
}

/**
 * Whether Fastify closes its server although the app has not called `listen()`: unless the server
 * comes from `serverFactory`, and so belongs to the app.
 */
export function closesUnlistened (fastify: object): boolean {
  const options = optionsOf(fastify)
  return options !== undefined && options.serverFactory === undefined
}

export type Routing = FastifyInstance['routing']

/**
 * Replaces `routing` of the app itself, from which scopes inherit it, and through which
 * `@fastify/websocket` and `@fastify/http-proxy` pass every upgrade to Fastify.
 *
 * @returns a function that puts it back.
 * @throws `FSR_ERR_PACKAGE_UNSUPPORTED`.
 */
export function wrapRouting (
  fastify: FastifyInstance,
  wrap: (routing: Routing) => Routing
): () => void {
  let owner: null | object = fastify
  while (owner !== null && !Object.hasOwn(owner, 'routing')) owner = Object.getPrototypeOf(owner)
  const property = owner === null ? undefined : Object.getOwnPropertyDescriptor(owner, 'routing')
  if (typeof property?.value !== 'function' || property.writable !== true) {
    throw unsupported('fastify', 'routing() cannot be replaced', fastify.version)
  }
  const router = owner as { routing: Routing }
  router.routing = wrap(property.value)
  return () => { router.routing = property.value }
}

/**
 * Runs a function as soon as the app begins to close. Call it in an `onReady` hook: `onClose` hooks
 * run from the last to the first, and Fastify runs all `preClose` hooks in one of them, added
 * before. In another order the function runs later, so that a `preClose` hook has to do the same.
 */
export function onCloseBegins (fastify: FastifyInstance, run: () => void): void {
  fastify.addHook('onClose', async () => { run() })
}

/**
 * Replaces the raw request of a request. Fastify also stores it under a symbol, for bodies.
 *
 * @returns whether this version of Fastify allows it.
 */
export function replaceRaw (request: FastifyRequest, raw: object): boolean {
  if (Object.getOwnPropertyDescriptor(request, 'raw')?.writable !== true) return false
  const { raw: before } = request as { raw: IncomingMessage }
  const properties = request as unknown as Record<PropertyKey, unknown>
  properties['raw'] = raw
  for (const key of Object.getOwnPropertySymbols(request)) {
    if (properties[key] === before) properties[key] = raw
  }
  return true
}
