import type { FastifyInstance, FastifyRequest } from 'fastify'
import { errors } from '../errors.js'
import { readText, writeLog } from '../log.js'
import { discard } from '../thenable.js'
import type { Jwt, JwtRequest } from './jwt.js'
import { credentialOf } from './url-credentials.js'
import { typeOf } from './call-store.js'

/** Where a token is looked for. */
export type TokenSource = 'header' | 'protocol' | 'cookie' | 'query' | 'ticket' | 'message'

/** The places that are looked at where none are named. */
export const defaultSources: readonly TokenSource[] = ['header', 'protocol', 'cookie']

/** A token or a ticket, and where it was. */
export interface Found {
  readonly source: TokenSource | 'extractToken'
  readonly token: string
}

// In the place of what is no token, such as a forged cookie: one that is not valid, not the absence of one.
const NO_TOKEN = 'forged'

/** Whether a source has tokens for `@fastify/jwt`. */
export function isOfJwt (source: TokenSource): boolean {
  return source !== 'ticket'
}

/** Whether `@fastify/jwt` looks at a place: with `onlyCookie` it looks at no header. */
export function isLookedAt (source: TokenSource, { options }: Jwt): boolean {
  return source !== 'header' || options.verify.onlyCookie !== true
}

/**
 * Looks whether tokens can be in the places that a route names, once all plugins are loaded: one that lacks its plugin would look like a
 * client without a token. Some are told to the log.
 *
 * @throws `FSR_ERR_OPTION_INVALID` if no place can have a token.
 */
export function checkPlaces (fastify: FastifyInstance, jwt: Jwt, tokenFrom: readonly TokenSource[], path: string): void {
  // Nobody has named the places that are looked at by default, but the app may have configured @fastify/jwt for a cookie.
  const named = tokenFrom !== defaultSources ? tokenFrom : tokenFrom.filter((source) => source === 'cookie' && jwt.cookie !== undefined)
  const missing = named.flatMap((source) => missingAt(source, fastify, jwt) ?? [])
  if (missing.length === 0) return
  if (missing.length === tokenFrom.length && jwt.options.verify.extractToken === undefined) {
    throw new errors.OptionInvalid('tokenFrom', `names no place where a token for '${path}' can be: ${missing.join('; ')}`)
  }
  writeLog(fastify, 'warn', { route: path, missing }, 'tokenFrom names a place where no token can be')
}

function missingAt (source: TokenSource, fastify: FastifyInstance, jwt: Jwt): undefined | string {
  if (!isLookedAt(source, jwt)) return `'${source}' is not looked at by @fastify/jwt with verify.onlyCookie`
  if (source !== 'cookie') return
  if (jwt.cookie === undefined) return "'cookie' needs the option cookie of @fastify/jwt: await app.register(jwt, { secret, cookie: { cookieName } })"
  if (!fastify.hasRequestDecorator('cookies')) return "'cookie' needs @fastify/cookie, which is not registered in its scope: await app.register(cookie)"
  if (jwt.cookie.signed === true && !fastify.hasRequestDecorator('unsignCookie')) return "'cookie' is signed, which needs a secret of @fastify/cookie: await app.register(cookie, { secret })"
}

/** How a client sends a token, one text for each place that is looked at: one that came in another form is not found. */
export function formsOf (jwt: undefined | Jwt, sources: readonly TokenSource[]): readonly string[] {
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
  return [...sources.flatMap((source) => forms[source]), ...isExtracted ? ['what extractToken of @fastify/jwt returns'] : []]
}

/** Finds the first token that there is. */
export function findFirst (jwt: undefined | Jwt, sources: readonly TokenSource[], request: JwtRequest, offered: undefined | string): undefined | Found {
  for (const source of sources) {
    const token = lookUp(source, jwt, request, offered)
    if (token !== undefined && token !== '') return { source, token }
  }
  const extracted = sources.some(isOfJwt) ? extractedBy(jwt!, request) : undefined
  if (extracted !== undefined && extracted !== '') return { source: 'extractToken', token: extracted }
}

/** Finds all tokens that there are, each once. */
export function findAll (jwt: Jwt, sources: readonly TokenSource[], request: JwtRequest, offered: undefined | string): readonly Found[] {
  const found: Found[] = []
  const add = (source: Found['source'], token: undefined | string) => {
    if (token !== undefined && token !== '' && !found.some((each) => each.token === token)) found.push({ source, token })
  }
  add('extractToken', extractedBy(jwt, request))
  for (const source of sources) add(source, lookUp(source, jwt, request, offered))
  return found
}

function lookUp (source: TokenSource, jwt: undefined | Jwt, request: JwtRequest, offered: undefined | string): undefined | string {
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
  return lookSafely(request, () => options.verify.extractToken?.(request as unknown as FastifyRequest))
}

// A look-up of the app's own, or of @fastify/cookie, may fail: not the client's business, and never a 500.
function lookSafely (request: JwtRequest, look: () => unknown): undefined | string {
  try {
    const token = look() ?? undefined
    if (token === undefined || typeof token === 'string') return token
    // If it rejects, that must not end the process.
    discard(token)
    writeLog(request, 'warn', { type: typeOf(token) }, 'a token is not a string: extractToken of @fastify/jwt returns one, not a promise')
    return NO_TOKEN
  } catch (error) {
    writeLog(request, 'warn', { type: readText(error, 'name') }, 'a token could not be looked up')
  }
}

// Also where @fastify/jwt takes it behind other white space: 'Bearer', a tab, anything, a space, and the token.
function bearerOf (authorization: undefined | string | string[]): undefined | string {
  if (typeof authorization !== 'string') return
  const scheme = /^Bearer(?: +|\s[^ ]* )/i.exec(authorization)
  return scheme === null ? undefined : authorization.slice(scheme[0].length)
}

// @fastify/cookie parses them in a hook that the app chooses, which may run later than a guard, or in none.
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
