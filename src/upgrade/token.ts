import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Identity } from '../connection/identity.js'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'
import type { TokenSource } from './options.js'
import { credentialOf } from './query.js'

/** What this plugin uses of `@fastify/jwt`, which is needed only for guarded routes and so not imported. */
interface Jwt {
  readonly verify: unknown
  readonly cookie?: undefined | { readonly cookieName: string, readonly signed?: undefined | boolean }
  readonly options: {
    readonly decoratorName?: undefined | string
    readonly verify: { readonly extractToken?: undefined | ((request: FastifyRequest) => string | undefined), readonly onlyCookie?: undefined | boolean }
  }
}

interface JwtRequest {
  readonly raw: IncomingMessage
  readonly headers: Record<string, undefined | string | string[]>
  readonly cookies?: undefined | Readonly<Record<string, undefined | string>>
  readonly log: FastifyRequest['log']
  unsignCookie (value: string): { valid: boolean, value: null | string }
  jwtVerify (options?: object): Promise<unknown>
  [name: string]: unknown
}

/** Finds out who is asking. */
export interface Authenticator {
  /**
   * The identity of a request: the user that a hook of the app has put there, or the one of the token or ticket, verified once. None
   * if the token is to come as the first message.
   *
   * @param offered the token of the sub-protocol header.
   * @throws `FSR_ERR_TOKEN_MISSING`, `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`, `FSR_ERR_TICKET_INVALID` (401).
   */
  authenticate (request: FastifyRequest, offered: undefined | string): undefined | Identity | Promise<Identity>
  /**
   * The identity of a token that comes later, or from elsewhere. A route that looks for none takes none.
   *
   * @throws `FSR_ERR_TOKEN_INVALID`, `FSR_ERR_TOKEN_EXPIRED`.
   */
  verify (request: FastifyRequest, token: string): Promise<Identity>
}

/** Whoever it is that brings a ticket. */
export type Redeem = (request: FastifyRequest, ticket: string) => Promise<Identity>

/** The user that the app's own hooks have put on a request. */
export function userOf (request: FastifyRequest, name = 'user'): unknown {
  // What is false, as some libraries have it for nobody, is nobody.
  return (request as unknown as Record<string, unknown>)[name] || null
}

/** The `@fastify/jwt` of a scope, if there is one. */
export function jwtOf (fastify: FastifyInstance): undefined | Jwt {
  const jwt = (fastify as unknown as { jwt?: Jwt }).jwt
  return typeof jwt?.verify === 'function' ? jwt : undefined
}

