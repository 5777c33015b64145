import type { FastifyRequest } from 'fastify'
import { asError, errors } from '../errors.js'
import { attempt } from '../thenable.js'

/**
 * Decides about one origin, such as `https://app.example`; `'null'` is that of a sandboxed frame or a local file. Only `true` lets in.
 * An error is answered by the error handler of the scope; a failure without a value is `FSR_ERR_ORIGIN_REFUSED`.
 */
export type OriginPredicate = (origin: string, request: FastifyRequest) => boolean | undefined | Promise<boolean | undefined>

/**
 * Which pages may connect: `'same-origin'`, origins and patterns of origins, a predicate, or `'*'` for every page of the web,
 * which with tokens in cookies lets any page act as its visitor.
 */
export type Origins = 'same-origin' | '*' | string | RegExp | ReadonlyArray<string | RegExp> | OriginPredicate

/** Whether the page that a request comes from may connect; a request without an `Origin` comes from no page (RFC 6454 section 7). */
export type OriginCheck = (request: FastifyRequest) => boolean | Promise<boolean>

/** Lets every page of the web in. */
export const everyOrigin: OriginCheck = () => true

/**
 * Makes the check of a route.
 *
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function createOriginCheck (origins: Origins): OriginCheck {
  if (origins === '*') return everyOrigin
  if (typeof origins === 'function') {
    return (request) => {
      const { origin } = request.headers
      return origin === undefined || askPredicate(origins, origin, request)
    }
  }
  const listed = (Array.isArray(origins) ? origins : [origins]) as ReadonlyArray<string | RegExp>
  const isSameOrigin = listed.includes('same-origin')
  const patterns = listed.filter((each) => each instanceof RegExp).map(asWhole)
  const exact = new Set(listed.filter((each) => typeof each === 'string' && each !== 'same-origin').map(asOrigin))
  if (listed.length === 0 || listed.some((each) => typeof each !== 'string' && !(each instanceof RegExp))) {
    throw new errors.OptionInvalid('origins', "is not 'same-origin', '*', a list of origins and patterns, or a predicate")
  }

  return (request) => {
    const { origin } = request.headers
    if (origin === undefined || exact.has(origin)) return true
    if (isSameOrigin && origin === originOf(request)) return true
    // Any page can open a sandboxed frame, whose origin is null: it is let in by its name alone.
    return origin !== 'null' && patterns.some((pattern) => pattern.test(origin))
  }
}

// Fastify takes a hook that fails with nothing, as `reject()` does, for one that has not failed.
function askPredicate (origins: OriginPredicate, origin: string, request: FastifyRequest): boolean | Promise<boolean> {
  const refuse = (error: unknown): never => { throw error ? asError(error) : new errors.OriginRefused() }
  return attempt(() => origins(origin, request), (isAllowed) => isAllowed === true, refuse)
}

// The last one that was told: most servers have one name, and reading an address takes longer than all else that is checked here.
let last: { readonly address: string, readonly origin: undefined | string } = { address: '', origin: undefined }

/** The origin of this server as the client sees it; Fastify's `trustProxy` decides whether a proxy's word counts. */
export function originOf (request: FastifyRequest): undefined | string {
  // Some proxies forward the scheme of an upgrade as wss or ws (Traefik, node-http-proxy); its page is https or http.
  const address = `${request.protocol.replace(/^ws/i, 'http')}://${request.host}`
  if (address !== last.address) last = { address, origin: readOrigin(address) }
  return last.origin
}

function readOrigin (address: string): undefined | string {
  try {
    const { origin } = new URL(address)
    // Any scheme but these has the origin null, which pages of anybody can have.
    if (origin !== 'null') return origin
  } catch {
    // A Host header that is none: nothing is of the same origin.
  }
}

// An app in a web view, or an extension: capacitor://localhost, app://., chrome-extension://id. Files are file://.
const OF_APP = /^(?!(?:https?|wss?|ftp|data|blob|javascript|about):)([a-z][a-z\d+.-]*:\/\/)([\w.:[\]-]+)\/?$/i

// Written as a browser sends it: without a path, without the default port, in lower case.
function asOrigin (given: string | RegExp): string {
  if (given === 'null' || given === 'file://') return given
  const [, scheme, host] = OF_APP.exec(given as string) ?? []
  if (scheme !== undefined) return scheme.toLowerCase() + host!
  try {
    const { protocol, origin, href } = new URL(given as string)
    if (/^https?:$/.test(protocol) && !origin.includes('*') && href === `${origin}/`) return origin
  } catch {
    // Said below.
  }
  throw new errors.OptionInvalid('origins', `has '${String(given)}', which is not an origin such as https://app.example or capacitor://localhost, nor 'same-origin'; for several take a pattern, and '*' only alone`)
}

// A pattern without anchors would let https://good.example.evil.example in, and one with the flag g every second time.
function asWhole (pattern: RegExp): RegExp {
  return new RegExp(`^(?:${pattern.source})$`, pattern.flags.replace(/[gmy]/g, ''))
}
