import type { FastifyInstance } from 'fastify'
import type { JsonSchema, Reference, SchemaObject } from './document.js'
import { keyOf, Keys } from './keys.js'
import { createSharedSchemas, SchemaRoot, type SchemaPlace, type SharedSchemas } from './schema-root.js'
import { fromSegment, mapSubschemas } from './subschemas.js'

/**
 * The schemas of the document. Those that were added to the app, and the definitions of others, become components where something
 * refers to them. Scopes may have added different schemas by one `$id`: what is alike, with all that it refers to, is one component.
 */
export class Schemas {
  readonly #keys = new Keys()
  readonly #components = new Map<string, SchemaObject>()
  readonly #shared = new Map<FastifyInstance, SharedSchemas>()

  /** By key. */
  get components (): Readonly<Record<string, SchemaObject>> {
    return Object.fromEntries(this.#components)
  }

  /** Adds a schema that refers to nothing but the document. */
  add (key: string, schema: SchemaObject): Reference {
    const taken = this.#keys.take(key, JSON.stringify(schema))
    this.#components.set(taken, schema)
    return { $ref: `#/components/schemas/${taken}` }
  }

  /**
   * Makes of a schema of a route what stands in the document.
   *
   * @param scope where it was given, for the schemas that it refers to.
   * @param pointer where it will stand.
   * @throws if it refers to what is not there.
   */
  place (scope: FastifyInstance, schema: JsonSchema, pointer: string): JsonSchema {
    const shared = this.#shared.get(scope) ?? createSharedSchemas(scope.getSchemas())
    this.#shared.set(scope, shared)
    return this.#write(new SchemaRoot(schema, '', shared, pointer), '')
  }

  /** The schema itself, where one only refers to a component. */
  follow (schema: undefined | JsonSchema): undefined | JsonSchema {
    const key = /^#\/components\/schemas\/([^/]+)$/.exec(String(Object(schema)['$ref']))?.[1]
    return key === undefined ? schema : this.follow(this.#components.get(key))
  }

  #write (root: SchemaRoot, at: string): JsonSchema {
    const write = (schema: SchemaObject, at: string): SchemaObject => {
      // What says where a schema is would lead its references away from the document.
      const { $id, $anchor, $schema, ...rest } = schema
      const written = mapSubschemas(rest, at, write)
      return typeof rest['$ref'] === 'string' ? { ...written, $ref: this.#pointerTo(root.resolve(rest['$ref'], at)) } : written
    }
    const schema = root.partAt(at)
    return typeof schema === 'object' ? write(schema, at) : schema
  }

  #pointerTo ({ root, at }: SchemaPlace): string {
    const part = partOf(at)
    const rest = encodeURI(at.slice(part.length)).replaceAll('#', '%23')
    if (part === '' && root.pointer !== undefined) return root.pointer + rest
    const name = part === '' ? root.id.replace(/^.*\/(?=.)|\.json$|#$/g, '') : fromSegment(part.split('/').at(-1)!)
    const key = this.#keys.take(keyOf(name), identityOf(root, part))
    if (!this.#components.has(key)) {
      // Known before it is written, as it may refer to itself.
      this.#components.set(key, {})
      this.#components.set(key, toObject(this.#write(root, part)))
    }
    return `#/components/schemas/${key}${rest}`
  }
}

// The parser of AsyncAPI takes no other as a component.
function toObject (schema: JsonSchema): SchemaObject {
  return typeof schema === 'object' ? schema : schema ? {} : { not: {} }
}

// Which component a place is in: one for the root, and one for each of its definitions.
function partOf (at: string): string {
  return /^\/(?:definitions|\$defs)\/[^/]+/.exec(at)?.[0] ?? ''
}

// A part, and all parts that it refers to, as they were written, in the order in which it does.
function identityOf (root: SchemaRoot, part: string): string {
  const parts = new Map<string, JsonSchema>()
  const visit = (root: SchemaRoot, part: string): void => {
    const label = `${root.id}#${part}`
    if (parts.has(label)) return
    parts.set(label, root.partAt(part))
    for (const place of root.referencesIn(part)) visit(place.root, partOf(place.at))
  }
  visit(root, part)
  return JSON.stringify([...parts])
}
