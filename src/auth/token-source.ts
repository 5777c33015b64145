import type { FastifyInstance, FastifyRequest } from 'fastify'
import { errors } from '../errors.js'
import type { Jwt, JwtRequest } from '../host/fastify-jwt-internals.js'
import { readText, writeLog } from '../log.js'
import { discard } from '../thenable.js'
import { credentialOf } from './url-credentials.js'
import { typeOf } from './store-access.js'

/** A place of a request where a token or ticket is looked up. */
export type TokenSource = 'header' | 'protocol' | 'cookie' | 'query' | 'ticket' | 'message'

/** The default of `tokenFrom`. */
export const defaultSources: readonly TokenSource[] = ['header', 'protocol', 'cookie']

/** A token or a ticket, and its source. */
export interface Found {
  readonly source: TokenSource | 'extractToken'
  readonly token: string
}

// Replaces a value that is no token, such as a forged cookie. It is rejected as an invalid token,
// not as a missing one.
const NO_TOKEN = 'forged'

/** Whether a source has tokens that `@fastify/jwt` verifies. */
export function isOfJwt (source: TokenSource): boolean {
  return source !== 'ticket'
}

/** Whether `@fastify/jwt` reads a source: with `onlyCookie` it reads no header. */
export function isLookedAt (source: TokenSource, { options }: Jwt): boolean {
  return source !== 'header' || options.verify.onlyCookie !== true
}

/**
 * Checks, once all plugins are loaded, that the sources of a route can have tokens. A source whose
 * plugin is missing would look like a client without a token. If only some of the sources lack a
 * plugin, they are logged.
 *
 * @throws `FSR_ERR_OPTION_INVALID` if no source can have a token.
 */
export function checkPlaces (
  fastify: FastifyInstance,
  jwt: Jwt,
  tokenFrom: readonly TokenSource[],
  path: string
): void {
  // The default sources are not checked, except the cookie if @fastify/jwt is configured for one.
  const named = tokenFrom !== defaultSources
    ? tokenFrom
    : tokenFrom.filter((source) => source === 'cookie' && jwt.cookie !== undefined)
  const missing = named.flatMap((source) => missingAt(source, fastify, jwt) ?? [])
  if (missing.length === 0) return
  if (missing.length === tokenFrom.length && jwt.options.verify.extractToken === undefined) {
    throw new errors.OptionInvalid('Option tokenFrom',
      `names no place where a token for '${path}' can be: ${missing.join('; ')}`)
  }
  writeLog(fastify, 'warn', { route: path, missing },
    'tokenFrom names a place where no token can be')
}

function missingAt (source: TokenSource, fastify: FastifyInstance, jwt: Jwt): undefined | string {
  if (!isLookedAt(source, jwt)) {
    return `'${source}' is not read by @fastify/jwt with verify.onlyCookie`
  }
  if (source !== 'cookie') return
  if (jwt.cookie === undefined) {
    return "'cookie' needs the option cookie of @fastify/jwt: " +
      'await app.register(jwt, { secret, cookie: { cookieName } })'
  }
  if (!fastify.hasRequestDecorator('cookies')) {
    return "'cookie' needs @fastify/cookie, which is not registered in its scope: " +
      'await app.register(cookie)'
  }
  if (jwt.cookie.signed === true && !fastify.hasRequestDecorator('unsignCookie')) {
    return "'cookie' is signed, which needs a secret of @fastify/cookie: " +
      'await app.register(cookie, { secret })'
  }
}

/**
 * Describes the form of a token for each source, for the log: a token in another form is not found.
 */
