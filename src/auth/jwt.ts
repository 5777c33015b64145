import type { FastifyInstance } from 'fastify'
import { errors } from '../errors.js'
import {
  callVerifier,
  namespacesOf,
  type Jwt,
  type JwtName,
  type JwtRequest
} from '../host/fastify-jwt-internals.js'
import { readText, writeLog } from '../log.js'
import { discard } from '../thenable.js'

/** Says why a scope has no such `@fastify/jwt`, for an error text. */
export function missingJwt (fastify: FastifyInstance, name: undefined | JwtName): string {
  if (name === undefined) {
    const namespaces = namespacesOf(fastify)?.join(', ')
    return namespaces === undefined
      ? 'is not registered'
      : `is registered only under a namespace (${namespaces}), which the option jwt has to name,`
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
