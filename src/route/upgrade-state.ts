import type { ServerResponse } from 'node:http'
import type { FastifyRequest, RouteHandlerMethod } from 'fastify'
import type { Identity } from '../connection/identity.js'

/** Key of the state of an upgrade on its request, from the first check to the upgrade. */
export const kUpgrade = Symbol('fastify-socket-route.upgrade')

/** Key of the initial `connection.data` on the request, until the connection exists. */
export const kData = Symbol('fastify-socket-route.data')

/** The state of one upgrade. */
export interface Upgrade {
  /** The token of the sub-protocol header. */
  readonly token: undefined | string
  readonly response: ServerResponse
  identity: undefined | Identity
  /** Whether the guard has admitted the request, or the route has none. */
  isAdmitted: boolean
  /**
   * The handler that performs the upgrade. Set once the handler of the route has run; after that
   * only `onSend` hooks can reject the upgrade.
   */
  accept?: undefined | RouteHandlerMethod
}

/** A request to a socket route. Without an upgrade it is a plain request. */
export type UpgradeRequest = FastifyRequest & { [kUpgrade]: null | Upgrade, [kData]?: unknown }
