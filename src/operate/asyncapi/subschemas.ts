import type { JsonSchema, SchemaObject } from './document.js'
import { toSegment } from './json-pointer.js'

// Keywords whose members are schemas, and keywords whose values may look like schemas but are data.
const named = [
  'properties',
  'patternProperties',
  'definitions',
  '$defs',
  'dependentSchemas',
  'dependencies'
]
const data = ['const', 'enum', 'default', 'examples', 'example']

/**
 * Copies a schema, and replaces each direct subschema.
 *
 * @param at the place of the schema in its root, a JSON Pointer (RFC 6901).
 */
export function mapSubschemas (
  schema: SchemaObject,
  at: string,
  replace: (schema: SchemaObject, at: string) => JsonSchema
): SchemaObject {
  const mapAny = (value: unknown, at: string): unknown => {
    if (Array.isArray(value)) return value.map((item, index) => mapAny(item, `${at}/${index}`))
    return isObject(value) ? replace(value, at) : value
  }
  const mapNamed = (value: SchemaObject, at: string): SchemaObject =>
    Object.fromEntries(
      Object.entries(value).map(([name, schema]) =>
        [name, mapAny(schema, `${at}/${toSegment(name)}`)])
    )
  // `fromEntries` rather than assignment, as a name can be `__proto__`.
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => {
      if (data.includes(keyword) || keyword.startsWith('x-')) return [keyword, value]
      const inside = `${at}/${toSegment(keyword)}`
      return [
        keyword,
        named.includes(keyword) && isObject(value) ? mapNamed(value, inside) : mapAny(value, inside)
      ]
    })
  )
}

/** Whether a value is an object, but not an array. */
export function isObject (value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
