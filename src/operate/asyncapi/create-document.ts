import { errors } from '../../errors.js'
import { discard, isThenable } from '../../thenable.js'
import type { Route } from '../../route/route.js'
import { describeRoute } from './route-channel.js'
import type {
  AsyncapiChannel,
  AsyncapiDocument,
  AsyncapiOperation,
  AsyncapiServer
} from './document.js'
import { keyOf, UniqueKeys } from './unique-keys.js'
import type { AsyncapiOptions } from './options.js'
import { correlationIds, ProtocolMessages } from './protocol-messages.js'
import { routeInfoOf } from './route-metadata.js'
import { SchemaComponents } from './schema-components.js'
import { SecuritySchemes } from './security-schemes.js'
import { isObject } from './subschemas.js'

/**
 * Creates the document of all routes that are not hidden.
 *
 * @throws `FSR_ERR_OPTION_INVALID` where a schema has no JSON Schema, or the `config.asyncapi` of a
 * route is invalid.
 */
export function createDocument (
  routes: Iterable<Route>,
  { info, transform, transformObject }: AsyncapiOptions,
  servers: Readonly<Record<string, AsyncapiServer>>
): AsyncapiDocument {
  const schemas = new SchemaComponents()
  const shared = {
    schemas,
    security: new SecuritySchemes(),
    protocol: new ProtocolMessages(schemas),
    transform
  }
  const channels = new Map<string, AsyncapiChannel>()
  const operations = new Map<string, AsyncapiOperation>()
  const keys = { channels: new UniqueKeys(), operations: new UniqueKeys() }
  for (const route of routes) {
    const routeInfo = routeInfoOf(route)
    if (routeInfo.hide === true) continue
    const key = keys.channels.take(
      keyOf(route.name.replace(/^\W+|\W+$/g, '')) || 'root',
      route.name
    )
    const described = describeRoute(route, key, routeInfo, shared)
    channels.set(key, described.channel)
    for (const { name, operation } of described.operations) {
      operations.set(keys.operations.take(name, JSON.stringify(operation)), operation)
    }
  }
  const messages = shared.protocol.components
  const document: AsyncapiDocument = {
    // Nothing of 3.1 is needed, and more tools read 3.0.0.
    asyncapi: '3.0.0',
    info,
    defaultContentType: 'application/json',
    servers: filled(servers),
    channels: Object.fromEntries(channels),
    operations: Object.fromEntries(operations),
    components: {
      schemas: filled(schemas.components),
      messages: filled(messages),
      correlationIds: filled(messages) && correlationIds,
      securitySchemes: filled(shared.security.components)
    }
  }
  // A copy, without `undefined` and without references to objects of the app.
  const copied = JSON.parse(JSON.stringify(document)) as AsyncapiDocument
  return transformObject === undefined ? copied : transformed(transformObject, copied)
}

function transformed (
  transformObject: NonNullable<AsyncapiOptions['transformObject']>,
  document: AsyncapiDocument
): AsyncapiDocument {
  const made: unknown = transformObject(document)
  discard(made)
  if (isThenable(made) || !isObject(made)) {
    throw new errors.OptionInvalid(
      'Option transformObject',
      'must return the document, and must not be async'
    )
  }
  return made as object as AsyncapiDocument
}

function filled<Part extends object> (part: Part): undefined | Part {
  return Object.keys(part).length === 0 ? undefined : part
}
