import { Revocations } from '../auth/revocation-store.js'
import { Tickets } from '../auth/ticket.js'
import { MemoryBroker } from '../broker/memory.js'
import type { Clock } from '../clock.js'
import { Budget } from '../connection/budget.js'
import { SharedTimers } from '../connection/shared-timers.js'
import { ConnectionCounts } from '../connection/connection-counts.js'
import { Deadlines } from '../connection/deadlines.js'
import type { Closable } from '../connection/connection-roles.js'
import type { PluginSettings } from '../options/plugin-settings.js'
import { closeCodes } from '../protocol/close-codes.js'
import type { Server } from '../route/app-services.js'

/**
 * Creates the services that all routes of an app share.
 *
 * @param base the services that the servers of the app use as well.
 */
export function createServices (
  clock: Clock,
  settings: PluginSettings,
  base: Pick<Server, 'live' | 'sockets' | 'credentials' | 'fastPath'>
): Server {
  const { handshakeTimeout, tickets, compression } = settings
  return {
    ...base,
    clocks: new SharedTimers(clock, handshakeTimeout),
    counts: new ConnectionCounts(),
    budget: new Budget(settings.outboxBudget),
    broker: new MemoryBroker(),
    handshakeTimeout,
    tickets: new Tickets(clock, tickets.store, tickets.ttl),
    // The upgrade, and the token as the first message after it, each have the whole timeout.
    revocations: new Revocations(clock, settings.revocations, 2 * handshakeTimeout),
    compression,
    tokens: new Deadlines<Closable>(clock, handshakeTimeout, (connection) => {
      connection.closeWith(closeCodes.tokenMissing)
    })
  }
}
