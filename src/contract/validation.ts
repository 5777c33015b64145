import { errors } from '../errors.js'
import { attempt, discard, isThenable } from '../thenable.js'

/** The schema compilers of an app. */
export interface Compilers {
  validator (schema: unknown): Validator
  serializer (schema: unknown): Serializer
}

/**
 * Holds the data while Ajv validates it. Ajv writes coerced data that is not an object back to it,
 * as Fastify has it do for the body of a request.
 */
interface Holder {
  readonly parentData: { data: unknown }
  readonly parentDataProperty: 'data'
}

/**
 * Validates data, by Fastify's rules. For invalid data it returns `false` and has `errors`, or
 * returns `{ error }`. It may return `{ value }` with the data after coercion. An asynchronous
 * validator returns a promise that rejects, or resolves with `false`, for invalid data. Any other
 * result of the promise is ignored, since it may be the data itself.
 */
export interface Validator {
  (data: unknown, holder?: Holder): unknown
  readonly errors?: unknown
  /** Set on a function that Ajv compiled. */
  readonly schemaEnv?: undefined | { readonly $async?: unknown }
}

/** Writes data as JSON, by its schema. */
export type Serializer = (data: unknown) => string

/** A compiled schema. */
export interface Check {
  /** Whether `accept` never returns a promise. */
  readonly isSync: boolean
  /**
   * Returns the data after validation and coercion, or a promise of it.
   *
   * @throws `FSR_ERR_DATA_INVALID`, or for the reply of a client `FSR_ERR_ANSWER_INVALID`.
   */
  readonly accept: (data: unknown) => unknown
}

/**
 * Members of the error for rejected data, besides its text. They may quote the data, so they are
 * not enumerable, which keeps them out of logs.
 */
export interface InvalidData {
  /** The text that the client is sent in place of `message`. */
  readonly answer?: undefined | string
  /**
   * Where in the data the fault is, as a JSON Pointer (RFC 6901): `''` is the data as a whole.
   * `undefined` if the validator does not report it.
   */
  readonly path?: undefined | string
  /** The validator's own errors. */
  readonly validation?: unknown
}

// An error object of Ajv.
interface Fault {
  readonly instancePath?: unknown
  readonly message?: unknown
  readonly schemaPath?: unknown
}

// In characters. The names in a path may come from the client.
const LONGEST_PATH = 256

/**
 * Compiles a schema.
 *
 * @throws an error with the place of the schema before the compiler's text.
 */
export function named<Compiled> (place: string, compile: () => Compiled): Compiled {
  try {
    return compile()
  } catch (cause) {
    throw new Error(`${place}: ${(cause as Error).message}`, { cause })
  }
}

/**
 * Makes a check of a validator, and calls it as Fastify does. The check is stricter in two cases,
 * where Fastify accepts the data: the validator returns `false` and has no `errors`, or its promise
 * rejects with `undefined`.
 *
 * @param Invalid the error to throw for invalid data.
 */
export function createCheck (
  validate: Validator,
  Invalid: typeof errors.DataInvalid = errors.DataInvalid
): Check {
  const isAjv = Boolean(validate.schemaEnv)
  const refuse = (details: unknown): never => { throw invalid(details, Invalid, isAjv) }
  if (!isAjv) {
    return {
      isSync: false,
      accept: (data) => outcome(validate, run(validate, refuse, data), () => data, refuse)
    }
  }
  // An asynchronous validator may replace the data after the next message has come, so each message
  // has its own holder.
  if (validate.schemaEnv!.$async === true) {
    return {
      isSync: false,
      accept (data) {
        const holder = holderOf(data)
        const result = run(validate, refuse, data, holder)
        return outcome(validate, result, () => holder.parentData.data, refuse)
      }
    }
  }
  const holder = holderOf(undefined)
  return {
    isSync: true,
    accept (data) {
      holder.parentData.data = data
      return run(validate, refuse, data, holder) === false
        ? refuse(validate.errors)
        : holder.parentData.data
    }
  }
}

function holderOf (data: unknown): Holder {
  return { parentData: { data }, parentDataProperty: 'data' }
}

