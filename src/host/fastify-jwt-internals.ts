import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { discard } from '../thenable.js'
import { unsupported } from './unsupported.js'

/** The options `verify` of `@fastify/jwt` that concern time. */
export interface VerifierTimes {
  /** Milliseconds. */
  readonly clockTolerance?: undefined | number
  /** A fixed time for the verifier, in milliseconds. */
  readonly clockTimestamp?: undefined | number
  readonly ignoreExpiration?: undefined | boolean
  /** Seconds, or a text such as `'10m'`. */
  readonly maxAge?: undefined | null | number | string
}

/**
 * Selects the `@fastify/jwt` that verifies: its `namespace`, and its `jwtVerify` if that option is
 * set.
 */
export interface JwtName {
  readonly namespace: string
  /** @default the namespace and `JwtVerify` */
  readonly jwtVerify?: undefined | string
}

/**
 * The decorator of `@fastify/jwt`, as far as this plugin uses it. The package is not imported, as
 * only guarded routes need it.
 */
interface JwtPlugin {
  readonly verify: unknown
  readonly cookie?: undefined | {
    readonly cookieName: string
    readonly signed?: undefined | boolean
  }
  readonly options: {
    readonly decoratorName?: undefined | string
    readonly verify: VerifierTimes & {
      readonly extractToken?: undefined | ((request: FastifyRequest) => unknown)
      readonly onlyCookie?: undefined | boolean
    }
  }
}

/** The part of a request that `@fastify/jwt` and `@fastify/cookie` use. */
export interface JwtRequest {
  readonly raw: IncomingMessage
  readonly headers: Record<string, undefined | string | string[]>
  readonly cookies?: undefined | null | Readonly<Record<string, undefined | string>>
  readonly server?: undefined | {
    parseCookie? (header: string): Readonly<Record<string, undefined | string>>
  }
  readonly log: FastifyRequest['log']
  unsignCookie (value: string): { valid: boolean, value: null | string }
  [name: string]: unknown
}

/** A registered `@fastify/jwt`, as one scope sees it. */
export interface Jwt extends Pick<JwtPlugin, 'cookie' | 'options'> {
  /** The decorator of the plugin. It differs from that of another scope. */
  readonly plugin: object
  /** Whether its scope has no other `@fastify/jwt` that a hook could verify with. */
  readonly isOnly: boolean
  /** The property of a request that has the user. */
  readonly decoratorName: string
  /** The method of a request that verifies a token. */
  readonly jwtVerify: string
}

/**
 * Returns the `@fastify/jwt` of a scope; undefined if it has none.
 *
 * @param name selects one by its namespace.
 * @throws `FSR_ERR_PACKAGE_UNSUPPORTED`.
 */
export function jwtOf (fastify: FastifyInstance, name?: undefined | JwtName): undefined | Jwt {
  const jwt = decoratorOf(fastify)
  const plugin = (name === undefined ? jwt : jwt?.[name.namespace])
  const jwtVerify = name === undefined
    ? 'jwtVerify'
    : name.jwtVerify ?? `${name.namespace}JwtVerify`
  if (!isPlugin(plugin) || !fastify.hasRequestDecorator(jwtVerify)) return
  const isOnly = [jwt, ...Object.values(jwt!)].filter(isPlugin).length === 1
  const { cookie, options } = plugin
  if (typeof (options as undefined | typeof options)?.verify !== 'object') {
    throw unsupported('@fastify/jwt', 'jwt.options.verify is missing')
  }
  const { decoratorName = 'user' } = options
  if (options.decoratorName === undefined && !fastify.hasRequestDecorator(decoratorName)) {
    throw unsupported('@fastify/jwt', 'jwt.options.decoratorName is missing')
  }
  return { plugin, isOnly, jwtVerify, decoratorName, cookie, options }
}

/** The namespaces under which a scope has a `@fastify/jwt`; undefined if it has none at all. */
export function namespacesOf (fastify: FastifyInstance): undefined | readonly string[] {
  const jwt = decoratorOf(fastify)
  return jwt && Object.keys(jwt)
}

function decoratorOf (
  fastify: FastifyInstance
): undefined | (Partial<JwtPlugin> & Readonly<Record<string, unknown>>) {
  return (fastify as unknown as { readonly jwt?: Partial<JwtPlugin> & Record<string, unknown> }).jwt
}

function isPlugin (value: unknown): value is JwtPlugin {
  return typeof (value as undefined | null | { verify?: unknown })?.verify === 'function'
}

// The registered plugins whose shared verifier is known to read the header at once, or not to.
const readsAtOnce = new WeakMap<object, boolean>()

/**
 * Verifies a token with a registered `@fastify/jwt`, by its shared verifier, which caches its
 * results, if that can be given the token.
 *
 * The shared verifier takes no token, but reads the `Authorization` header, in the same turn. The
 * token is in that header meanwhile, and no other code can read it there. Whether this version
 * reads it so is checked at the first token; if not, the token is passed by `extractToken`, which
 * creates a verifier for each token.
 */
export function callVerifier (jwt: Jwt, request: JwtRequest, token: string): Promise<unknown> {
  const { jwtVerify, options: { verify: { extractToken, onlyCookie } }, plugin } = jwt
  const verify = (...given: object[]) =>
    (request[jwtVerify] as (...given: object[]) => Promise<unknown>).apply(request, given)
  const verifyThis = () => verify({ verify: { extractToken: () => token } })
  // With these options the shared verifier would not find the token in the header.
  if (extractToken !== undefined || onlyCookie === true) return verifyThis()
  if (readsAtOnce.get(plugin) === false) return verifyThis()
  const { headers } = request.raw
  const { authorization } = headers
  const own = `Bearer ${token}`
  headers.authorization = own
  try {
    // A hook may have replaced the headers of the request.
    if (request.headers.authorization !== own) return verifyThis()
    if (readsAtOnce.has(plugin)) return verify()
    const { result, isRead } = watchRead(headers, own, verify)
    readsAtOnce.set(plugin, isRead)
    return isRead ? result : discard(result).then(verifyThis)
  } finally {
    if (authorization === undefined) delete headers.authorization
    else headers.authorization = authorization
  }
}

// Calls a function, and tells whether it has read the header by the time that it returns.
function watchRead<Result> (
  headers: IncomingHttpHeaders,
  value: string,
  run: () => Result
): { readonly result: Result, readonly isRead: boolean } {
  const property = { configurable: true, enumerable: true }
  let isRead = false
  const get = (): string => {
    isRead = true
    return value
  }
  Object.defineProperty(headers, 'authorization', { ...property, get })
  try {
    const result = run()
    return { result, isRead }
  } finally {
    Object.defineProperty(headers, 'authorization', { ...property, value, writable: true })
  }
}