/** Makes the authenticator of a route. Without `@fastify/jwt` only a ticket or a user that is there already counts. */
export function createAuthenticator (jwt: undefined | Jwt, tokenFrom: readonly TokenSource[], requireExpiry: boolean, redeem: Redeem): Authenticator {
  const { extractToken, onlyCookie = false } = jwt?.options.verify ?? {}
  const sources = tokenFrom.filter((source) => jwt !== undefined ? source !== 'header' || !onlyCookie : source === 'ticket')
  // The verifier that @fastify/jwt shares is used unless its own look-up is configured in a way that would not see our token.
  const isShared = extractToken === undefined && !onlyCookie

  const lookUp = (source: TokenSource, request: JwtRequest, offered: undefined | string): undefined | string => {
    switch (source) {
      case 'header': return bearerOf(request.headers.authorization)
      case 'protocol': return offered
      case 'cookie': return cookieOf(request, jwt?.cookie)
      case 'query':
      case 'ticket': return credentialOf(request.raw, source)
      case 'message': return undefined
    }
  }

  // The first that has one.
  const find = (request: JwtRequest, offered: undefined | string): undefined | { source: TokenSource, token: string } => {
    try {
      for (const source of sources) {
        const token = lookUp(source, request, offered)
        if (token !== undefined) return { source, token }
      }
      const token = sources.some(isOfJwt) ? extractToken?.(request as unknown as FastifyRequest) : undefined
      if (token !== undefined) return { source: 'header', token }
    } catch (error) {
      // A look-up of the app's own, or of @fastify/cookie, fails: not the client's business, and never a 500.
      writeLog(request, 'warn', { type: textOf(error, 'name') }, 'a token could not be looked up')
    }
  }

  const ask = (request: JwtRequest, token: string): Promise<unknown> => {
    const verifyThis = () => request.jwtVerify({ verify: { extractToken: () => token } })
    if (!isShared) return verifyThis()
    // It reads the header before it returns; whatever was there is back before anything else looks.
    const { headers } = request.raw
    const { authorization } = headers
    const own = `Bearer ${token}`
    headers.authorization = own
    try {
      // A hook that has given the request other headers has hidden those.
      return request.headers.authorization === own ? request.jwtVerify() : verifyThis()
    } finally {
      if (authorization === undefined) delete headers.authorization
      else headers.authorization = authorization
    }
  }

  const verify = async (request: FastifyRequest, token: string): Promise<Identity> => {
    if (jwt === undefined || !sources.some(isOfJwt)) throw new errors.TokenInvalid()
    try {
      const user = await ask(request as unknown as JwtRequest, token)
      const payload = payloadOf(token)
      const identity = identityOf(user, payload)
      if (hasRightTypes(payload) && (identity.exp !== undefined || !requireExpiry)) return identity
    } catch (error) {
      // Any failure is a 401, so that no token can make the server answer 500. One that is not about the token is logged.
      const code = textOf(error, 'code')
      const isOfToken = code !== undefined && /^(FAST_JWT_|FST_JWT_)/.test(code)
      writeLog(request, isOfToken ? 'debug' : 'warn', { code, type: textOf(error, 'name') }, 'a token could not be verified')
      if (code === 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED') throw new errors.TokenExpired()
    }
    throw new errors.TokenInvalid()
  }

  return {
    verify,
    authenticate (request, offered) {
      const known = userOf(request, jwt?.options.decoratorName)
      if (known !== null) return identityOf(known, known)
      const { source, token } = find(request as unknown as JwtRequest, offered) ?? {}
      if (token === undefined || token === '') {
        if (sources.includes('message')) return
        throw new errors.TokenMissing()
      }
      return (source === 'ticket' ? redeem : verify)(request, token)
    }
  }
}

/** Whether a source has tokens for `@fastify/jwt`. */
export function isOfJwt (source: TokenSource): boolean {
  return source !== 'ticket'
}

// Of a token that is verified already; one of another form than JWT has no claims to read.
function payloadOf (token: string): unknown {
  try {
    const begin = token.indexOf('.') + 1
    return JSON.parse(Buffer.from(token.slice(begin, token.indexOf('.', begin)), 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}

function identityOf (user: unknown, payload: unknown): Identity {
  const { sub, iat, exp } = Object(payload) as Record<string, unknown>
  return {
    user,
    // Many apps have numbers for their users, although it is to be a string.
    sub: typeof sub === 'string' || typeof sub === 'number' ? String(sub) : undefined,
    iat: typeof iat === 'number' ? iat : undefined,
    exp: typeof exp === 'number' ? exp : undefined
  }
}

// A token whose user cannot be told, or whose age, could never be revoked. The verifier looks at other claims only.
function hasRightTypes (payload: unknown): boolean {
  const { sub, iat } = Object(payload) as Record<string, unknown>
  return ['undefined', 'string', 'number'].includes(typeof sub) && ['undefined', 'number'].includes(typeof iat)
}

function bearerOf (authorization: undefined | string | string[]): undefined | string {
  if (typeof authorization !== 'string') return
  const scheme = /^Bearer +/i.exec(authorization)
  return scheme === null ? undefined : authorization.slice(scheme[0].length)
}

function cookieOf (request: JwtRequest, cookie: Jwt['cookie']): undefined | string {
  if (cookie === undefined) return
  const value = request.cookies?.[cookie.cookieName]
  if (value === undefined || cookie.signed !== true) return value
  const unsigned = request.unsignCookie(value)
  // A forged cookie is a token that is not valid, not the absence of one.
  return unsigned.valid && unsigned.value !== null ? unsigned.value : 'forged'
}

// Of what a look-up or a verifier of the app has thrown, which may be anything.
function textOf (error: unknown, name: 'code' | 'name'): undefined | string {
  try {
    const text = (error as null | { code?: unknown, name?: unknown })?.[name]
    return typeof text === 'string' ? text : undefined
  } catch {
    return undefined
  }
}
