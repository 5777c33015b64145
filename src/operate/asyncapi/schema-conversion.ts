import { errors } from '../../errors.js'
import { readText } from '../../log.js'
import { discard, isThenable } from '../../thenable.js'
import type { JsonSchema } from './document.js'
import { isObject } from './subschemas.js'

/** The schema that is converted to a JSON Schema. */
export interface SchemaOrigin {
  /**
   * `input` describes what a client writes, `output` what it reads: schemas of some libraries
   * transform the values that they validate.
   */
  readonly io: 'input' | 'output'
  /** The name of the route. */
  readonly route: string
  /** The `type` of the message; `undefined` for schemas of the upgrade request. */
  readonly type?: undefined | string
  readonly part: 'data' | 'reply' | 'stream' | 'params' | 'querystring' | 'headers'
}

/** Converts a schema of the app's validator library to a JSON Schema. */
export type SchemaTransform = (schema: unknown, origin: SchemaOrigin) => unknown

// A schema that converts itself to a JSON Schema: https://standardschema.dev/json-schema
interface Telling {
  readonly '~standard'?: undefined | {
    readonly vendor?: unknown
    readonly jsonSchema?:
      | undefined
      | Readonly<Record<SchemaOrigin['io'], (options: { readonly target: 'draft-07' }) => unknown>>
  }
}

/** @throws if the schema has no JSON Schema. */
function convert (
  given: unknown,
  origin: SchemaOrigin,
  transform: undefined | SchemaTransform
): JsonSchema {
  const transformed = transform === undefined ? given : transform(given, origin)
  if (isThenable(transformed)) {
    discard(transformed)
    throw new Error('it must not be async')
  }
  // The result of a transform is taken as it is, also if it could convert itself.
  const json = transformed === given ? tell(given, origin.io) : transformed
  if (typeof json === 'boolean') return json
  if (!isObject(json)) throw new Error(OTHER)
  // Drops values that are not JSON, such as symbols of a library: they matter to the compiler
  // alone.
  return JSON.parse(JSON.stringify(json)) as JsonSchema
}

function tell (schema: unknown, io: SchemaOrigin['io']): unknown {
  const standard = (Object(schema) as Telling)['~standard']
  if (standard?.jsonSchema !== undefined) return standard.jsonSchema[io]({ target: 'draft-07' })
  // Objects of a library would be serialized with their internal fields.
  if (standard !== undefined || !isPlain(schema)) throw new Error(OTHER)
  return schema
}

function isPlain (schema: unknown): boolean {
  return Object(schema) !== schema || Object.getPrototypeOf(schema) === Object.prototype
}

const OTHER = 'it is not a JSON Schema, and does not convert itself to one'

/**
 * Converts a schema, and returns what the document has in its place.
 *
 * @param place puts the JSON Schema into the document.
 * @throws `FSR_ERR_OPTION_INVALID` if there is no JSON Schema, or a reference cannot be resolved.
 */
export function toJsonSchema (
  given: unknown,
  origin: SchemaOrigin,
  transform: undefined | SchemaTransform,
  place: (schema: JsonSchema) => JsonSchema
): JsonSchema {
  try {
    return place(convert(given, origin, transform))
  } catch (cause) {
    const { part, type, route } = origin
    const which = type === undefined
      ? `${part} of '${route}'`
      : `the ${part} of '${type}' of '${route}'`
    const reason = readText(cause, 'message') ?? 'it threw'
    if (transform !== undefined) {
      throw new errors.OptionInvalid(
        'Option transform',
        `must return a JSON Schema for ${which}: ${reason}`,
        { cause }
      )
    }
    throw new errors.OptionInvalid(
      `The schema of ${which}`,
      `has no JSON Schema for the document: ${reason}. ${cureFor(given)}`,
      { cause }
    )
  }
}

// Zod leaves out only on request what no JSON Schema can represent, such as a date.
function cureFor (schema: unknown): string {
  const cure = 'Set the option transform of asyncapi, which converts schemas'
  return (Object(schema) as Telling)['~standard']?.vendor === 'zod'
    ? `${cure}: (schema, { io }) => z.toJSONSchema(schema, ` +
      "{ io, target: 'draft-7', unrepresentable: 'any' })"
    : cure
}
