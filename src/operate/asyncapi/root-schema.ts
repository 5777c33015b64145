import type { JsonSchema, SchemaObject } from './document.js'
import { valueAt } from './json-pointer.js'
import { isObject, mapSubschemas } from './subschemas.js'

/** The schemas added to a scope, by `$id`. */
export interface SharedSchemas {
  find (id: string): undefined | RootSchema
}

/** A place in a root schema. */
export interface SchemaPlace {
  readonly root: RootSchema
  /** A JSON Pointer. */
  readonly at: string
}

// The base of a `$ref`: the innermost schema around it that has an `$id`.
interface Resource {
  readonly at: string
  readonly id: string
}

/** A root schema, and the targets of its references (JSON Schema draft 07, section 8.2). */
export class RootSchema {
  readonly schema: JsonSchema
  /** The `$id` under which the schema was added; empty for a schema of a route. */
  readonly id: string
  /** The place in the document, for a schema that is not a component. */
  readonly pointer: undefined | string
  readonly #shared: SharedSchemas
  readonly #resources = new Map<string, Resource>()
  readonly #ids = new Map<string, string>()
  readonly #anchors = new Map<string, string>()

  constructor (schema: JsonSchema, id: string, shared: SharedSchemas, pointer?: string) {
    this.schema = schema
    this.id = id
    this.pointer = pointer
    this.#shared = shared
    this.#ids.set(id, '')
    if (typeof schema === 'object') this.#index(schema, '', { at: '', id })
  }

  /** Resolves a `$ref` of the schema at a place. @throws if it has no target. */
  resolve ($ref: string, at: string): SchemaPlace {
    const [uri, fragment = ''] = $ref.split('#') as [string, undefined | string]
    const resource = this.#resources.get(at)!
    const target = uri === '' ? { root: this, at: resource.at } : this.#find(uri, resource.id)
    const inside = fragment === '' || fragment.startsWith('/')
      ? decodeURIComponent(fragment)
      : undefined
    const place = target &&
      (inside === undefined
        ? target.root.#anchor(target.at, fragment)
        : { root: target.root, at: target.at + inside })
    if (place === undefined || valueAt(place.root.schema, place.at) === undefined) {
      throw new Error(`its $ref '${$ref}' cannot be resolved`)
    }
    return place
  }

  /** Returns the targets of all references in the schema at a place. */
  referencesIn (at: string): SchemaPlace[] {
    const found: SchemaPlace[] = []
    const look = (schema: SchemaObject, at: string): SchemaObject => {
      if (typeof schema['$ref'] === 'string') found.push(this.resolve(schema['$ref'], at))
      return mapSubschemas(schema, at, look)
    }
    const schema = this.partAt(at)
    if (typeof schema === 'object') look(schema, at)
    return found
  }

  /**
   * Returns the schema at a place. The root comes without its definitions, which are parts of their
   * own.
   */
  partAt (at: string): JsonSchema {
    const schema = valueAt(this.schema, at) as JsonSchema
    if (at !== '' || typeof schema !== 'object') return schema
    const { definitions, $defs, ...rest } = schema
    return rest
  }

  #index (schema: SchemaObject, at: string, outer: Resource): SchemaObject {
    let resource = outer
    const { $id, $anchor } = schema
    if (typeof $id === 'string' && !$id.startsWith('#')) {
      const id = $id.replace(/#$/, '')
      resource = { at, id: absolute(id, outer.id) }
      this.#ids.set(id, at).set(resource.id, at)
    }
    // An anchor is `$anchor`, or in draft 07 an `$id` that is only a fragment.
    for (const name of [$anchor, $id]) {
      if (typeof name === 'string') {
        this.#anchors.set(`${resource.at}#${name.replace(/^#/, '')}`, at)
      }
    }
    this.#resources.set(at, resource)
    return mapSubschemas(schema, at, (inner, at) => this.#index(inner, at, resource))
  }

  #find (uri: string, base: string): undefined | SchemaPlace {
    for (const id of [uri, absolute(uri, base)]) {
      const at = this.#ids.get(id)
      if (at !== undefined) return { root: this, at }
      const root = this.#shared.find(id)
      if (root !== undefined) return { root, at: '' }
    }
  }

  #anchor (resource: string, name: string): undefined | SchemaPlace {
    const at = this.#anchors.get(`${resource}#${name}`)
    return at === undefined ? undefined : { root: this, at }
  }
}

/** Returns the schemas of a scope, each of which is indexed on first use. */
export function createSharedSchemas (schemas: Readonly<Record<string, unknown>>): SharedSchemas {
  const roots = new Map<string, RootSchema>()
  const shared: SharedSchemas = {
    find (id) {
      const known = roots.get(id)
      const schema =
        [id, `${id}#`].filter((id) => Object.hasOwn(schemas, id)).map((id) => schemas[id])[0]
      if (known !== undefined || !isObject(schema)) return known
      // Drops values that are not JSON, such as symbols of a library: they matter to the compiler
      // alone.
      const root = new RootSchema(JSON.parse(JSON.stringify(schema)), id, shared)
      roots.set(id, root)
      return root
    }
  }
  return shared
}

function absolute (uri: string, base: string): string {
  return URL.canParse(uri, base) ? new URL(uri, base).href : uri
}
