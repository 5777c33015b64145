/** Additions of a route to the AsyncAPI document: `config: { asyncapi: { … } }`. */
export interface RouteInfo {
  /** Whether the document omits the route. @default false */
  readonly hide?: undefined | boolean
  readonly summary?: undefined | string
  /** In CommonMark. */
  readonly description?: undefined | string
  readonly tags?: undefined | readonly string[]
}

/** Returns the route's `config.asyncapi`; an empty object if there is none. */
export function routeInfoOf (config: unknown): RouteInfo {
  return Object((config as undefined | { readonly asyncapi?: unknown })?.asyncapi) as RouteInfo
}

declare module 'fastify' {
  interface FastifyContextConfig {
    asyncapi?: undefined | RouteInfo
  }
}
