import { errors } from '../errors.js'

// ':name', with or without an expression, optional or not; '*' at the end; '::' for a colon, as
// find-my-way parses them.
const PARAMETER = /::|:([^/().?:*-]+)(\((?:[^()]|\([^()]*\))*\))?(\?)?|\*/g
type Group = undefined | string

/** Creates the error for a path that is not a string. */
export function notAPath (given: unknown): Error {
  return new errors.PathInvalid(given == null ? `${given}` : `of type ${typeof given}`)
}

/** Joins the prefix of a scope and a path as Fastify does. */
export function joinPath (prefix: string, path: string): string {
  return prefix.endsWith('/') && path.startsWith('/') ? prefix + path.slice(1) : prefix + path
}

/**
 * Returns the path of a socket route without a trailing slash.
 *
 * @throws `FSR_ERR_PATH_INVALID`.
 */
export function barePath (path: unknown, prefix: string): string {
  if (typeof path !== 'string') throw notAPath(path)
  if (!path.startsWith('/') && (path !== '' || prefix === '')) {
    throw new errors.PathInvalid(`'${path}'`)
  }
  const bare = path.replace(/\/+$/, '')
  return bare === '' && isRoot(prefix) ? '/' : bare
}

/**
 * Returns the paths to register so that a socket route matches with and without a trailing slash.
 *
 * @throws `FSR_ERR_PATH_INVALID`.
 */
export function slashVariants (path: unknown, prefix: string): readonly string[] {
  const bare = barePath(path, prefix)
  if (bare === '/' || bare.endsWith('*')) return [bare]
  // find-my-way has no optional parameters with an expression, so both paths are registered.
  const [, before, parameter] = /^(.*)\/(:[^/()]+(?:\(.*\))?)\?$/.exec(bare) ?? []
  if (parameter === undefined) return [bare, `${bare}/`]
  const without = before === '' && isRoot(prefix) ? [] : [before!]
  return [`${before}/${parameter}`, ...without, `${before}/`, `${before}/${parameter}/`]
}

function isRoot (prefix: string): boolean {
  return prefix === '' || prefix === '/'
}

/**
 * Fills in the parameters of a path.
 *
 * @throws `FSR_ERR_URL_PARAM_MISSING`, `FSR_ERR_URL_PARAM_INVALID`.
 */
export function fillPath (path: string, params: Readonly<Record<string, string | number>>): string {
  const filled = path.replace(PARAMETER, (match, name: Group, _expression, optional: Group) => {
    if (match === '::') return ':'
    const key = name ?? '*'
    const value: unknown = params[key]
    if (value === undefined || value === null || value === '') {
      if (optional === undefined) throw new errors.UrlParamMissing(path, key)
      return ''
    }
    // A wildcard may span segments.
    return name === undefined
      ? String(value).split('/').map((segment) => encode(path, segment)).join('/')
      : encode(path, value)
  })
  // Clients remove these segments, percent-encoded ones too (URL standard).
  if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(filled)) {
    throw new errors.UrlParamInvalid(path, "clients remove a segment '.' or '..' from a URL")
  }
  return filled.length > 1 ? filled.replace(/\/$/, '') : filled
}

function encode (path: string, value: unknown): string {
  // Functions are rejected, as a missing parameter called `constructor` reads an inherited one.
  if (typeof value === 'object' || typeof value === 'function' || Object.is(value, NaN)) {
    throw new errors.UrlParamInvalid(path, 'it is neither a string nor a number')
  }
  try {
    return encodeURIComponent(String(value))
  } catch {
    throw new errors.UrlParamInvalid(path, 'it has half of a surrogate pair')
  }
}

/**
 * Returns a pattern for the request paths of a route. It may match more paths than the route, never
 * fewer. A segment with parameters matches any segment, so that no path causes backtracking.
 */
export function patternOf (path: string): RegExp {
  // An optional parameter includes its slash.
  const isOptional = /:[^/()]+(?:\(.*\))?\?\/*$/.test(path)
  const segments = path
    .replace(PARAMETER, (parameter) => parameter === '*' ? parameter : ':')
    .replace(/\/+$/, '')
    .split('/')
    .map((segment) => segment.includes(':')
      ? '[^/]*'
      : segment.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace('*', '.*'))
  const last = isOptional ? `(?:/${segments.pop()})?` : ''
  return new RegExp(`^${segments.join('/')}${last}/?$`, 'i')
}

/** Returns the path of a URL, as the router of Fastify reads it. */
export type PathOf = (address: string) => string

/**
 * Whether a pattern may match a path in any of its spellings: as an absolute URL, with repeated
 * slashes, or percent-encoded.
 */
export function mayBeAt (patterns: readonly RegExp[], path: string): boolean {
  const relative = path.replace(/^https?:\/\/[^/]*/i, '')
  const spellings = [relative, relative.replace(/\/{2,}/g, '/')]
    .flatMap((each) => [decodeBytes(each), decodeUtf8(each)])
  return patterns.some((pattern) => spellings.some((each) => pattern.test(each)))
}

/** Decodes percent-encoding byte by byte. It never throws. */
export function decodeBytes (encoded: string): string {
  return encoded.replace(/%([0-9a-f]{2})/gi, (_match, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)))
}

/** Decodes percent-encoded UTF-8. Invalid input is returned unchanged. */
export function decodeUtf8 (encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return encoded
  }
}

/** A path as a template (RFC 6570 level 1), with the keys of its parameters there. */
export interface PathTemplate {
  readonly address: string
  readonly params: ReadonlyArray<{
    readonly key: string
    readonly name: string
    readonly isOptional: boolean
  }>
}

/** Creates the template of a path, for documents. */
export function templateOf (path: string): PathTemplate {
  const params: Array<PathTemplate['params'][number]> = []
  const add = (match: string, name: string = '*', _expression: Group, optional: Group): string => {
    if (match === '::') return ':'
    const key = name === '*' ? 'wildcard' : name
    params.push({ key, name, isOptional: optional !== undefined })
    return `{${key}}`
  }
  const address = path.replace(PARAMETER, add)
  return { address, params }
}

/**
 * The type of the parameters of a path. For `'/chat/:room/:page?'` it is
 * `{ room: string, page?: undefined | string }`.
 */
export type ParamsOfPath<Path extends string> = ParamsOfNames<NamesOfPath<Path>>

type ParamsOfNames<Names extends string> = string extends Names
  ? Record<string, string>
  : Flat<
    { [Name in Names as Name extends `${string}?` ? never : Name]: string } &
    { [Name in Names as Name extends `${infer Optional}?` ? Optional : never]?: undefined | string }
  >

// Merges an intersection into one object type, which hovers show better.
type Flat<Type> = Type extends infer All ? { [Key in keyof All]: All[Key] } : never

type NamesOfPath<Path extends string> = string extends Path
  ? string
  : Path extends `${infer Segment}/${infer Rest}`
    ? NameOfSegment<Segment> | NamesOfPath<Rest>
    : NameOfSegment<Path>

// Segments with an expression, several parameters or text around a parameter are typed by the
// generics.
type NameOfSegment<Segment extends string> = Segment extends `:${infer Name}`
  ? Name extends `${string}${'(' | '-' | '.' | ':'}${string}` ? string : Name
  : Segment extends `${string}*` ? '*' : Segment extends `${string}:${string}` ? string : never
