/**
 * Returns a private property of Fastify, found by the description of its symbol, on an instance or
 * in its prototype chain.
 *
 * @returns `undefined` if this version of Fastify has no such property.
 */
export function internalOf (fastify: object, description: string): unknown {
  for (let owner: null | object = fastify; owner !== null; owner = Object.getPrototypeOf(owner)) {
    const key = Object.getOwnPropertySymbols(owner)
      .find((symbol) => symbol.description === description)
    if (key !== undefined) return Reflect.get(owner, key)
  }
}
