import type { Route } from '../../route/route.js'
import { templateOf } from '../../upgrade/path-template.js'
import { ChannelBuilder, type NamedOperation } from './channel-parts.js'
import { closesOf, refusalsOf } from './closes-and-refusals.js'
import { ContractMessages, type PlaceSchema } from './contract-messages.js'
import type { AsyncapiChannel, AsyncapiParameter, JsonSchema } from './document.js'
import { toSegment, valueAt } from './json-pointer.js'
import type { ProtocolMessages } from './protocol-messages.js'
import { propertiesOf, type RouteInfo, type RouteProperties } from './route-metadata.js'
import type { SchemaComponents } from './schema-components.js'
import { toJsonSchema, type SchemaTransform } from './schema-conversion.js'
import type { SecuritySchemes } from './security-schemes.js'

/** State shared by the channels of a document. */
export interface Shared {
  readonly schemas: SchemaComponents
  readonly security: SecuritySchemes
  readonly protocol: ProtocolMessages
  readonly transform: undefined | SchemaTransform
}

/** Describes one route. @throws `FSR_ERR_OPTION_INVALID` where a schema has no JSON Schema. */
export function describeRoute (
  route: Route,
  key: string,
  { summary, description, tags }: RouteInfo,
  shared: Shared
): { channel: AsyncapiChannel, operations: readonly NamedOperation[] } {
  const { scope, schema } = route.declared
  const properties = propertiesOf(route)
  const builder = new ChannelBuilder(key, shared.security.of(properties))
  const place: PlaceSchema = (given, pointer, origin) =>
    toJsonSchema(
      given,
      { ...origin, route: route.name },
      shared.transform,
      (schema) => shared.schemas.place(scope, schema, pointer)
    )
  const placePart = (
    part: 'params' | 'querystring' | 'headers',
    given: unknown,
    inside: string
  ): undefined | JsonSchema =>
    given === undefined
      ? undefined
      : place(given, `#/channels/${key}/${inside}`, { io: 'input', part })

  const params = placePart('params', schema?.params, 'x-params')
  const { address, params: named } = templateOf(route.path)
  const known = shared.schemas.follow(params)
  const parameters = Object.fromEntries(
    named.map(({ key, name, isOptional }) => {
      const schema = valueAt(known, `/properties/${toSegment(name)}`) as JsonSchema
      return [key, parameterOf(shared.schemas.follow(schema), name, isOptional)]
    })
  )

  if (properties.sources.includes('message')) addTokenMessage(builder)
  const { contract, canRenew } = properties
  if (contract === undefined) addRawMessages(builder)
  else new ContractMessages(builder, shared.protocol, place).add(contract, canRenew)
  return {
    channel: {
      address,
      title: route.name,
      summary,
      description,
      tags: tags?.map((name) => ({ name })),
      parameters: named.length === 0 ? undefined : parameters,
      messages: builder.messages,
      bindings: {
        ws: {
          method: 'GET',
          query: placePart(
            'querystring',
            schema?.querystring ?? (schema as undefined | { query?: unknown })?.query,
            'bindings/ws/query'
          ),
          headers: placePart('headers', schema?.headers, 'bindings/ws/headers'),
          bindingVersion: '0.1.0'
        }
      },
      'x-params': params,
      'x-socket-route': routeExtensionOf(properties)
    },
    operations: builder.operations
  }
}

// A parameter has no schema in AsyncAPI 3: it is a string with a description, an enum, a default
// and examples.
function parameterOf (
  schema: undefined | JsonSchema,
  name: string,
  isOptional: boolean
): AsyncapiParameter {
  const known = Object(schema) as Readonly<Record<string, unknown>>
  const { description, enum: values, default: fallback, examples } = known
  const texts = (values: unknown): undefined | string[] =>
    Array.isArray(values) ? values.map(String) : undefined
  return {
    description: typeof description === 'string'
      ? description
      : name === '*'
        ? 'The rest of the path.'
        : undefined,
    enum: texts(values),
    default: fallback === undefined ? undefined : String(fallback),
    examples: texts(examples),
    'x-optional': isOptional ? true : undefined
  }
}

// Without a contract nothing is known about the messages.
function addRawMessages (builder: ChannelBuilder): void {
  const payload = {}
  const contentType = 'application/octet-stream'
  builder.addOperation('receive', builder.addMessage('in.message', 'raw', () => ({
    title: 'Message',
    description: 'Text or bytes, as the controller accepts them.',
    contentType,
    payload
  })))
  builder.addOperation('send', builder.addMessage('out.message', 'raw', () => ({
    title: 'Message',
    description: 'Text or bytes, as the controller sends them.',
    contentType,
    payload
  })))
}

function addTokenMessage (builder: ChannelBuilder): void {
  builder.addOperation('receive', builder.addMessage('token', 'own', () => ({
    title: 'Token',
    description: 'The token, as the first message of a client that has sent none in the upgrade.',
    contentType: 'text/plain',
    payload: { type: 'string' }
  })))
}

function routeExtensionOf (properties: RouteProperties): AsyncapiChannel['x-socket-route'] {
  const { name, path, contract, roles, hasPredicate, sources, protocols, options } = properties
  const {
    maxPayload,
    concurrency,
    rate,
    refusals,
    connections,
    roomsPerConnection,
    streamsPerConnection
  } = options
  return {
    name,
    path,
    isRaw: contract === undefined,
    roles,
    hasPredicate,
    tokenFrom: sources,
    protocols,
    limits: {
      maxPayload,
      concurrency,
      // `Infinity` means: no limit.
      rate: rate &&
        Object.fromEntries(Object.entries(rate).filter(([, value]) => value !== Infinity)),
      refusals: contract && refusals,
      connections,
      roomsPerConnection,
      streamsPerConnection: contract && streamsPerConnection
    },
    closeCodes: closesOf(properties),
    refusals: refusalsOf(properties)
  }
}
