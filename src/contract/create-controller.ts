import type { FastifyInstance } from 'fastify'
import type { WsConnection } from '../connection/connection.js'
import { errors } from '../errors.js'
import type { ContractController, ContractSchema } from './contract.js'
import { checkController, type SocketController } from '../controller/controller.js'
import { ContractRouter } from './contract-router.js'
import { defineContract } from './parse-contract.js'

type Given = ContractController<WsConnection, never, ContractSchema>

/**
 * Checks a controller, and constructs it if it is a class. A controller with a contract is returned
 * as a `ContractRouter`.
 *
 * @param checkGrant throws for a value that is not a valid grant.
 * @throws `FSR_ERR_CONTROLLER_INVALID`, `FSR_ERR_CONTRACT_INVALID`, `FSR_ERR_GRANT_INVALID`.
 */
export function createController (
  path: string,
  given: unknown,
  fastify: FastifyInstance,
  checkGrant: (grant: unknown) => void
): SocketController {
  const controller = checkController(path, given, fastify)
  const { schema, on, onMessage } = controller
  if (schema === undefined && on === undefined) return controller
  const part = on === undefined ? requestPartIn(schema) : undefined
  if (part !== undefined) {
    throw new errors.ControllerInvalid(path, `has schema: { ${part} }, which belongs in the ` +
      'third argument of socketRoute(): { schema }')
  }
  if (onMessage !== undefined) {
    throw new errors.ContractInvalid(path,
      'goes with onMessage, which would never run: messages go to `on`, by their type')
  }
  const definition = defineContract(path, schema, on, checkGrant)
  return new ContractRouter(controller as unknown as Given, definition)
}

// Returns the first part of the upgrade request that a schema is for.
function requestPartIn (schema: unknown): undefined | string {
  return ['params', 'querystring', 'query', 'headers'].find((part) => part in Object(schema))
}
