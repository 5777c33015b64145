import type { Clock } from '../clock.js'
import type { WsConnection } from '../connection/connection.js'
import type { Live, LiveSet } from '../connection/live.js'
import type { Deadlines } from '../connection/deadlines.js'
import type { Expiry } from '../connection/expiry.js'
import type { Heartbeat } from '../connection/heartbeat.js'
import type { OutboxSettings } from '../connection/outbox.js'
import type { Expiring, Overtime } from '../connection/overtime.js'
import type { Metered, Rate, Upkeep } from '../connection/rate.js'
import type { StallDetector } from '../connection/stall-detector.js'
import type { RefusalLimit } from '../connection/refusals.js'
import type { Renewal } from '../connection/renewals.js'
import type { Codec } from '../message/codec.js'
import type { Message } from '../message/message.js'
import type { MessageLimits } from '../socket/violation.js'
import type { ClientSet } from '../room/clients.js'
import type { ConnectionCounts } from '../connection/connection-counts.js'
import type { Rooms } from '../room/rooms.js'
import type { SocketController } from './controller.js'

/** What a message that comes while others wait is: one that waits too, one that is done already, or one that is handled at once. */
export type Interruption = 'none' | 'done' | 'renewal'

/** What the connections of one route have in common. */
export interface RouteRuntime {
  readonly name: string
  readonly controller: SocketController
  readonly codec: Codec
  /** What encodes that callbacks return, if not just that. */
  readonly replies: undefined | Codec
  /** Looks at a message that waits for others, the last of which may be known: whether it must not. */
  readonly interrupt: undefined | ((connection: WsConnection, message: Message, last: undefined | Message) => Interruption)
  /** What of the messages of a client is for its connection alone; nothing of a route without a contract. */
  readonly upkeepOf: undefined | ((message: Message) => undefined | Upkeep)
  readonly clients: ClientSet
  readonly counts: ConnectionCounts
  readonly rooms: Rooms
  readonly live: LiveSet
  readonly clock: Clock
  readonly closing: Deadlines<Live>
  readonly heartbeat: undefined | Heartbeat
  readonly expiry: Expiry<Expiring>
  readonly overtime: Overtime
  /** Has connections take less memory, once they have lasted a while. */
  readonly compaction: undefined | Deadlines<WsConnection>
  readonly renew: Renewal
  readonly concurrency: number
  readonly rate: undefined | Rate
  readonly stalls: StallDetector
  /** Tells when a client that was too fast may go on. */
  readonly windows: undefined | Deadlines<Metered>
  /** How many messages that are refused a client may send in a row. */
  readonly refusals: undefined | RefusalLimit
  readonly limits: MessageLimits
  readonly outbox: OutboxSettings
  readonly roomsPerConnection: number
}
