import { errors } from '../errors.js'
import { attempt, isThenable } from '../thenable.js'

/** What an app's compilers make of schemas. */
export interface Compilers {
  validator (schema: unknown): Validator
  serializer (schema: unknown): Serializer
}

/** Where Ajv puts what it has made of data that is no object, as Fastify has it put the body of a request. */
interface Holder {
  readonly parentData: { data: unknown }
  readonly parentDataProperty: 'data'
}

/**
 * Tells whether data is what a schema says, by the rules of Fastify: it returns `false` and has `errors`, or returns `{ error }`, or
 * `{ value }` with what it has made of the data. One that returns a promise rejects it, or resolves it with `false`; anything else that
 * this resolves with is no answer, as it may be the data itself.
 */
export interface Validator {
  (data: unknown, holder?: Holder): unknown
  readonly errors?: unknown
  /** Of a function that Ajv has compiled. */
  readonly schemaEnv?: undefined | { readonly $async?: unknown }
}

/** What writes data as JSON, as a schema says. */
export type Serializer = (data: unknown) => string

/** Makes of data what a schema says, or a promise of that. @throws `FSR_ERR_DATA_INVALID`, or for an answer `FSR_ERR_ANSWER_INVALID`. */
export type Check = (data: unknown) => unknown

/** What the error of refused data has besides its text. It may quote the data, and is in no log: what is not enumerable is not written. */
export interface InvalidData {
  /** What the client is told in the place of `message`. */
  readonly answer?: undefined | string
  /** Where in the data, as a JSON Pointer (RFC 6901): `''` is the data as a whole. None if the validator does not tell. */
  readonly path?: undefined | string
  /** What the validator has said. */
  readonly validation?: unknown
}

// What Ajv says of one fault.
interface Fault {
  readonly instancePath?: unknown
  readonly message?: unknown
  readonly schemaPath?: unknown
}

// The client may have chosen the names in a path.
const LONGEST_PATH = 256

/** Compiles a schema. @throws with the place of the schema, besides what the compiler says. */
export function named<Compiled> (place: string, compile: () => Compiled): Compiled {
  try {
    return compile()
  } catch (cause) {
    throw new Error(`${place}: ${(cause as Error).message}`, { cause })
  }
}

/**
 * Makes a check of a validator, which is called as Fastify does. In two cases Fastify takes data for right that is refused here: where a
 * validator returns `false` and has no `errors`, and where it rejects with nothing.
 *
 * @param Invalid what is thrown for data that is not what the schema says.
 */
export function createCheck (validate: Validator, Invalid: typeof errors.DataInvalid = errors.DataInvalid): Check {
  const isAjv = Boolean(validate.schemaEnv)
  const refuse = (details: unknown): never => { throw invalid(details, Invalid, isAjv) }
  if (!isAjv) return (data) => outcome(validate, run(validate, refuse, data), () => data, refuse)
  // One that is asynchronous may replace the data later, when another message is looked at.
  if (validate.schemaEnv!.$async === true) {
    return (data) => {
      const holder = holderOf(data)
      return outcome(validate, run(validate, refuse, data, holder), () => holder.parentData.data, refuse)
    }
  }
  const holder = holderOf(undefined)
  const take = (): unknown => holder.parentData.data
  return (data) => {
    holder.parentData.data = data
    return outcome(validate, run(validate, refuse, data, holder), take, refuse)
  }
}

function holderOf (data: unknown): Holder {
  return { parentData: { data }, parentDataProperty: 'data' }
}

function run (validate: Validator, refuse: (details: unknown) => never, data: unknown, holder?: Holder): unknown {
  try {
    return holder === undefined ? validate(data) : validate(data, holder)
  } catch (error) {
    // Data that is nested deeper than a schema that refers to itself can follow.
    if (error instanceof RangeError) return refuse(error)
    throw hide(new errors.ValidatorFailed(), { validation: error })
  }
}

// What a validator has made of the data. @param made what it has left in the place of the data.
function outcome (validate: Validator, result: unknown, made: () => unknown, refuse: (details: unknown) => never): unknown {
  if (isThenable(result)) return attempt(() => result, (settled) => settled === false ? refuse(validate.errors) : made(), refuse)
  if (result === false) return refuse(validate.errors)
  const { error } = Object(result) as { readonly error?: unknown }
  if (error) return refuse(error)
  return typeof result === 'object' && result !== null && 'value' in result ? result.value : made()
}

function invalid (details: unknown, Invalid: typeof errors.DataInvalid, isAjv: boolean): Error {
  // An asynchronous schema of Ajv rejects with an error that has them.
  const faults = isAjv ? (Object(details) as { readonly errors?: unknown }).errors ?? details : details
  const { instancePath, message, schemaPath } = Object(Array.isArray(faults) ? faults[0] : undefined) as Fault
  const path = typeof instancePath === 'string' ? pointerOf(instancePath, isAjv) : undefined
  const answer = typeof message === 'string' ? `data ${message}` : undefined
  // The texts of validators may quote the data. Where in the schema the fault is Ajv alone tells without a name that is in the data.
  const error = new Invalid(isAjv && typeof schemaPath === 'string' ? `, at ${schemaPath} of its schema` : '')
  return hide(error, { ...(path !== undefined && { path }), ...(answer !== undefined && { answer }), validation: details })
}

// A validator that is not Ajv joins the names on the way to a fault, and has a slash alone for data as a whole.
function pointerOf (instancePath: string, isAjv: boolean): string {
  return !isAjv && instancePath === '/' ? '' : instancePath.slice(0, LONGEST_PATH)
}

function hide (error: Error, members: InvalidData): Error {
  for (const [name, value] of Object.entries(members)) Object.defineProperty(error, name, { value })
  return error
}
