import type { Broker } from '../broker/broker.js'
import type { Budget } from '../connection/budget.js'
import type { Closable, LiveSet } from '../connection/connection-roles.js'
import type { Deadlines } from '../connection/deadlines.js'
import type { FastPath } from '../options/plugin-settings.js'
import type { SharedTimers } from '../connection/shared-timers.js'
import type { Compression } from '../message/frame.js'
import type { ConnectionCounts } from '../connection/connection-counts.js'
import type { UrlCredentials } from '../auth/url-credentials.js'
import type { Revocations } from '../auth/revocation-store.js'
import type { SocketServer } from '../upgrade/socket-server.js'
import type { Tickets } from '../auth/ticket.js'

/** The connections of all routes of an app, and whether the app is closing. */
export interface LiveConnections extends LiveSet {
  readonly isClosing: boolean
}

/** The services that all routes of an app share. */
export interface Server {
  readonly live: LiveConnections
  readonly sockets: SocketServer
  readonly clocks: SharedTimers
  readonly counts: ConnectionCounts
  readonly budget: Budget
  readonly broker: Broker
  /** Milliseconds that an upgrade may take. */
  readonly handshakeTimeout: number
  readonly credentials: UrlCredentials
  readonly tickets: Tickets
  readonly revocations: Revocations
  readonly compression: undefined | Compression
  /** The deadlines of tokens that are due as the first message. */
  readonly tokens: Deadlines<Closable>
  readonly fastPath: FastPath
}
