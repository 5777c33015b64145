import type { FastifyInstance } from 'fastify'
import type { Compilers, Serializer, Validator } from '../controller/checked.js'
import { errors } from '../errors.js'

interface SchemaController {
  setupValidator (options: unknown): void
  setupSerializer (options: unknown): void
}

/**
 * What makes validators and serializers in a scope: the app's own compilers, or those of Fastify, which know the schemas that were added.
 * Fastify makes its own only for scopes with a route that has schemas, so it is asked to by a way that is not public.
 *
 * @throws `FSR_ERR_CONTRACT_INVALID` if there are none.
 */
export function compilersOf (fastify: FastifyInstance, path: string): Compilers {
  const controller = ofSymbol(fastify, 'fastify.schemaController') as undefined | Partial<SchemaController>
  const options = ofSymbol(fastify, 'fastify.options') as undefined | { readonly ajv?: unknown, readonly serializerOpts?: unknown }
  if (typeof controller?.setupValidator === 'function' && typeof controller.setupSerializer === 'function') {
    controller.setupValidator(options)
    controller.setupSerializer(options)
  }
  const { validatorCompiler, serializerCompiler } = fastify
  if (validatorCompiler === undefined || serializerCompiler === undefined) {
    throw new errors.ContractInvalid(path, 'cannot be compiled, as this Fastify is made in another way than the plugin knows: call setValidatorCompiler() and setSerializerCompiler()')
  }
  return {
    validator: (schema) => validatorCompiler({ schema, method: 'GET', url: path, httpPart: 'body' }) as Validator,
    serializer: (schema) => serializerCompiler({ schema, method: 'GET', url: path }) as Serializer
  }
}

function ofSymbol (fastify: object, name: string): unknown {
  for (let owner: null | object = fastify; owner !== null; owner = Object.getPrototypeOf(owner)) {
    const key = Object.getOwnPropertySymbols(owner).find(({ description }) => description === name)
    if (key !== undefined) return Reflect.get(owner, key)
  }
}
