import { isObject, resolve, type Schema } from './schema.js'

const DEEPEST = 6

/** Returns the example of a schema, or creates one: small, and valid where that is easy. */
export function exampleOf (document: unknown, schema: Schema, depth = 0): unknown {
  if (typeof schema === 'boolean') return null
  const { default: preset, const: constant, enum: choices, examples, example } = schema
  if (Array.isArray(examples) && examples.length > 0) return examples[0]
  for (const given of [example, preset, constant]) if (given !== undefined) return given
  if (Array.isArray(choices) && choices.length > 0) return choices[0]
  if (schema['$ref'] !== undefined) {
    const target = resolve(document, schema)
    return depth < DEEPEST && target !== schema && (isObject(target))
      ? exampleOf(document, target, depth + 1)
      : null
  }
  const all = schema['allOf']
  if (Array.isArray(all)) return exampleOf(document, merge(document, schema, all), depth + 1)
  const any = schema['anyOf'] ?? schema['oneOf']
  if (Array.isArray(any) && any.length > 0) {
    return exampleOf(document, {
      ...schema,
      anyOf: undefined,
      oneOf: undefined,
      ...(isObject(any[0]) ? any[0] : {})
    }, depth + 1)
  }
  switch (typeOf(schema)) {
    case 'object': return exampleObject(document, schema, depth)
    case 'array': return exampleArray(document, schema, depth)
    case 'string': return exampleText(schema)
    case 'integer':
    case 'number': return exampleNumber(schema)
    case 'boolean': return true
    default: return null
  }
}

function typeOf (schema: Exclude<Schema, boolean>): unknown {
  const { type } = schema
  if (Array.isArray(type)) return type.find((name) => name !== 'null') ?? 'null'
  if (type !== undefined) return type
  return isObject(schema['properties'])
    ? 'object'
    : schema['items'] !== undefined
      ? 'array'
      : undefined
}

function merge (document: unknown, schema: Exclude<Schema, boolean>, all: unknown[]): Schema {
  const merged: Record<string, unknown> = { ...schema, allOf: undefined }
  for (const part of all.map((part) => resolve(document, part)).filter(isObject)) {
    for (const [key, value] of Object.entries(part)) {
      const before = merged[key]
      merged[key] = isObject(before) && isObject(value)
        ? { ...before, ...value }
        : Array.isArray(before) && Array.isArray(value)
          ? [...before, ...value]
          : value
    }
  }
  return merged
}

function exampleObject (
  document: unknown,
  schema: Exclude<Schema, boolean>,
  depth: number
): unknown {
  if (depth >= DEEPEST || !isObject(schema['properties'])) return {}
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  // Optional properties are shown on the upper levels only.
  const shown = Object.entries(schema['properties']).filter(([name]) =>
    depth < 2 || required.includes(name)
  )
  return Object.fromEntries(
    shown.map(([name, part]) => [name, exampleOf(document, part as Schema, depth + 1)])
  )
}

function exampleArray (
  document: unknown,
  schema: Exclude<Schema, boolean>,
  depth: number
): unknown {
  if (depth >= DEEPEST) return []
  if (Array.isArray(schema['prefixItems'])) {
    return schema['prefixItems'].map((part) => exampleOf(document, part as Schema, depth + 1))
  }
  if (Array.isArray(schema['items'])) {
    return schema['items'].map((part) => exampleOf(document, part as Schema, depth + 1))
  }
  if (schema['items'] === undefined) return []
  return Array.from(
    { length: Math.min(Math.max(1, Number(schema['minItems'] ?? 1)), 5) },
    () => exampleOf(document, schema['items'] as Schema, depth + 1)
  )
}

const formats = new Map([
  ['date-time', '2025-01-31T12:00:00Z'],
  ['date', '2025-01-31'],
  ['time', '12:00:00Z'],
  ['email', 'alice@example.test'],
  ['uri', 'https://example.test/'],
  ['url', 'https://example.test/'],
  ['uuid', '3f0c1f6e-6f0b-4d58-9a3c-0d9e2b7c5a11'],
  ['ipv4', '192.0.2.1'],
  ['ipv6', '2001:db8::1'],
  ['hostname', 'example.test']
])

function exampleText (schema: Exclude<Schema, boolean>): string {
  const { format, minLength, maxLength } = schema
  const text = typeof format === 'string' ? formats.get(format) ?? 'text' : 'text'
  const long = typeof minLength === 'number' && minLength > text.length && minLength < 1_000
    ? text.padEnd(minLength, '.')
    : text
  return typeof maxLength === 'number' ? long.slice(0, maxLength) : long
}

function exampleNumber (schema: Exclude<Schema, boolean>): number {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema
  const step = typeof multipleOf === 'number' ? multipleOf : 1
  if (typeof minimum === 'number') return Math.ceil(minimum / step) * step
  if (typeof exclusiveMinimum === 'number') return (Math.floor(exclusiveMinimum / step) + 1) * step
  const below = typeof maximum === 'number'
    ? maximum
    : typeof exclusiveMaximum === 'number'
      ? exclusiveMaximum - step
      : 1
  return below < step ? Math.floor(below / step) * step : step
}
