import type { FastifyInstance } from 'fastify'
import type { ContractDefinition } from '../contract/parse-contract.js'
import { errors } from '../errors.js'
import type { SocketRouteOptions } from '../options/options.js'
import { checkEffect, type EffectiveOptions } from '../options/resolve-options.js'
import { useRoles } from '../options/scope.js'
import type { SocketServer } from '../upgrade/socket-server.js'
import type { Server } from './app-services.js'

/** A route as it was registered, for the parts of the route. */
export interface RouteSetup {
  readonly name: string
  /** The path with the prefixes of its scopes. */
  readonly path: string
  readonly scope: FastifyInstance
  /** The options of the route alone. */
  readonly given: SocketRouteOptions
  readonly effective: EffectiveOptions
  /** Whether the route, or a scope around it, has `isGranted`. */
  readonly isGuarded: boolean
  readonly sockets: ReturnType<SocketServer['serverFor']>
  readonly server: Server
}

/**
 * Checks that the options of a route have an effect, and tells the services of the app what the
 * route needs of them.
 *
 * @throws `FSR_ERR_OPTION_INVALID`, `FSR_ERR_CONTRACT_INVALID`.
 */
export function setUp (
  base: Pick<RouteSetup, 'server' | 'scope' | 'path' | 'given' | 'effective'>,
  contract: undefined | ContractDefinition
): RouteSetup {
  const { server, scope, path, given, effective } = base
  const isGuarded = effective.isGranted.length > 0
  const withRoles = messageWithRoles(contract)
  const hasRoles = isGuarded || withRoles !== undefined
  checkEffect(given, effective, path, {
    grant: isGuarded,
    roles: hasRoles,
    contract: contract !== undefined
  })
  // The roles come from a user. An empty tokenFrom says that hooks of the app set the users.
  if (!isGuarded && withRoles !== undefined && effective.tokenFrom.length > 0) {
    throw new errors.ContractInvalid(path, 'has roles in isGranted of the message ' +
      `'${withRoles}', which would refuse every client: the route has no guard, so it reads no ` +
      'token. Set isGranted of the route too, or tokenFrom: [] if a hook of the app sets ' +
      'request.user')
  }
  if (hasRoles) useRoles(scope)
  server.counts.expect(effective.connections)
  const sockets = server.sockets.serverFor(effective.maxPayload)
  return { ...base, name: given.name ?? path, isGuarded, sockets }
}

// Returns the type of the first message that only users with a role may send.
function messageWithRoles (contract: undefined | ContractDefinition): undefined | string {
  return contract && [...contract.in.values()].find(({ isGranted }) =>
    isGranted !== undefined && typeof isGranted !== 'function')?.type
}
