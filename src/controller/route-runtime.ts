import type { Clock } from '../clock.js'
import type { WsConnection } from '../connection/connection.js'
import type { Expiring, Live, LiveSet, Metered } from '../connection/connection-roles.js'
import type { Deadlines } from '../connection/deadlines.js'
import type { ExpiryTimer } from '../connection/expiry-timer.js'
import type { Heartbeat } from '../connection/heartbeat.js'
import type { OutboxSettings } from '../connection/outbox.js'
import type { RenewalGrace } from '../connection/renewal-grace.js'
import type { Rate, Upkeep } from '../connection/rate.js'
import type { EventLoopDelay } from '../connection/event-loop-delay.js'
import type { RefusalLimit } from '../connection/invalid-message-limit.js'
import type { Renewal } from '../connection/identity.js'
import type { Codec } from '../message/codec.js'
import type { Message } from '../message/message.js'
import type { MessageLimits } from '../socket/socket-events.js'
import type { ClientSet } from '../room/clients.js'
import type { ConnectionCounts } from '../connection/connection-counts.js'
import type { Rooms } from '../room/rooms.js'
import type { SocketController } from './controller.js'

/**
 * Whether a message must not wait for those before it: `none`, it waits too; `done`, it has been
 * handled; `renewal`, it is handled now.
 */
export type Interruption = 'none' | 'done' | 'renewal'

/** The effective options that concern each connection by itself. */
export interface ConnectionOptions {
  readonly concurrency: number
  readonly rate: undefined | Rate
  /** How many rejected messages a client may send in a row. */
  readonly refusals: false | RefusalLimit
  readonly roomsPerConnection: number
}

/** The part of a route that its connections share. */
export interface RouteRuntime {
  readonly name: string
  readonly controller: SocketController
  readonly codec: Codec
  /** Encodes the return values of callbacks on a route with `preSend` hooks and no contract. */
  readonly replies: undefined | Codec
  /**
   * Tells whether a message must not wait for the messages before it, the last of which is `last`.
   * `undefined` without a contract.
   */
  readonly interrupt: undefined | ((
    connection: WsConnection,
    message: Message,
    last: undefined | Message
  ) => Interruption)

  /** Tells whether a message only keeps its connection alive. `undefined` without a contract. */
  readonly upkeepOf: undefined | ((message: Message) => undefined | Upkeep)
  readonly clients: ClientSet
  readonly counts: ConnectionCounts
  readonly rooms: Rooms
  readonly live: LiveSet
  readonly clock: Clock
  readonly closing: Deadlines<Live>
  readonly heartbeat: undefined | Heartbeat
  readonly expiry: ExpiryTimer<Expiring>
  readonly overtime: RenewalGrace
  /** Compacts connections in memory, once they have lasted a while. */
  readonly compaction: undefined | Deadlines<WsConnection>
  readonly renew: Renewal
  readonly options: ConnectionOptions
  readonly stalls: EventLoopDelay
  /** Wakes connections over their rate at the next window. */
  readonly windows: undefined | Deadlines<Metered>
  readonly limits: MessageLimits
  readonly outbox: OutboxSettings
}
