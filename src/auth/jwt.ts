import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { errors } from '../errors.js'
import { readText, writeLog } from '../log.js'
import { discard } from '../thenable.js'
import type { VerifierTimes } from './claims.js'

/** Which `@fastify/jwt` of an app verifies: its `namespace`, and its `jwtVerify` if that was given a name of its own. */
export interface JwtName {
  readonly namespace: string
  /** @default the namespace and `JwtVerify` */
  readonly jwtVerify?: undefined | string
}

/** What this plugin uses of `@fastify/jwt`, which is needed only for guarded routes and so not imported. */
interface JwtPlugin {
  readonly verify: unknown
  readonly cookie?: undefined | { readonly cookieName: string, readonly signed?: undefined | boolean }
  readonly options: {
    readonly decoratorName?: undefined | string
    readonly verify: VerifierTimes & {
      readonly extractToken?: undefined | ((request: FastifyRequest) => unknown)
      readonly onlyCookie?: undefined | boolean
    }
  }
}

/** The same of a request. */
export interface JwtRequest {
  readonly raw: IncomingMessage
  readonly headers: Record<string, undefined | string | string[]>
  readonly cookies?: undefined | null | Readonly<Record<string, undefined | string>>
  readonly server?: undefined | { parseCookie? (header: string): Readonly<Record<string, undefined | string>> }
  readonly log: FastifyRequest['log']
  unsignCookie (value: string): { valid: boolean, value: null | string }
  [name: string]: unknown
}

/** One `@fastify/jwt`, as a scope has it. */
export interface Jwt extends Pick<JwtPlugin, 'cookie' | 'options'> {
  /** The plugin itself, to tell it from that of another scope. */
  readonly plugin: object
  /** Whether there is no other in its scope that a hook could have verified with. */
  readonly isOnly: boolean
  /** The name of the property of a request that has the user. */
  readonly decoratorName: string
  /** The name of the method of a request that verifies. */
  readonly jwtVerify: string
}

/** The `@fastify/jwt` of a scope, if there is one; of a namespace, if one is named. */
export function jwtOf (fastify: FastifyInstance, name?: undefined | JwtName): undefined | Jwt {
  const { jwt } = fastify as unknown as { jwt?: Partial<JwtPlugin> & Readonly<Record<string, unknown>> }
  const plugin = (name === undefined ? jwt : jwt?.[name.namespace])
  const jwtVerify = name === undefined ? 'jwtVerify' : name.jwtVerify ?? `${name.namespace}JwtVerify`
  if (!isPlugin(plugin) || !fastify.hasRequestDecorator(jwtVerify)) return
  const isOnly = [jwt, ...Object.values(jwt!)].filter(isPlugin).length === 1
  return { plugin, isOnly, jwtVerify, decoratorName: plugin.options.decoratorName ?? 'user', cookie: plugin.cookie, options: plugin.options }
}

function isPlugin (value: unknown): value is JwtPlugin {
  return typeof (value as undefined | null | { verify?: unknown })?.verify === 'function'
}

/** What is missing where a scope has no such `@fastify/jwt`, for an error. */
export function missingJwt (fastify: FastifyInstance, name: undefined | JwtName): string {
  const { jwt } = fastify as unknown as { jwt?: object }
  if (name === undefined) return jwt === undefined ? 'is not registered' : `is registered only under a namespace (${Object.keys(jwt).join(', ')}), which the option jwt has to name,`
  const { namespace, jwtVerify = `${namespace}JwtVerify` } = name
  return `is not registered under the namespace '${namespace}', with request.${jwtVerify}(),`
}

/**
 * Verifies a token with all that is configured for a `@fastify/jwt`.
 *
 * @returns the user that it makes of the token, which is also on the request then.
 * @throws `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`.
 */
export async function verifyToken (jwt: Jwt, request: JwtRequest, token: string): Promise<unknown> {
  let user: unknown
  try {
    user = await askVerifier(jwt, request, token)
  } catch (error) {
    // An async formatUser leaves its promise there, which must not end the process if it rejects.
    discard(request[jwt.decoratorName])
    throw refusalOf(error, request)
  }
  if (user) {
    // In the place of the promise of an async formatUser.
    request[jwt.decoratorName] = user
    return user
  }
  // @fastify/jwt takes a `trusted` that rejects with nothing for one that agrees, and then has no user.
  writeLog(request, 'warn', {}, 'a token was verified, but has no user: formatUser of @fastify/jwt made nothing of it, or trusted failed with nothing')
  throw new errors.TokenInvalid()
}

// Any failure is a 401, so that no token can make the server answer 500. One that is not about the token is logged.
function refusalOf (error: unknown, request: JwtRequest): Error {
  const code = readText(error, 'code')
  const isOfToken = code !== undefined && /^(FAST_JWT_|FST_JWT_)/.test(code)
  writeLog(request, isOfToken ? 'debug' : 'warn', { code, type: readText(error, 'name') }, 'a token could not be verified')
  return code === 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED' ? new errors.TokenExpired() : new errors.TokenInvalid()
}

function askVerifier ({ jwtVerify, options }: Jwt, request: JwtRequest, token: string): Promise<unknown> {
  const verify = (...given: object[]) => (request[jwtVerify] as (...given: object[]) => Promise<unknown>).apply(request, given)
  const verifyThis = () => verify({ verify: { extractToken: () => token } })
  const { extractToken, onlyCookie } = options.verify
  // The verifier that @fastify/jwt shares is used unless its own look-up is configured in a way that would not see this token.
  if (extractToken !== undefined || onlyCookie === true) return verifyThis()
  // It reads the header before it returns; what was there is back before anything else looks.
  const { headers } = request.raw
  const { authorization } = headers
  const own = `Bearer ${token}`
  headers.authorization = own
  try {
    // A hook that has given the request other headers has hidden those.
    return request.headers.authorization === own ? verify() : verifyThis()
  } finally {
    if (authorization === undefined) delete headers.authorization
    else headers.authorization = authorization
  }
}
