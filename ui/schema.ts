// Schemas of the document: resolves their references, and validates values without generating code.
import { Validator, type SchemaDraft } from '@cfworker/json-schema'
import { fromSegment } from '../src/operate/asyncapi/json-pointer.js'

/** A JSON Schema of any draft. */
export type Schema = boolean | { readonly [keyword: string]: unknown }

/**
 * A problem of a value, and its place: a JSON Pointer (RFC 6901), empty for the value as a whole.
 */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** Whether a value is an object, but not an array. */
export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
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
  let target: unknown = root
  for (const part of pointer.split('/').slice(1)) {
    const key = fromSegment(decode(part))
    if (typeof target !== 'object' || target === null || !Object.hasOwn(target, key)) {
      return undefined
    }
    target = (target as Record<string, unknown>)[key]
  }
  return target
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

// Keywords whose members are names, and not keywords.
const maps = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']
const values = ['const', 'enum', 'default', 'examples', 'example']

/**
 * Returns a schema together with everything that it refers to, so that it is usable without its
 * document.
 */
export function bundle (document: unknown, schema: Schema): Schema {
  if (typeof schema === 'boolean') return schema
  const definitions = new Map<unknown, { readonly name: string, schema: unknown }>()
  const copy = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(copy)
    if (!isObject(value)) return value
    const copied: Record<string, unknown> = {}
    for (const [key, part] of Object.entries(value)) {
      if (key === '$id' || key === '$schema' || key === '$anchor') continue
      if (key === '$ref' && typeof part === 'string') copied[key] = refer(part)
      else if (values.includes(key)) copied[key] = part
      else if (maps.includes(key) && isObject(part)) {
        copied[key] = Object.fromEntries(
          Object.entries(part).map(([name, schema]) => [name, copy(schema)])
        )
      } else copied[key] = copy(part)
    }
    return copied
  }
  const refer = (reference: string): string => {
    // Any value matches a missing schema: the server decides.
    const target = targetOf(document, reference) ?? targetOf(schema, reference) ?? true
    let definition = definitions.get(target)
    if (definition === undefined) {
      definition = { name: `s${definitions.size}`, schema: true }
      definitions.set(target, definition)
      definition.schema = copy(target)
    }
    return `#/$defs/${definition.name}`
  }
  const copied = copy(schema) as Record<string, unknown>
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
