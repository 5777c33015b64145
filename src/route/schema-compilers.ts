import type { FastifyInstance } from 'fastify'
import type { Compilers, Serializer, Validator } from '../contract/validation.js'
import { errors } from '../errors.js'
import { internalOf } from '../fastify-internals.js'

interface SchemaController {
  setupValidator (options: unknown): void
  setupSerializer (options: unknown): void
}

/**
 * Returns the compilers of a scope: those of the app, or those of Fastify, which know the schemas
 * added to the scope. Fastify creates its own only for scopes with a route that has schemas; here
 * it is made to create them, by its private API.
 *
 * @throws `FSR_ERR_CONTRACT_INVALID` if there are none.
 */
export function compilersOf (fastify: FastifyInstance, path: string): Compilers {
  const controller = internalOf(fastify, 'fastify.schemaController') as
    | undefined
    | Partial<SchemaController>
  const options = internalOf(fastify, 'fastify.options') as
    | undefined
    | { readonly ajv?: unknown, readonly serializerOpts?: unknown }
  if (
    typeof controller?.setupValidator === 'function' &&
    typeof controller.setupSerializer === 'function'
  ) {
    controller.setupValidator(options)
    controller.setupSerializer(options)
  }
  const { validatorCompiler, serializerCompiler } = fastify
  if (validatorCompiler === undefined || serializerCompiler === undefined) {
    throw new errors.ContractInvalid(path, 'cannot be compiled: this version of Fastify does not ' +
      'provide its compilers. Call setValidatorCompiler() and setSerializerCompiler()')
  }
  return {
    validator: (schema) =>
      validatorCompiler({ schema, method: 'GET', url: path, httpPart: 'body' }) as Validator,
    serializer: (schema) => serializerCompiler({ schema, method: 'GET', url: path }) as Serializer
  }
}
