// Schemas of the document: resolves their references, and validates values without generating code.
import { Validator, type SchemaDraft } from '@cfworker/json-schema'
import type { JsonSchema, SchemaObject } from '../src/operate/asyncapi/document.js'
import { valueAt } from '../src/operate/asyncapi/json-pointer.js'
import { isObject, mapSubschemas } from '../src/operate/asyncapi/subschemas.js'

export { isObject }

/** A JSON Schema of any draft. */
export type Schema = JsonSchema

/**
 * A problem of a value, and its place: a JSON Pointer (RFC 6901), empty for the value as a whole.
 */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** Follows references. Returns the value as it is if they have no target or form a circle. */
export function resolve (document: unknown, value: unknown): unknown {
  let found = value
  for (let steps = 0; steps < 20 && isObject(found) && typeof found['$ref'] === 'string'; steps++) {
    const target = targetOf(document, found['$ref'])
    if (target === undefined) return found
    found = target
  }
  return found
}

/** Returns the name of a schema, if it refers to a component of the document. */
export function nameOf (schema: Schema): undefined | string {
  const reference = typeof schema === 'object' ? schema['$ref'] : undefined
  const [, name] = typeof reference === 'string'
    ? /^#\/components\/schemas\/([^/]+)$/.exec(reference) ?? []
    : []
  return name === undefined ? undefined : decode(name)
}

function targetOf (document: unknown, reference: string): unknown {
  const [id, pointer = ''] = reference.split('#', 2) as [string, string?]
  const root = id === '' ? document : schemasOf(document).find((schema) => schema['$id'] === id)
  return valueAt(root, pointer.split('/').map(decode).join('/'))
}

function schemasOf (document: unknown): Array<Record<string, unknown>> {
  const components = isObject(document) ? document['components'] : undefined
  const schemas = isObject(components) ? components['schemas'] : undefined
  return isObject(schemas) ? Object.values(schemas).filter(isObject) : []
}

/** Decodes the percent signs of a part of a reference; returns it as it is where that fails. */
export function decode (part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/**
 * Returns a schema together with everything that it refers to, so that it is usable without its
 * document.
 */
export function bundle (document: unknown, schema: Schema): Schema {
  if (typeof schema === 'boolean') return schema
  const definitions = new Map<unknown, { readonly name: string, schema: Schema }>()
  const copy = ({ $id, $schema, $anchor, ...given }: SchemaObject): SchemaObject => {
    const copied = mapSubschemas(given, '', copy)
    const { $ref } = copied
    return typeof $ref === 'string' ? { ...copied, $ref: refer($ref) } : copied
  }
  const refer = (reference: string): string => {
    // Any value matches a missing schema: the server decides.
    const target = targetOf(document, reference) ?? targetOf(schema, reference) ?? true
    let definition = definitions.get(target)
    if (definition === undefined) {
      definition = { name: `s${definitions.size}`, schema: true }
      definitions.set(target, definition)
      definition.schema = isObject(target) ? copy(target) : target as Schema
    }
    return `#/$defs/${definition.name}`
  }
  const copied = copy(schema)
  const added = [...definitions.values()].map(({ name, schema }) => [name, schema] as const)
  return added.length === 0 ? copied : { ...copied, $defs: Object.fromEntries(added) }
}

// The validator reports an error for each part and for each whole that contains it. Only the parts
// are shown.
const wholes = [
  'properties',
  'items',
  '$ref',
  'allOf',
  'additionalProperties',
  'prefixItems',
  'if',
  'then',
  'else',
  'dependentSchemas',
  'patternProperties'
]

/** Returns a function that returns the problems of a value. */
export function createCheck (document: unknown, schema: Schema): (value: unknown) => Problem[] {
  const bundled = bundle(document, schema)
  const isNew = /"(?:prefixItems|unevaluated\w+|dependent(?:Required|Schemas))":/.test(
    JSON.stringify(bundled)
  )
  const draft: SchemaDraft = isNew ? '2020-12' : '7'
  let validator: undefined | Validator
  try {
    validator = new Validator(bundled, draft, false)
  } catch {
    // The schema cannot be read. The server has the last word anyway.
  }
  return (value) => {
    if (validator === undefined) return []
    try {
      const { valid, errors } = validator.validate(value)
      if (valid) return []
      const parts = errors.filter(({ keyword, instanceLocation }) =>
        !wholes.includes(keyword) ||
        !errors.some((other) =>
          other.instanceLocation.startsWith(instanceLocation) && !wholes.includes(other.keyword)
        )
      )
      const problems = parts.map(({ instanceLocation, error }) => ({
        path: instanceLocation.replace(/^#/, ''),
        message: error.replace(/ at "[^"]*"$/, '').replace(/\.$/, '')
      }))
      return problems.filter(({ path, message }, at) =>
        problems.findIndex((other) => other.path === path && other.message === message) === at
      )
    } catch {
      return []
    }
  }
}
