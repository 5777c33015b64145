import type { FastifyInstance } from 'fastify'
import type { Compilers, Serializer, Validator } from '../contract/validation.js'
import { errors } from '../errors.js'
import { internalOf } from '../fastify-internals.js'

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
  const controller = internalOf(fastify, 'fastify.schemaController') as undefined | Partial<SchemaController>
  const options = internalOf(fastify, 'fastify.options') as undefined | { readonly ajv?: unknown, readonly serializerOpts?: unknown }
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
