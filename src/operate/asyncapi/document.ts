// The parts of an AsyncAPI document (https://www.asyncapi.com/docs/reference/specification/v3.0.0)
// that this plugin creates.

/** A reference to another place in the document: a JSON Pointer (RFC 6901) after a `#`. */
export interface Reference {
  readonly $ref: string
}

/** A schema of draft 07, of which AsyncAPI's own schemas are a superset. */
export type JsonSchema = boolean | SchemaObject
/** A JSON Schema that is an object. */
export interface SchemaObject {
  readonly [keyword: string]: unknown
}

/** The description of the app (AsyncAPI Info Object). Other fields are copied as they are. */
export interface AsyncapiInfo {
  readonly title: string
  readonly version: string
  readonly description?: undefined | string
  readonly [field: string]: unknown
}

/** A server of the app (AsyncAPI Server Object). Other fields are copied as they are. */
export interface AsyncapiServer {
  /** The host, with the port. */
  readonly host: string
  /** `ws` or `wss`. */
  readonly protocol: string
  readonly pathname?: undefined | string
  readonly description?: undefined | string
  readonly [field: string]: unknown
}

/** A message as it is on the wire. */
export interface AsyncapiMessage {
  /** The `type` on the wire; `undefined` without a contract. */
  readonly name?: undefined | string
  readonly title?: undefined | string
  readonly summary?: undefined | string
  readonly description?: undefined | string
  readonly contentType?: undefined | string
  readonly correlationId?: undefined | Reference
  readonly payload: JsonSchema | Reference
  /** The schema of the data alone. */
  readonly 'x-data'?: undefined | Reference
}

/** A parameter of a path. */
export interface AsyncapiParameter {
  readonly description?: undefined | string
  readonly enum?: undefined | readonly string[]
  readonly default?: undefined | string
  readonly examples?: undefined | readonly string[]
  /** Whether the path may end before this parameter. */
  readonly 'x-optional'?: undefined | boolean
}

/** How a connection may end, as in the table of close codes. */
export interface AsyncapiClose {
  readonly code: number
  readonly reason: string
  readonly reconnect: boolean | 'jitter'
}

/** The properties of a route that AsyncAPI has no fields for. */
export interface AsyncapiRoute {
  readonly name: string
  /** As registered, with the prefixes of the scopes. */
  readonly path: string
  /** Whether the route has no contract: its controller gets messages as they are. */
  readonly isRaw: boolean
  /** The roles that may connect: a user needs one role of each list. */
  readonly roles: ReadonlyArray<readonly string[]>
  /** Whether a function of the app decides as well. */
  readonly hasPredicate: boolean
  /** The places where a token is read; empty if the route is not guarded. */
  readonly tokenFrom: readonly string[]
  readonly protocols: readonly string[]
  /** Sizes in bytes, durations in milliseconds. */
  readonly limits: Readonly<Record<string, unknown>>
  readonly closeCodes: readonly AsyncapiClose[]
  /** The HTTP errors that may be sent instead of the upgrade. */
  readonly refusals: ReadonlyArray<{ readonly status: number, readonly code: string }>
}

/** A socket route. */
export interface AsyncapiChannel {
  readonly address: string
  readonly title: string
  readonly summary?: undefined | string
  readonly description?: undefined | string
  readonly tags?: undefined | ReadonlyArray<{ readonly name: string }>
  readonly parameters?: undefined | Readonly<Record<string, AsyncapiParameter>>
  readonly messages: Readonly<Record<string, AsyncapiMessage | Reference>>
  readonly bindings: {
    readonly ws: {
      readonly method: 'GET'
      readonly query?: undefined | JsonSchema
      readonly headers?: undefined | JsonSchema
      readonly bindingVersion: '0.1.0'
    }
  }
  /** The schema of the path parameters, for which AsyncAPI has no field. */
  readonly 'x-params'?: undefined | JsonSchema
  readonly 'x-socket-route': AsyncapiRoute
}

/** An operation of the app: it receives messages from clients, and sends messages to them. */
export interface AsyncapiOperation {
  readonly action: 'receive' | 'send'
  readonly channel: Reference
  readonly summary?: undefined | string
  readonly description?: undefined | string
  readonly messages: readonly Reference[]
  readonly reply?: undefined | {
    readonly channel: Reference
    readonly messages: readonly Reference[]
  }
  /** Any of these is enough. */
  readonly security?: undefined | readonly Reference[]
  /** The roles that may send the message, any of which is enough; empty if a function decides. */
  readonly 'x-granted'?: undefined | readonly string[]
  readonly 'x-has-predicate'?: undefined | true
}

/** An AsyncAPI 3 document. It is JSON: no value in it is `undefined`. */
export interface AsyncapiDocument {
  readonly asyncapi: '3.0.0'
  readonly info: AsyncapiInfo
  readonly defaultContentType: 'application/json'
  readonly servers?: undefined | Readonly<Record<string, AsyncapiServer>>
  readonly channels: Readonly<Record<string, AsyncapiChannel>>
  readonly operations: Readonly<Record<string, AsyncapiOperation>>
  readonly components: {
    readonly schemas?: undefined | Readonly<Record<string, JsonSchema>>
    readonly messages?: undefined | Readonly<Record<string, AsyncapiMessage>>
    readonly correlationIds?:
      | undefined
      | Readonly<Record<string, { readonly description: string, readonly location: string }>>
    readonly securitySchemes?:
      | undefined
      | Readonly<Record<string, Readonly<Record<string, string>>>>
  }
}
