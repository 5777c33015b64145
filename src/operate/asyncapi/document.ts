// The parts of an AsyncAPI document (https://www.asyncapi.com/docs/reference/specification/v3.0.0) that are made here.

/** Where else in the document something is: a JSON Pointer (RFC 6901) after a `#`. */
export interface Reference {
  readonly $ref: string
}

/** A schema of draft 07, which is what AsyncAPI's own are a superset of. */
export type JsonSchema = boolean | SchemaObject
/** A JSON Schema that is an object. */
export interface SchemaObject {
  readonly [keyword: string]: unknown
}

/** What an app says of itself (AsyncAPI Info Object); all but these are taken as they are. */
export interface AsyncapiInfo {
  readonly title: string
  readonly version: string
  readonly description?: undefined | string
  readonly [field: string]: unknown
}

/** Where an app is reached (AsyncAPI Server Object); all but these are taken as they are. */
export interface AsyncapiServer {
  /** The host, with its port. */
  readonly host: string
  /** `ws` or `wss`. */
  readonly protocol: string
  readonly pathname?: undefined | string
  readonly description?: undefined | string
  readonly [field: string]: unknown
}

/** One message as it is on the wire. */
export interface AsyncapiMessage {
  /** The `type` on the wire; none where there is no contract. */
  readonly name?: undefined | string
  readonly title?: undefined | string
  readonly summary?: undefined | string
  readonly description?: undefined | string
  readonly contentType?: undefined | string
  readonly correlationId?: undefined | Reference
  readonly payload: JsonSchema | Reference
  /** The schema of its data alone. */
  readonly 'x-data'?: undefined | Reference
}

/** A parameter of a path. */
export interface AsyncapiParameter {
  readonly description?: undefined | string
  readonly enum?: undefined | readonly string[]
  readonly default?: undefined | string
  readonly examples?: undefined | readonly string[]
  /** Whether the path may end before it. */
  readonly 'x-optional'?: undefined | boolean
}

/** How a connection may end, as in the table of close codes. */
export interface AsyncapiClose {
  readonly code: number
  readonly reason: string
  readonly reconnect: boolean | 'jitter'
}

/** What a route is beyond what AsyncAPI has words for. */
export interface AsyncapiRoute {
  readonly name: string
  /** As it was written, with the prefixes of its scopes. */
  readonly path: string
  /** Whether there is no contract: messages are whatever the controller makes of them. */
  readonly isRaw: boolean
  /** Who may come in: one role of each list. */
  readonly roles: ReadonlyArray<readonly string[]>
  /** Whether functions are asked as well. */
  readonly hasPredicate: boolean
  /** Where a token is looked for; nowhere if the route is not guarded. */
  readonly tokenFrom: readonly string[]
  readonly protocols: readonly string[]
  /** Sizes in bytes, durations in milliseconds. */
  readonly limits: Readonly<Record<string, unknown>>
  readonly closeCodes: readonly AsyncapiClose[]
  /** What may be answered instead of the upgrade. */
  readonly refusals: ReadonlyArray<{ readonly status: number, readonly code: string }>
}

/** One socket route. */
export interface AsyncapiChannel {
  readonly address: string
  readonly title: string
  readonly summary?: undefined | string
  readonly description?: undefined | string
  readonly tags?: undefined | ReadonlyArray<{ readonly name: string }>
  readonly parameters?: undefined | Readonly<Record<string, AsyncapiParameter>>
  readonly messages: Readonly<Record<string, AsyncapiMessage | Reference>>
  readonly bindings: { readonly ws: { readonly method: 'GET', readonly query?: undefined | JsonSchema, readonly headers?: undefined | JsonSchema, readonly bindingVersion: '0.1.0' } }
  /** The schema of the parameters: AsyncAPI itself has none. */
  readonly 'x-params'?: undefined | JsonSchema
  readonly 'x-socket-route': AsyncapiRoute
}

/** What the app does with messages of a channel: it receives what clients send, and sends what they get. */
export interface AsyncapiOperation {
  readonly action: 'receive' | 'send'
  readonly channel: Reference
  readonly summary?: undefined | string
  readonly description?: undefined | string
  readonly messages: readonly Reference[]
  readonly reply?: undefined | { readonly channel: Reference, readonly messages: readonly Reference[] }
  /** Any of these is enough. */
  readonly security?: undefined | readonly Reference[]
  /** The roles of the message, any of which is enough; none if a function is asked. */
  readonly 'x-granted'?: undefined | readonly string[]
  readonly 'x-has-predicate'?: undefined | true
}

/** A document of AsyncAPI 3. It is JSON: there is nothing in it that is `undefined`. */
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
    readonly correlationIds?: undefined | Readonly<Record<string, { readonly description: string, readonly location: string }>>
    readonly securitySchemes?: undefined | Readonly<Record<string, Readonly<Record<string, string>>>>
  }
}
