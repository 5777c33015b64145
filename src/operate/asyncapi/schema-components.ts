import type { FastifyInstance } from 'fastify'
import type { JsonSchema, Reference, SchemaObject } from './document.js'
import { fromSegment } from './json-pointer.js'
import { keyOf, UniqueKeys } from './unique-keys.js'
import {
  createSharedSchemas,
  RootSchema,
  type SchemaPlace,
  type SharedSchemas
} from './root-schema.js'
import { mapSubschemas } from './subschemas.js'

/**
 * The schemas of the document. Schemas of `addSchema`, and definitions of other schemas, become
 * components where something refers to them. Scopes may have added different schemas under one
 * `$id`: equal schemas, with everything that they refer to, share a component.
 */
export class SchemaComponents {
  readonly #keys = new UniqueKeys()
  readonly #components = new Map<string, SchemaObject>()
  readonly #shared = new Map<FastifyInstance, SharedSchemas>()

  /** By key. */
  get components (): Readonly<Record<string, SchemaObject>> {
    return Object.fromEntries(this.#components)
  }

  /** Adds a schema whose references are all within the document. */
  add (key: string, schema: SchemaObject): Reference {
    const taken = this.#keys.take(key, JSON.stringify(schema))
    this.#components.set(taken, schema)
    return { $ref: `#/components/schemas/${taken}` }
  }

  /**
   * Puts a schema of a route into the document, and returns what stands at `pointer`.
   *
   * @param scope the scope of the route, whose schemas it may refer to.
   * @param pointer the place in the document.
   * @throws if a reference has no target.
   */
  place (scope: FastifyInstance, schema: JsonSchema, pointer: string): JsonSchema {
    const shared = this.#shared.get(scope) ?? createSharedSchemas(scope.getSchemas())
    this.#shared.set(scope, shared)
    return this.#write(new RootSchema(schema, '', shared, pointer), '')
  }

  /** Returns the component that a schema refers to, or else the schema itself. */
  follow (schema: undefined | JsonSchema): undefined | JsonSchema {
    const key = /^#\/components\/schemas\/([^/]+)$/.exec(String(Object(schema)['$ref']))?.[1]
    return key === undefined ? schema : this.follow(this.#components.get(key))
  }

  #write (root: RootSchema, at: string): JsonSchema {
    const write = (schema: SchemaObject, at: string): SchemaObject => {
      // Identifiers are dropped: they would change the base of the references.
      const { $id, $anchor, $schema, ...rest } = schema
      const written = mapSubschemas(rest, at, write)
      return typeof rest['$ref'] === 'string'
        ? { ...written, $ref: this.#pointerTo(root.resolve(rest['$ref'], at)) }
        : written
    }
    const schema = root.partAt(at)
    return typeof schema === 'object' ? write(schema, at) : schema
  }

  #pointerTo ({ root, at }: SchemaPlace): string {
    const part = partOf(at)
    const rest = encodeURI(at.slice(part.length)).replaceAll('#', '%23')
    if (part === '' && root.pointer !== undefined) return root.pointer + rest
    const name = part === ''
      ? root.id.replace(/^.*\/(?=.)|\.json$|#$/g, '')
      : fromSegment(part.split('/').at(-1)!)
    const key = this.#keys.take(keyOf(name), identityOf(root, part))
    if (!this.#components.has(key)) {
      // Registered before it is written, as it may refer to itself.
      this.#components.set(key, {})
      this.#components.set(key, toObject(this.#write(root, part)))
    }
    return `#/components/schemas/${key}${rest}`
  }
}

// The AsyncAPI parser accepts only objects as components.
function toObject (schema: JsonSchema): SchemaObject {
  return typeof schema === 'object' ? schema : schema ? {} : { not: {} }
}

// Returns the component of a place: one for the root, and one for each of its definitions.
function partOf (at: string): string {
  return /^\/(?:definitions|\$defs)\/[^/]+/.exec(at)?.[0] ?? ''
}

// Returns the part and all parts that it refers to, as written, in the order of the references.
function identityOf (root: RootSchema, part: string): string {
  const parts = new Map<string, JsonSchema>()
  const visit = (root: RootSchema, part: string): void => {
    const label = `${root.id}#${part}`
    if (parts.has(label)) return
    parts.set(label, root.partAt(part))
    for (const place of root.referencesIn(part)) visit(place.root, partOf(place.at))
  }
  visit(root, part)
  return JSON.stringify([...parts])
}
