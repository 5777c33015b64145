import type { WebSocket } from 'ws'
import { Broadcaster } from '../../src/broadcast/broadcaster.js'
import { Channel, type Receiver } from '../../src/broadcast/channel.js'
import { Budget } from '../../src/connection/budget.js'
import { Outbox, type OutboxHost, type OutboxSettings } from '../../src/connection/outbox.js'
import { inPlace } from './in-place.js'

/** Creates an outbox without a runner, whose connection is in no room. */
export function createOutbox (
  socket: unknown,
  settings: Partial<OutboxSettings> = {},
  host: Partial<OutboxHost> = {},
  broadcaster = new Broadcaster(new Channel('', new Set()), true)
): Outbox {
  const receiver = {
    id: 'a',
    served: 0,
    memberships: [],
    get outbox (): Outbox { return outbox }
  } satisfies Receiver
  const outbox = new Outbox(
    socket as WebSocket,
    {
      limit: 100_000,
      overflow: 'close',
      budget: new Budget(1_000_000),
      compression: undefined,
      ...settings
    },
    broadcaster,
    { ...inPlace, connection: receiver, closeWith: () => true, terminate () {}, log () {}, ...host }
  )
  return outbox
}
