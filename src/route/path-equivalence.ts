import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { PathOf } from '../upgrade/path-template.js'

// As in find-my-way: an optional parameter at the end registers the path without it as well.
const OPTIONAL = /(\/:[^/()]*?)\?(\/?)$/

/** Returns the paths that Fastify registers for a path that may end with an optional parameter. */
export function pathsOf (url: string): readonly string[] {
  return OPTIONAL.test(url)
    ? [url.replace(OPTIONAL, '$1$2'), url.replace(OPTIONAL, '$2') || '/']
    : [url]
}

/**
 * Returns a key that is equal for all paths that a router might treat as the same, with any
 * options: the segments of the path, without the names and expressions of parameters.
 */
export function shapeOf (url: string): string {
  let bare = url.toLowerCase()
  // Remove the expressions of parameters, innermost first.
  for (let before = ''; before !== bare;) {
    before = bare
    bare = bare.replace(/\([^()]*\)/g, '')
  }
  const segments = bare.split('/').filter((segment) => segment !== '')
  // '::' is an escaped colon.
  return segments
    .map((segment) => segment.replaceAll('::', '').includes(':') ? ':' : segment)
    .join('/')
}

/** Whether Fastify's router treats two paths as the same. */
export type IsSamePath = (one: string, other: string) => boolean

// The types of Fastify 5.0 to 5.4 do not have `routerOptions`.
type WithRouterOptions = { readonly routerOptions?: Readonly<Record<string, unknown>> }

type Asked = Pick<FastifyInstance, 'initialConfig' | 'version'>

// Whether an option of the router has a value. An app may set it in either place.
function isSet (
  { initialConfig }: Pick<Asked, 'initialConfig'>,
  name: 'caseSensitive' | 'ignoreDuplicateSlashes' | 'ignoreTrailingSlash' | 'allowUnsafeRegex' |
    'useSemicolonDelimiter',
  value: boolean
): boolean {
  const { routerOptions = {}, ...config } =
    initialConfig as typeof initialConfig & WithRouterOptions & Record<string, unknown>
  return config[name] === value || routerOptions[name] === value
}

/** Returns options of a Fastify whose router compares paths as the router of an app does. */
export function optionsLike (app: Asked): FastifyServerOptions & WithRouterOptions {
  const options = {
    caseSensitive: !isSet(app, 'caseSensitive', false),
    ignoreDuplicateSlashes: isSet(app, 'ignoreDuplicateSlashes', true),
    ignoreTrailingSlash: isSet(app, 'ignoreTrailingSlash', true),
    allowUnsafeRegex: isSet(app, 'allowUnsafeRegex', true)
  }
  // Fastify 5.0 to 5.4 ignore routerOptions; since 5.5 the top-level options are deprecated.
  return Number(app.version.split('.')[1]) < 5 ? options : { routerOptions: options }
}

/**
 * Creates a function that returns the path of a URL, as the router of an app reads it. A request
 * has no fragment (RFC 9112 section 3.2), but Fastify ends the path at `#` too.
 */
export function createPathOf (app: Pick<Asked, 'initialConfig'>): PathOf {
  const ends = isSet(app, 'useSemicolonDelimiter', true) ? /[?#;]/ : /[?#]/
  return (address) => {
    const end = address.search(ends)
    return end === -1 ? address : address.slice(0, end)
  }
}

/**
 * Creates a function that compares two paths with a router like that of the app, which handles
 * case, double slashes, trailing slashes, expressions and encodings. Each comparison creates a
 * router; only paths with the same `shapeOf` are compared.
 */
export function createIsSamePath (fastify: Asked): IsSamePath {
  const options = optionsLike(fastify)
  return (one, other) => {
    if (one === other) return true
    const router = Fastify({ ...options, exposeHeadRoutes: false })
    router.get(one, () => {})
    try {
      router.get(other, () => {})
      return false
    } catch (error) {
      return isDuplicate(error)
    }
  }
}

/** Whether an error of Fastify says that a route is registered already. */
export function isDuplicate (error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === 'FST_ERR_DUPLICATED_ROUTE'
}
