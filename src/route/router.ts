import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'

// As find-my-way has them: an optional parameter at the end is another path without it.
const OPTIONAL = /(\/:[^/()]*?)\?(\/?)$/

/** The paths that Fastify registers for one that a route names, which may end with an optional parameter. */
export function pathsOf (url: string): readonly string[] {
  return OPTIONAL.test(url) ? [url.replace(OPTIONAL, '$1$2'), url.replace(OPTIONAL, '$2') || '/'] : [url]
}

/**
 * What all paths have in common that any router could take for one, whatever its options: the number of segments, and the text of those
 * without a parameter.
 */
export function shapeOf (url: string): string {
  let bare = url.toLowerCase()
  // The expressions of parameters, from the inside.
  for (let before = ''; before !== bare;) {
    before = bare
    bare = bare.replace(/\([^()]*\)/g, '')
  }
  const segments = bare.split('/').filter((segment) => segment !== '')
  // '::' is a colon.
  return segments.map((segment) => segment.replaceAll('::', '').includes(':') ? ':' : segment).join('/')
}

/** Whether Fastify's router takes two paths for the same. */
export type IsSamePath = (one: string, other: string) => boolean

// The types of Fastify 5.0 to 5.4 do not have them.
type WithRouterOptions = { readonly routerOptions?: Readonly<Record<string, unknown>> }

/** Returns the options that Fastify was given for its router. */
export function routerOptionsOf ({ initialConfig }: Pick<FastifyInstance, 'initialConfig'>): Readonly<Record<string, unknown>> {
  return (initialConfig as typeof initialConfig & WithRouterOptions).routerOptions ?? {}
}

type Asked = Pick<FastifyInstance, 'initialConfig' | 'version'>

/** The options of a Fastify whose router takes the same paths for one as that of an app does. */
export function optionsLike ({ initialConfig, version }: Asked): FastifyServerOptions & WithRouterOptions {
  const routerOptions = routerOptionsOf({ initialConfig })
  // They may stand in either place.
  const isSet = (name: 'ignoreDuplicateSlashes' | 'ignoreTrailingSlash' | 'allowUnsafeRegex') => initialConfig[name] === true || routerOptions[name] === true
  const options = {
    caseSensitive: initialConfig.caseSensitive !== false && routerOptions['caseSensitive'] !== false,
    ignoreDuplicateSlashes: isSet('ignoreDuplicateSlashes'),
    ignoreTrailingSlash: isSet('ignoreTrailingSlash'),
    allowUnsafeRegex: isSet('allowUnsafeRegex')
  }
  // Fastify 5.0 to 5.4 ignore routerOptions; since 5.5 the other place is deprecated.
  return Number(version.split('.')[1]) < 5 ? options : { routerOptions: options }
}

/**
 * Asks a router like that of the app: case, double slashes, slashes at the end, expressions and encodings are its business. A router of its
 * own for each question, which is asked only of paths that look alike.
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

/** Whether Fastify has refused a route as one that it has already. */
export function isDuplicate (error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === 'FST_ERR_DUPLICATED_ROUTE'
}
