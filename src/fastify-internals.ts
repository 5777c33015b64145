/**
 * What Fastify keeps under a symbol of this description, on an instance or on one of those that it inherits from: none of it is public.
 * `undefined` in a Fastify that is made in another way.
 */
export function internalOf (fastify: object, description: string): unknown {
  for (let owner: null | object = fastify; owner !== null; owner = Object.getPrototypeOf(owner)) {
    const key = Object.getOwnPropertySymbols(owner).find((symbol) => symbol.description === description)
    if (key !== undefined) return Reflect.get(owner, key)
  }
}
