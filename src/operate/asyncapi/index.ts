export { default } from './plugin.js'
export type { AsyncapiOptions } from './options.js'
export type { RouteInfo } from './route-metadata.js'
export type { SchemaOrigin, SchemaTransform } from './schema-conversion.js'
export type { ServersOption } from './servers.js'
export type {
  AsyncapiChannel,
  AsyncapiClose,
  AsyncapiDocument,
  AsyncapiInfo,
  AsyncapiMessage,
  AsyncapiOperation,
  AsyncapiParameter,
  AsyncapiRoute,
  AsyncapiServer,
  JsonSchema,
  Reference,
  SchemaObject
} from './document.js'
