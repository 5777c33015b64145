import { Duplex } from 'node:stream'
import t from 'tap'
import type { Broadcaster } from '../../src/broadcast/broadcaster.js'
import type { Receiver } from '../../src/broadcast/channel.js'
import { Budget } from '../../src/connection/budget.js'
import { FastSocket } from '../../src/socket/fast-socket.js'
import { kOutbox } from '../../src/socket/socket-events.js'
import { FrameBatch } from '../../src/broadcast/frame-batch.js'
import { toFrame } from '../../src/message/outbound.js'
import { createOutbox } from '../support/outbox.js'

// A socket that keeps everything until it is told to let go, as a client that does not read makes
// it.
class StuckSocket {
  readyState = 1
  bufferedAmount = 0
  readonly #held: Array<{ length: number, done: undefined | (() => void) }> = []

  send (bytes: Buffer, _options: object, done?: () => void): void {
    this.#held.push({ length: bytes.length, done })
    this.bufferedAmount += bytes.length
  }

  letGo (): void {
    for (const { length, done } of this.#held.splice(0)) {
      this.bufferedAmount -= length
      done?.()
    }
  }
}

for (const overflow of ['close', 'drop-oldest'] as const) {
  t.test(`the budget gets back all that it gave, with ${overflow}`, async (t) => {
    const budget = new Budget(1_000_000)
    const sockets = [new StuckSocket(), new StuckSocket()]
    const outboxes = sockets.map((socket) => createOutbox(socket, {
      limit: 500_000,
      overflow,
      budget
    }))
    for (let count = 0; count < 100; count++) {
      for (const outbox of outboxes) outbox.send(toFrame(Buffer.alloc(3_000)), Buffer.alloc(0))
    }
    t.ok(budget.used >= 600_000, String(budget.used))
    for (let count = 0; count < 10; count++) sockets[0]!.letGo()
    t.ok(budget.used >= 300_000 && budget.used < 500_000, String(budget.used))
    // The other client is gone without having read anything.
    sockets[1]!.readyState = 3
    outboxes[1]!.onSocketClosed()
    sockets[1]!.letGo()
    t.equal(budget.used, 0)
  })
}

t.test('bytes that a fast socket cannot write count in the budget until written', async (t) => {
  const budget = new Budget(1_000_000)
  const held: Array<() => void> = []
  const socket = new FastSocket(null, undefined, {})
  socket.setSocket(
    new Duplex({ read () {}, write (_chunk, _encoding, callback) { held.push(callback) } }),
    Buffer.alloc(0)
  )
  const outbox = createOutbox(socket, { limit: 500_000, budget })
  for (const size of [1_000, 3_000]) {
    outbox.send(toFrame(Buffer.alloc(size)))
    outbox.flush()
  }
  t.ok(budget.used > 4_000, String(budget.used))
  for (let write = held.pop(); write !== undefined; write = held.pop()) {
    write()
    await new Promise(setImmediate)
  }
  t.equal(budget.used, 0)
  socket.terminate()
})

t.test('the notice counts all that was dropped until nothing waits any more', async (t) => {
  const socket = new StuckSocket()
  const notices: number[] = []
  const outbox = createOutbox(socket, {
    limit: 200_000,
    overflow: 'drop-oldest',
    notice: (dropped) => { notices.push(dropped); return 'missed' }
  })
  const send = (count: number) => {
    for (let sent = 0; sent < count; sent++) outbox.send(toFrame(Buffer.alloc(10_000)))
  }
  send(40)
  const before = outbox.dropped
  t.ok(before > 0)
  // Some of what waits is given to the socket, not all.
  socket.letGo()
  t.strictSame(notices, [])
  send(40)
  t.ok(outbox.dropped > before)
  for (let count = 0; count < 10; count++) socket.letGo()
  t.strictSame(notices, [outbox.dropped])
})

t.test('a broadcast does not overtake a waiting message that ws compresses', async (t) => {
  const written: Buffer[] = []
  const held: Array<() => void> = []
  const tcp = new Duplex({
    read () {},
    write (chunk: Buffer, _encoding, callback) {
      written.push(chunk)
      held.push(callback)
    }
  })
  const socket = new FastSocket(null, undefined, {})
  Object.defineProperty(socket, 'extensions', { value: 'permessage-deflate' })
  socket.setSocket(tcp, Buffer.alloc(0))
  const batch = new FrameBatch()
  batch.add(toFrame('a broadcast'), undefined)
  const pending = { size: 0 }
  const broadcaster = {
    pending,
    flushTo ({ outbox }: Receiver) {
      pending.size = 0
      outbox.sendBatch(batch, 0, [])
    }
  } as unknown as Broadcaster
  const settings = { overflow: 'drop-oldest', compression: { threshold: 20 } } as const
  const outbox = createOutbox(socket, settings, {}, broadcaster)
  socket[kOutbox] = outbox
  outbox.send(toFrame(Buffer.alloc(70_000)))
  outbox.send(toFrame('a message that waits'))
  pending.size = 1
  while (held.length > 0) {
    held.shift()!()
    await new Promise(setImmediate)
  }
  outbox.flushAll()
  while (held.length > 0) held.shift()!()
  const end = Buffer.concat(written).subarray(70_000).toString('latin1')
  t.match(end, /a message that waits.*a broadcast/)
  socket.terminate()
})

t.test('drained() also awaits messages sent to many', async (t) => {
  const socket = new StuckSocket()
  const batch = new FrameBatch()
  batch.add(toFrame(Buffer.alloc(70_000)), undefined)
  const broadcaster = {
    pending: { size: 1 },
    flushTo: ({ outbox }: Receiver) => { outbox.sendBatch(batch, 0, []) }
  } as unknown as Broadcaster
  const outbox = createOutbox(socket, {}, {}, broadcaster)
  let isDrained = false
  const drained = outbox.drained().then(() => { isDrained = true })
  await Promise.resolve()
  t.equal(isDrained, false)
  socket.letGo()
  await drained
})

t.test('bytes that are not there any more are not handed on', async (t) => {
  const socket = new StuckSocket()
  const failures: unknown[] = []
  const outbox = createOutbox(socket, {}, {
    terminate () { failures.push('terminated') },
    log: (level) => { failures.push(level) }
  })
  const bytes = new Uint8Array(10_000)
  const frame = toFrame(bytes)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  t.equal(outbox.send(frame), false)
  t.strictSame(failures, ['error', 'terminated'])
  t.equal(socket.bufferedAmount, 0)
})
