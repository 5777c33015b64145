/** What the AsyncAPI document says of a route, besides what the route itself says: `config: { asyncapi: { … } }`. */
export interface RouteInfo {
  /** Whether the route is left out. @default false */
  readonly hide?: undefined | boolean
  readonly summary?: undefined | string
  /** In CommonMark. */
  readonly description?: undefined | string
  readonly tags?: undefined | readonly string[]
}

/** Reads it. */
export function routeInfoOf (config: unknown): RouteInfo {
  return Object((config as undefined | { readonly asyncapi?: unknown })?.asyncapi) as RouteInfo
}

declare module 'fastify' {
  interface FastifyContextConfig {
    asyncapi?: undefined | RouteInfo
  }
}
