// Data waiting for a slow client keeps no more memory than it needs.
import { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { Budget } from '../../src/connection/budget.js'
import { FastSocket } from '../../src/socket/fast-socket.js'
import type { Outbox } from '../../src/connection/outbox.js'
import { FrameBatch } from '../../src/broadcast/frame-batch.js'
import { Message } from '../../src/message/message.js'
import { createOutbox } from '../support/outbox.js'

const SIZE = 9_000

// As it was read: a part of a chunk.
const relayed = () => new Message(Buffer.allocUnsafeSlow(65_536), true, 100, 100 + SIZE)

// To a client that reads nothing: what is written is in the list, beginning with what went to the
// kernel.
function open (t: Test): { outbox: Outbox, written: Buffer[] } {
  const written: Buffer[] = []
  const duplex = new Duplex({ read () {}, write () {} })
  const { write } = duplex
  duplex.write = (...parameters: unknown[]) => {
    written.push(parameters[0] as Buffer)
    return write.apply(duplex, parameters as never)
  }
  const socket = new FastSocket(null, undefined, {})
  socket.setSocket(duplex, Buffer.alloc(0))
  t.teardown(() => duplex.destroy())
  return {
    outbox: createOutbox(socket, { limit: 1_000_000, budget: new Budget(10_000_000) }),
    written
  }
}

const heldBy = (written: Buffer[]) => written.filter(({ length }) => length === SIZE).map(
  ({ buffer }) => buffer.byteLength
)

t.test('messages to one client', async (t) => {
  const { outbox, written } = open(t)
  for (let count = 0; count < 3; count++) {
    const message = relayed()
    outbox.send(message, message)
    outbox.flush()
  }
  t.strictSame(heldBy(written), [65_536, SIZE, SIZE], 'the first might have left at once')
})

t.test('messages to many clients', async (t) => {
  const [lagging, other] = [open(t), open(t)]
  const early = relayed()
  lagging.outbox.send(early, early)
  lagging.outbox.flush()
  const bundle = new FrameBatch()
  const message = relayed()
  bundle.add(message, message)
  for (const { outbox } of [other, lagging]) outbox.sendBatch(bundle, 0, [])
  t.strictSame(heldBy(other.written), [65_536])
  t.strictSame(heldBy(lagging.written), [65_536, SIZE])
  t.equal(
    bundle.encode(0, [], undefined),
    bundle.encode(0, [], undefined),
    'it is encoded once more at most'
  )
  lagging.outbox.sendBatch(bundle, 0, [])
  t.equal(lagging.written.at(-1), bundle.encode(0, [], undefined)[1])
})
