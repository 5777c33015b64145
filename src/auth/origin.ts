import type { FastifyRequest } from 'fastify'
import { asError, errors } from '../errors.js'
import { attempt } from '../thenable.js'

/**
 * Decides whether pages of an origin, such as `https://app.example`, may connect. `'null'` is the
 * origin of a sandboxed frame or a local file. Only `true` allows it. The error handler of the
 * scope replies to an error; a rejection without a value is `FSR_ERR_ORIGIN_REFUSED`.
 */
export type OriginPredicate =
  (origin: string, request: FastifyRequest) => boolean | undefined | Promise<boolean | undefined>

/**
 * The pages that may connect: `'same-origin'`, origins and patterns of origins, a predicate, or
 * `'*'` for every page of the web. With tokens in cookies `'*'` lets any page act as its visitor.
 */
export type Origins =
  | 'same-origin'
  | '*'
  | string
  | RegExp
  | ReadonlyArray<string | RegExp>
  | OriginPredicate

/**
 * Whether the page that sends a request may connect. A request without an `Origin` comes from no
 * page (RFC 6454 section 7).
 */
export type OriginCheck = (request: FastifyRequest) => boolean | Promise<boolean>

/** Allows every page of the web. */
export const everyOrigin: OriginCheck = () => true

/**
 * Creates the check of a route.
 *
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function createOriginCheck (origins: Origins): OriginCheck {
  if (origins === '*') return everyOrigin
  if (typeof origins === 'function') {
    return (request) => {
      const { origin } = request.headers
      return origin === undefined || callPredicate(origins, origin, request)
    }
  }
  const listed = (Array.isArray(origins) ? origins : [origins]) as ReadonlyArray<string | RegExp>
  const isSameOrigin = listed.includes('same-origin')
  const patterns = listed.filter((each) => each instanceof RegExp).map(asWhole)
  const exact = new Set(
    listed.filter((each) => typeof each === 'string' && each !== 'same-origin').map(asOrigin)
  )
  const isListed = (each: unknown) => typeof each === 'string' || each instanceof RegExp
  if (listed.length === 0 || !listed.every(isListed)) {
    throw new errors.OptionInvalid(
      'Option origins',
      "is not 'same-origin', '*', a list of origins and patterns, or a predicate"
    )
  }

  return (request) => {
    const { origin } = request.headers
    if (origin === undefined || exact.has(origin)) return true
    if (isSameOrigin && origin === originOf(request)) return true
    // Any page can open a sandboxed frame, whose origin is null. Only the literal 'null' allows it.
    return origin !== 'null' && patterns.some((pattern) => pattern.test(origin))
  }
}

// Fastify takes a hook that rejects without a value, as `reject()` does, as successful.
function callPredicate (
  origins: OriginPredicate,
  origin: string,
  request: FastifyRequest
): boolean | Promise<boolean> {
  const refuse = (error: unknown): never => {
    throw error ? asError(error) : new errors.OriginRefused()
  }
  return attempt(() => origins(origin, request), (isAllowed) => isAllowed === true, refuse)
}

// The last parsed origin. Most servers have one name, and parsing a URL takes longer than all other
// checks here.
let last: { readonly address: string, readonly origin: undefined | string } = {
  address: '',
  origin: undefined
}

/**
 * The origin of this server as the client sees it. `trustProxy` of Fastify decides whether the
 * headers of a proxy count.
 */
export function originOf (request: FastifyRequest): undefined | string {
  // Some proxies forward the scheme of an upgrade as wss or ws (Traefik, node-http-proxy); its page
  // is https or http.
  const address = `${request.protocol.replace(/^ws/i, 'http')}://${request.host}`
  if (address !== last.address) last = { address, origin: readOrigin(address) }
  return last.origin
}

function readOrigin (address: string): undefined | string {
  try {
    const { origin } = new URL(address)
    // Any scheme but http and https has the origin null, which a page of any site can have.
    if (origin !== 'null') return origin
  } catch {
    // The Host header is not valid: no page has the same origin.
  }
}

// Apps in a web view and extensions: capacitor://localhost, app://., chrome-extension://id. Files
// have the origin file://.
const OF_APP =
  /^(?!(?:https?|wss?|ftp|data|blob|javascript|about):)([a-z][a-z\d+.-]*:\/\/)([\w.:[\]-]+)\/?$/i

// Normalises an origin to the form that browsers send: no path, no default port, lower case.
function asOrigin (given: string | RegExp): string {
  if (given === 'null' || given === 'file://') return given
  const [, scheme, host] = OF_APP.exec(given as string) ?? []
  if (scheme !== undefined) return scheme.toLowerCase() + host!
  try {
    const { protocol, origin, href } = new URL(given as string)
    if (/^https?:$/.test(protocol) && !origin.includes('*') && href === `${origin}/`) return origin
  } catch {
    // Reported below.
  }
  throw new errors.OptionInvalid('Option origins',
    `has '${String(given)}', which is neither an origin (https://app.example, ` +
    "capacitor://localhost) nor 'same-origin'. " +
    "Use a pattern for several origins, and '*' only alone")
}

// A pattern without anchors would let https://good.example.evil.example in, and one with the flag g
// every second time.
function asWhole (pattern: RegExp): RegExp {
  return new RegExp(`^(?:${pattern.source})$`, pattern.flags.replace(/[gmy]/g, ''))
}
