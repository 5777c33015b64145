import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { errors } from '../errors.js'
import { readText, writeLog } from '../log.js'
import { discard } from '../thenable.js'
import type { VerifierTimes } from './claims.js'

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
 * The part of `@fastify/jwt` that this plugin uses. It is not imported, as only guarded routes need
 * it.
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
 * Returns the `@fastify/jwt` of a scope.
 *
 * @param name selects one by its namespace.
 */
export function jwtOf (fastify: FastifyInstance, name?: undefined | JwtName): undefined | Jwt {
  const { jwt } = fastify as unknown as {
    jwt?: Partial<JwtPlugin> & Readonly<Record<string, unknown>>
  }
  const plugin = (name === undefined ? jwt : jwt?.[name.namespace])
  const jwtVerify = name === undefined
    ? 'jwtVerify'
    : name.jwtVerify ?? `${name.namespace}JwtVerify`
  if (!isPlugin(plugin) || !fastify.hasRequestDecorator(jwtVerify)) return
  const isOnly = [jwt, ...Object.values(jwt!)].filter(isPlugin).length === 1
  const { cookie, options } = plugin
  return {
    plugin,
    isOnly,
    jwtVerify,
    decoratorName: options.decoratorName ?? 'user',
    cookie,
    options
  }
}

function isPlugin (value: unknown): value is JwtPlugin {
  return typeof (value as undefined | null | { verify?: unknown })?.verify === 'function'
}

/** Says why a scope has no such `@fastify/jwt`, for an error text. */
export function missingJwt (fastify: FastifyInstance, name: undefined | JwtName): string {
  const { jwt } = fastify as unknown as { jwt?: object }
  if (name === undefined) {
    if (jwt === undefined) return 'is not registered'
    const namespaces = Object.keys(jwt).join(', ')
    return `is registered only under a namespace (${namespaces}), which the option jwt has to name,`
  }
  const { namespace, jwtVerify = `${namespace}JwtVerify` } = name
  return `is not registered under the namespace '${namespace}', with request.${jwtVerify}(),`
}

/**
 * Verifies a token with the whole configuration of a `@fastify/jwt`.
 *
 * @returns the user that `@fastify/jwt` makes of the token. It is also set on the request.
 * @throws `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`.
 */
export async function verifyToken (jwt: Jwt, request: JwtRequest, token: string): Promise<unknown> {
  let user: unknown
  try {
    user = await callVerifier(jwt, request, token)
  } catch (error) {
    // An async formatUser leaves its promise on the request. Its rejection must not end the
    // process.
    discard(request[jwt.decoratorName])
    throw refusalOf(error, request)
  }
  if (user) {
    // Replaces the promise of an async formatUser.
    request[jwt.decoratorName] = user
    return user
  }
  // @fastify/jwt takes a `trusted` that rejects without an error as a yes, and then has no user.
  writeLog(request, 'warn', {},
    'a token was verified, but gave no user: formatUser of @fastify/jwt returned none, ' +
    'or trusted rejected without an error')
  throw new errors.TokenInvalid()
}

// Every failure is a 401, so that no token can cause a 500. A failure that is not about the token
// is logged at warn.
function refusalOf (error: unknown, request: JwtRequest): Error {
  const code = readText(error, 'code')
  const isOfToken = code !== undefined && /^(FAST_JWT_|FST_JWT_)/.test(code)
  const details = { code, type: readText(error, 'name') }
  writeLog(request, isOfToken ? 'debug' : 'warn', details, 'a token could not be verified')
  return code === 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED'
    ? new errors.TokenExpired()
    : new errors.TokenInvalid()
}

function callVerifier (
  { jwtVerify, options }: Jwt,
  request: JwtRequest,
  token: string
): Promise<unknown> {
  const verify = (...given: object[]) =>
    (request[jwtVerify] as (...given: object[]) => Promise<unknown>).apply(request, given)
  const verifyThis = () => verify({ verify: { extractToken: () => token } })
  const { extractToken, onlyCookie } = options.verify
  // With these options the shared verifier of @fastify/jwt would not find the token in the header.
  if (extractToken !== undefined || onlyCookie === true) return verifyThis()
  // The verifier reads the header synchronously. The header is restored before other code can read
  // it.
  const { headers } = request.raw
  const { authorization } = headers
  const own = `Bearer ${token}`
  headers.authorization = own
  try {
    // A hook may have replaced the headers of the request.
    return request.headers.authorization === own ? verify() : verifyThis()
  } finally {
    if (authorization === undefined) delete headers.authorization
    else headers.authorization = authorization
  }
}
