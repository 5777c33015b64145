import { errors } from '../errors.js'

/** What an app's compilers make of schemas. */
export interface Compilers {
  /** As Fastify calls it: answers `false` and has `errors`, or answers `{ error }` or `{ value }`; or a promise of these. */
  validator (schema: unknown): Validator
  serializer (schema: unknown): Serializer
}

/** What tells whether data is what a schema says. */
export type Validator = ((data: unknown) => unknown) & { readonly errors?: unknown }
/** What writes data as JSON, as a schema says. */
export type Serializer = (data: unknown) => string

/** Makes of data what a schema says, or a promise of that. @throws `FSR_ERR_DATA_INVALID`, or for an answer `FSR_ERR_ANSWER_INVALID`. */
export type Check = (data: unknown) => unknown

// A name that the client has chosen may be in the path: that is for the client and for onError, and for no log.
const LONGEST_PATH = 256

/** Compiles a schema. @throws with the place of the schema, besides what the compiler says. */
export function named<Compiled> (place: string, compile: () => Compiled): Compiled {
  try {
    return compile()
  } catch (cause) {
    throw new Error(`${place}: ${(cause as Error).message}`, { cause })
  }
}

/** Calls a validator the way Fastify does. @param Invalid what is thrown for data that is not what the schema says. */
export function createCheck (validate: Validator, Invalid: typeof errors.DataInvalid = errors.DataInvalid): Check {
  const invalid = (details: unknown): Error => describe(details, Invalid)
  const valueOf = (result: unknown, data: unknown): unknown => {
    if (result === false) throw invalid(validate.errors)
    // Ajv's asynchronous validators answer the data itself, which may have any members.
    if (typeof result !== 'object' || result === null || result === data) return data
    if ('error' in result && result.error !== undefined) throw invalid(result.error)
    return 'value' in result ? result.value : data
  }
  const called = (data: unknown): unknown => {
    try {
      return validate(data)
    } catch (error) {
      // Data that is nested deeper than a schema that refers to itself can follow.
      throw error instanceof RangeError ? invalid(error) : error
    }
  }
  return (data) => {
    const result = called(data)
    // Not of this validator only: a promise is awaited whatever made it.
    if (result instanceof Promise) return result.then((settled) => valueOf(settled, data), (error: unknown) => { throw invalid(error) })
    return valueOf(result, data)
  }
}

// What Fastify's validators tell is a list, whose texts are made of the schema. Others tell an error, whose text may quote the data:
// that is for onError alone.
function describe (details: unknown, Invalid: typeof errors.DataInvalid): Error {
  const first = Array.isArray(details) ? details[0] as undefined | { instancePath?: unknown, message?: unknown } : undefined
  const path = typeof first?.instancePath === 'string' ? first.instancePath.slice(0, LONGEST_PATH) : undefined
  const error = new Invalid(typeof first?.message === 'string' ? `data ${first.message}` : 'data is not what the contract says')
  if (path !== undefined && path !== '') Object.defineProperty(error, 'path', { value: path })
  return Object.defineProperty(error, 'validation', { value: details })
}