function run (
  validate: Validator,
  refuse: (details: unknown) => never,
  data: unknown,
  holder?: Holder
): unknown {
  try {
    return holder === undefined ? validate(data) : validate(data, holder)
  } catch (error) {
    // The data is nested too deep: a validator of a recursive schema overflows the stack.
    if (error instanceof RangeError) return refuse(error)
    throw hide(new errors.ValidatorFailed(), { validation: error })
  }
}

// Returns the data after validation.
// @param validated returns the data that the validator left in the holder.
function outcome (
  validate: Validator,
  result: unknown,
  validated: () => unknown,
  refuse: (details: unknown) => never
): unknown {
  if (isThenable(result)) {
    return attempt(
      () => result,
      (settled) => settled === false ? refuse(validate.errors) : validated(),
      refuse
    )
  }
  if (result === false) return refuse(validate.errors)
  const { error } = Object(result) as { readonly error?: unknown }
  if (error) return refuse(error)
  return typeof result === 'object' && result !== null && 'value' in result
    ? result.value
    : validated()
}

function invalid (
  details: unknown,
  Invalid: typeof errors.DataInvalid,
  isAjv: boolean
): Error {
  // An asynchronous schema of Ajv rejects with an error that has a list of faults.
  const faults = isAjv
    ? (Object(details) as { readonly errors?: unknown }).errors ?? details
    : details
  const { instancePath, message, schemaPath } =
    Object(Array.isArray(faults) ? faults[0] : undefined) as Fault
  const path = typeof instancePath === 'string' ? pointerOf(instancePath, isAjv) : undefined
  const answer = typeof message === 'string' ? `data ${message}` : undefined
  // The logged text must not quote the data, which validators' texts may do. Ajv's path into the
  // schema is safe: it has no name from the data. Other validators have no such path.
  const error = new Invalid(
    isAjv && typeof schemaPath === 'string' ? `, at ${schemaPath} of its schema` : '')
  return hide(error, {
    ...(path !== undefined && { path }),
    ...(answer !== undefined && { answer }),
    validation: details
  })
}

// Validators other than Ajv join the names of a path with slashes: '/' is the data as a whole.
function pointerOf (instancePath: string, isAjv: boolean): string {
  return !isAjv && instancePath === '/' ? '' : instancePath.slice(0, LONGEST_PATH)
}

function hide (error: Error, members: InvalidData): Error {
  for (const [name, value] of Object.entries(members)) Object.defineProperty(error, name, { value })
  return error
}

/**
 * Returns data as JSON, written by the serializer of its schema.
 *
 * @param what the relation of the data to the message, for the error text.
 * @throws `FSR_ERR_EVENT_INVALID`.
 */
export function serialized (
  serialize: undefined | Serializer,
  data: unknown,
  what: 'data of' | 'reply to',
  type: string
): undefined | string {
  const fail = (problem: string, cause?: unknown): Error => cause === undefined
    ? new errors.EventInvalid(what, type, problem)
    : new errors.EventInvalid(what, type, problem, { cause })
  if (serialize === undefined) {
    // Rejected rather than ignored: it may be options in the place of data.
    if (data !== undefined) {
      throw fail(what === 'reply to'
        ? ': schema.in has no reply for it: give it one, or return nothing'
        : ': schema.out has no data for it: give it a schema, or send no data')
    }
    return
  }
  const missing = what === 'reply to' ? ': the handler returned nothing' : ': no data was given'
  const problem = data === undefined ? missing : ''
  let json: unknown
  try {
    json = serialize(data)
  } catch (cause) {
    throw fail(problem, withoutValue(cause))
  }
  if (typeof json === 'string' && json !== 'undefined') return json
  // JSON.stringify returns undefined for a function or undefined, and Fastify's serializer the
  // text 'undefined'. A serializer may also return a promise, which must not reject unhandled.
  discard(json)
  throw fail(problem)
}

// Fastify's serializer quotes the value that it cannot write. A value from a client must not reach
// the log.
function withoutValue (error: unknown): unknown {
  const quoting = /^The value ".*" (cannot be converted to [\w -]+\.)$/s
    .exec(String((error as undefined | null | Error)?.message))
  return quoting === null ? error : new TypeError(`A value ${quoting[1]!}`)
}
