import { errors } from '../../errors.js'
import { readText } from '../../log.js'
import { discard, isThenable } from '../../thenable.js'
import type { JsonSchema } from './document.js'
import { isObject } from './subschemas.js'

/** Which schema it is that is made a JSON Schema. */
export interface SchemaOrigin {
  /** Whether it says what a client writes, or what it reads: some libraries have schemas that change what they validate. */
  readonly io: 'input' | 'output'
  /** The name of the route. */
  readonly route: string
  /** The `type` of the message; none for what is of the upgrade. */
  readonly type?: undefined | string
  readonly part: 'data' | 'reply' | 'stream' | 'params' | 'querystring' | 'headers'
}

/** Makes a JSON Schema of whatever the validators of an app take. */
export type SchemaTransform = (schema: unknown, origin: SchemaOrigin) => unknown

// A schema that can tell itself as JSON Schema: https://standardschema.dev/json-schema
interface Telling {
  readonly '~standard'?: undefined | { readonly jsonSchema?: undefined | Readonly<Record<SchemaOrigin['io'], (options: { readonly target: 'draft-07' }) => unknown>> }
}

/** @throws if there is no JSON Schema. */
function convert (given: unknown, origin: SchemaOrigin, transform: undefined | SchemaTransform): JsonSchema {
  const transformed = transform === undefined ? given : transform(given, origin)
  if (isThenable(transformed)) {
    discard(transformed)
    throw new Error('it is not waited for, and must not be async')
  }
  // What a transform has made is what the app wants, also where it could tell itself in another way.
  const json = transformed === given ? tell(given, origin.io) : transformed
  if (typeof json === 'boolean') return json
  if (!isObject(json)) throw new Error(OTHER)
  // What is not JSON of it, as the marks of a library, is for the compiler alone.
  return JSON.parse(JSON.stringify(json)) as JsonSchema
}

function tell (schema: unknown, io: SchemaOrigin['io']): unknown {
  const standard = (Object(schema) as Telling)['~standard']
  if (standard?.jsonSchema !== undefined) return standard.jsonSchema[io]({ target: 'draft-07' })
  // Objects of a library, which would be written as what they are made of.
  if (standard !== undefined || !isPlain(schema)) throw new Error(OTHER)
  return schema
}

function isPlain (schema: unknown): boolean {
  return Object(schema) !== schema || Object.getPrototypeOf(schema) === Object.prototype
}

const OTHER = 'it is of another kind'

/**
 * Makes of a schema what stands in the document.
 *
 * @param place puts it there.
 * @throws `FSR_ERR_OPTION_INVALID` if it is no JSON Schema, or not one that can stand for itself.
 */
export function toJsonSchema (schema: unknown, origin: SchemaOrigin, transform: undefined | SchemaTransform, place: (schema: JsonSchema) => JsonSchema): JsonSchema {
  try {
    return place(convert(schema, origin, transform))
  } catch (cause) {
    const { part, type, route } = origin
    const which = type === undefined ? `${part} of '${route}'` : `the ${part} of '${type}' of '${route}'`
    throw new errors.OptionInvalid('transform', `has to make a JSON Schema of ${which}: ${readText(cause, 'message') ?? 'it has thrown'}`, { cause })
  }
}
