import type { FastifyInstance } from 'fastify'
import type { Compilers, Serializer, Validator } from '../contract/validation.js'
import { errors } from '../errors.js'
import { setUpCompilers } from '../host/fastify-internals.js'

/**
 * Returns the compilers of a scope: those of the app, or those of Fastify, which know the schemas
 * added to the scope.
 *
 * @throws `FSR_ERR_CONTRACT_INVALID` if there are none.
 */
export function compilersOf (fastify: FastifyInstance, path: string): Compilers {
  const reason = setUpCompilers(fastify)
  const { validatorCompiler, serializerCompiler } = fastify
  if (validatorCompiler === undefined || serializerCompiler === undefined) {
    throw new errors.ContractInvalid(path, 'cannot be compiled, as there are no compilers: ' +
      `${reason}. Call setValidatorCompiler() and setSerializerCompiler()`)
  }
  return {
    validator: (schema) =>
      validatorCompiler({ schema, method: 'GET', url: path, httpPart: 'body' }) as Validator,
    serializer: (schema) => serializerCompiler({ schema, method: 'GET', url: path }) as Serializer
  }
}
