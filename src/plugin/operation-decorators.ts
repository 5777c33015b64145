import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Revocation } from '../auth/revocation-store.js'
import type { Clock } from '../clock.js'
import { errors } from '../errors.js'
import { strayIn } from '../members.js'
import type { Drain } from '../operate/drain.js'
import { createHealth } from '../operate/health.js'
import { printRoutes } from '../operate/print-routes.js'
import { revoke } from '../operate/revoke.js'
import type { Server } from '../route/app-services.js'
import type { SocketRoutes } from '../route/route-handle.js'
import type { RouteTable } from '../route/route-table.js'

/** Decorates an app with the methods by which it is operated. */
export function decorateOperation (
  fastify: FastifyInstance,
  table: RouteTable,
  clock: Clock,
  drain: Drain,
  { revocations, fastPath }: Server
): void {
  fastify.decorate('socketRevoke', (revocation: Revocation) =>
    revoke(fastify, clock, drain, revocations, revocation))
  fastify.decorate('socketTicket', (request, options) => issueTicket(table, request, options))
  fastify.decorate('socketRoutes', {
    getter: () => table.byName as unknown as SocketRoutes
  })
  fastify.decorate('printSocketRoutes', () => printRoutes(table.byName.values()))
  fastify.decorate('socketHealth', createHealth(drain))
  fastify.decorate('socketInfo', Object.freeze({ fastPath }))
}

async function issueTicket (
  table: RouteTable,
  request: Pick<FastifyRequest, 'headers'>,
  options: { readonly route: string }
): Promise<string> {
  if (typeof Object(request).headers !== 'object') {
    throw new errors.OptionInvalid('The first argument of socketTicket()',
      'is not the request that asks for the ticket')
  }
  // The text does not repeat the unknown name: it may come from the body of a request.
  if (strayIn(Object(options), ['route']) !== undefined) {
    throw new errors.OptionInvalid('The second argument of socketTicket()', 'is not { route }. ' +
      'The lifetime of a ticket is the option tickets.ttl of the plugin')
  }
  const route = table.byName.get(String(Object(options).route))
  if (route === undefined) {
    throw new errors.OptionInvalid('Option route of socketTicket()', 'is not the name of ' +
      'a socket route; there are ' + [...table.byName.keys()].join(', '))
  }
  return await route.ticket(request as FastifyRequest)
}