export function formsOf (
  jwt: undefined | Jwt,
  sources: readonly TokenSource[]
): readonly string[] {
  const cookieName = jwt?.cookie?.cookieName
  const forms: Record<TokenSource, readonly string[]> = {
    header: ['the header Authorization: Bearer <token>'],
    protocol: ["the sub-protocols ['bearer', <token>]"],
    cookie: cookieName === undefined ? [] : [`the cookie ${cookieName}`],
    query: ['the query ?access_token=<token>'],
    ticket: ['the query ?ticket=<ticket>'],
    message: ['the first message']
  }
  const isExtracted = sources.some(isOfJwt) && jwt!.options.verify.extractToken !== undefined
  return [
    ...sources.flatMap((source) => forms[source]),
    ...isExtracted ? ['the result of extractToken of @fastify/jwt'] : []
  ]
}

/** Returns the first token of a request, in the order of the sources. */
export function findFirst (
  jwt: undefined | Jwt,
  sources: readonly TokenSource[],
  request: JwtRequest,
  offered: undefined | string
): undefined | Found {
  for (const source of sources) {
    const token = lookUp(source, jwt, request, offered)
    if (token !== undefined && token !== '') return { source, token }
  }
  const extracted = sources.some(isOfJwt) ? extractedBy(jwt!, request) : undefined
  if (extracted !== undefined && extracted !== '') {
    return { source: 'extractToken', token: extracted }
  }
}

/** Returns all tokens of a request, each once. */
export function findAll (
  jwt: Jwt,
  sources: readonly TokenSource[],
  request: JwtRequest,
  offered: undefined | string
): readonly Found[] {
  const found: Found[] = []
  const add = (source: Found['source'], token: undefined | string) => {
    if (token === undefined || token === '') return
    if (!found.some((each) => each.token === token)) found.push({ source, token })
  }
  add('extractToken', extractedBy(jwt, request))
  for (const source of sources) add(source, lookUp(source, jwt, request, offered))
  return found
}

function lookUp (
  source: TokenSource,
  jwt: undefined | Jwt,
  request: JwtRequest,
  offered: undefined | string
): undefined | string {
  switch (source) {
    case 'header': return bearerOf(request.headers.authorization)
    case 'protocol': return offered
    case 'cookie': return lookSafely(request, () => cookieOf(request, jwt?.cookie))
    case 'query':
    case 'ticket': return credentialOf(request.raw, source)
    case 'message': return undefined
  }
}

function extractedBy ({ options }: Jwt, request: JwtRequest): undefined | string {
  return lookSafely(request, () =>
    options.verify.extractToken?.(request as unknown as FastifyRequest))
}

// extractToken of the app and @fastify/cookie may throw. The failure is logged, and is never a 500.
function lookSafely (request: JwtRequest, look: () => unknown): undefined | string {
  try {
    const token = look() ?? undefined
    if (token === undefined || typeof token === 'string') return token
    // The value may be a promise, whose rejection must not end the process.
    discard(token)
    writeLog(request, 'warn', { type: typeOf(token) },
      'a token is not a string: extractToken of @fastify/jwt must return one, not a promise')
    return NO_TOKEN
  } catch (error) {
    writeLog(request, 'warn', { type: readText(error, 'name') }, 'a token could not be looked up')
  }
}

// @fastify/jwt also accepts 'Bearer', a tab, any text, a space and the token.
function bearerOf (authorization: undefined | string | string[]): undefined | string {
  if (typeof authorization !== 'string') return
  const scheme = /^Bearer(?: +|\s[^ ]* )/i.exec(authorization)
  return scheme === null ? undefined : authorization.slice(scheme[0].length)
}

// @fastify/cookie parses cookies in a hook that the app chooses. It may run after the guard, or not
// at all.
function cookiesOf ({ cookies, server, headers: { cookie } }: JwtRequest): JwtRequest['cookies'] {
  return cookies ?? (typeof cookie === 'string' ? server?.parseCookie?.(cookie) : undefined)
}

function cookieOf (request: JwtRequest, cookie: Jwt['cookie']): undefined | string {
  if (cookie === undefined) return
  const value = cookiesOf(request)?.[cookie.cookieName]
  if (value === undefined || cookie.signed !== true) return value
  const unsigned = request.unsignCookie(value)
  return unsigned.valid && unsigned.value !== null ? unsigned.value : NO_TOKEN
}
