import { errors } from '../errors.js'

// ':name', with an expression or not, optional or not; '*' at the end; '::' is a colon. As find-my-way reads them.
const PARAMETER = /::|:([^/().?:*-]+)(\((?:[^()]|\([^()]*\))*\))?(\?)?|\*/g

/** The error for what is no text at all. */
export function notAPath (given: unknown): Error {
  return new errors.PathInvalid(given == null ? `${given}` : `of type ${typeof given}`)
}

/** Joins a scope's prefix and a path as Fastify does. */
export function joinPath (prefix: string, path: string): string {
  return prefix.endsWith('/') && path.startsWith('/') ? prefix + path.slice(1) : prefix + path
}

/**
 * The path of a socket route, without a slash at its end.
 *
 * @throws `FSR_ERR_PATH_INVALID`.
 */
export function barePath (path: unknown, prefix: string): string {
  if (typeof path !== 'string') throw notAPath(path)
  if (!path.startsWith('/') && (path !== '' || prefix === '')) throw new errors.PathInvalid(`'${path}'`)
  const bare = path.replace(/\/+$/, '')
  return bare === '' && isRoot(prefix) ? '/' : bare
}

/**
 * The paths to register so that a socket route is found with and without a slash at its end.
 *
 * @throws `FSR_ERR_PATH_INVALID`.
 */
export function slashVariants (path: unknown, prefix: string): readonly string[] {
  const bare = barePath(path, prefix)
  if (bare === '/' || bare.endsWith('*')) return [bare]
  // The router does not know an optional parameter with an expression, so that both paths are spelled out.
  const [, before, parameter] = /^(.*)\/(:[^/()]+(?:\(.*\))?)\?$/.exec(bare) ?? []
  if (parameter === undefined) return [bare, `${bare}/`]
  return [`${before}/${parameter}`, ...(before === '' && isRoot(prefix) ? [] : [before!]), `${before}/`, `${before}/${parameter}/`]
}

function isRoot (prefix: string): boolean {
  return prefix === '' || prefix === '/'
}

/**
 * Fills the parameters of a path in.
 *
 * @throws `FSR_ERR_URL_PARAM_MISSING`, `FSR_ERR_URL_PARAM_INVALID`.
 */
export function fillPath (path: string, params: Readonly<Record<string, string | number>>): string {
  const filled = path.replace(PARAMETER, (match, name: undefined | string, _expression, optional: undefined | string) => {
    if (match === '::') return ':'
    const key = name ?? '*'
    const value: unknown = params[key]
    if (value === undefined || value === null || value === '') {
      if (optional === undefined) throw new errors.UrlParamMissing(path, key)
      return ''
    }
    // A wildcard may span segments.
    return name === undefined ? String(value).split('/').map((segment) => encode(path, segment)).join('/') : encode(path, value)
  })
  // Also where they are percent-encoded, as the URL standard has it: they cannot be sent.
  if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(filled)) throw new errors.UrlParamInvalid(path, "a segment '.' or '..' is taken out of an address by the client")
  return filled.length > 1 ? filled.replace(/\/$/, '') : filled
}

function encode (path: string, value: unknown): string {
  // What every object inherits is no value: a parameter may be called `constructor`.
  if (typeof value === 'object' || typeof value === 'function' || Object.is(value, NaN)) throw new errors.UrlParamInvalid(path, 'it is neither a text nor a number')
  try {
    return encodeURIComponent(String(value))
  } catch {
    throw new errors.UrlParamInvalid(path, 'it is not Unicode, as half of a surrogate pair is in it')
  }
}

/**
 * A pattern for the paths of a route, as they come in a request. It may match more than the route does, never less: a segment with
 * parameters is any, so that no path makes the pattern try again and again.
 */
export function patternOf (path: string): RegExp {
  // An optional parameter goes with its slash.
  const isOptional = /:[^/()]+(?:\(.*\))?\?\/*$/.test(path)
  const segments = path.replace(PARAMETER, (parameter) => parameter === '*' ? parameter : ':').replace(/\/+$/, '').split('/')
    .map((segment) => segment.includes(':') ? '[^/]*' : segment.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace('*', '.*'))
  const last = isOptional ? `(?:/${segments.pop()})?` : ''
  return new RegExp(`^${segments.join('/')}${last}/?$`, 'i')
}

/** The path of an address, as the router of Fastify reads it. */
export type PathOf = (address: string) => string

/**
 * Makes it. A fragment is none of a request (RFC 9112 section 3.2), but is taken for one.
 *
 * @param hasSemicolons whether a semicolon ends a path, `useSemicolonDelimiter` of Fastify.
 */
export function createPathOf (hasSemicolons: boolean): PathOf {
  const ends = hasSemicolons ? /[?#;]/ : /[?#]/
  return (address) => {
    const end = address.search(ends)
    return end === -1 ? address : address.slice(0, end)
  }
}

/** Whether one of some patterns may match a path, however that is written: as a whole address, with slashes twice, or encoded. */
export function mayBeAt (patterns: readonly RegExp[], path: string): boolean {
  const relative = path.replace(/^https?:\/\/[^/]*/i, '')
  const spellings = [relative, relative.replace(/\/{2,}/g, '/')].flatMap((each) => [decodeBytes(each), decodeUtf8(each)])
  return patterns.some((pattern) => spellings.some((each) => pattern.test(each)))
}

/** Decodes the percent-encoding byte by byte: it never throws. */
export function decodeBytes (encoded: string): string {
  return encoded.replace(/%([0-9a-f]{2})/gi, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}

/** Decodes the percent-encoding of UTF-8; a text that is none stays as it is. */
export function decodeUtf8 (encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return encoded
  }
}

/** A path as a template (RFC 6570 level 1), with the names that its parameters have there. */
export interface PathTemplate {
  readonly address: string
  readonly params: ReadonlyArray<{ readonly key: string, readonly name: string, readonly isOptional: boolean }>
}

/** Makes it, for documents. */
export function templateOf (path: string): PathTemplate {
  const params: Array<PathTemplate['params'][number]> = []
  const address = path.replace(PARAMETER, (match, name: string = '*', _expression, optional: undefined | string) => {
    if (match === '::') return ':'
    const key = name === '*' ? 'wildcard' : name
    params.push({ key, name, isOptional: optional !== undefined })
    return `{${key}}`
  })
  return { address, params }
}

/** The parameters that a path names, as their type: `'/chat/:room/:page?'` gives `{ room: string, page?: undefined | string }`. */
export type ParamsOfPath<Path extends string> = ParamsOfNames<NamesOfPath<Path>>

type ParamsOfNames<Names extends string> = string extends Names
  ? Record<string, string>
  : Flat<
    { [Name in Names as Name extends `${string}?` ? never : Name]: string } &
    { [Name in Names as Name extends `${infer Optional}?` ? Optional : never]?: undefined | string }
  >

// One object type, for people to read.
type Flat<Type> = Type extends infer All ? { [Key in keyof All]: All[Key] } : never

type NamesOfPath<Path extends string> = string extends Path
  ? string
  : Path extends `${infer Segment}/${infer Rest}`
    ? NameOfSegment<Segment> | NamesOfPath<Rest>
    : NameOfSegment<Path>

// Segments with an expression, with several parameters or with text around one are left to the generics.
type NameOfSegment<Segment extends string> = Segment extends `:${infer Name}`
  ? Name extends `${string}${'(' | '-' | '.' | ':'}${string}` ? string : Name
  : Segment extends `${string}*` ? '*' : Segment extends `${string}:${string}` ? string : never
