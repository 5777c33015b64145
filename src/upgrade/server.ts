import type { Budget } from '../connection/budget.js'
import type { Closable, LiveSet } from '../connection/closable.js'
import type { Deadlines } from '../connection/deadlines.js'
import type { FastPath } from './plugin-settings.js'
import type { Clocks } from '../controller/clocks.js'
import type { Compression } from '../message/frame.js'
import type { ConnectionCounts } from '../room/counts.js'
import type { QueryCredentials } from './query.js'
import type { Revocations } from './revocation.js'
import type { SocketServer } from './socket-server.js'
import type { Tickets } from './ticket.js'

/** The connections of all routes of an app, and whether there are to be more. */
export interface LiveConnections extends LiveSet {
  readonly isClosing: boolean
}

/** What all routes of an app share. */
export interface Server {
  readonly live: LiveConnections
  readonly sockets: SocketServer
  readonly clocks: Clocks
  readonly counts: ConnectionCounts
  readonly budget: Budget
  /** Milliseconds that an upgrade may take. */
  readonly handshakeTimeout: number
  readonly credentials: QueryCredentials
  readonly tickets: Tickets
  readonly revocations: Revocations
  readonly compression: undefined | Compression
  /** For tokens that are to come as the first message. */
  readonly tokens: Deadlines<Closable>
  readonly fastPath: FastPath
}
