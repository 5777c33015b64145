import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { SocketPluginOptions, SocketRouteHandle, WsConnection } from '../../src/index.js'
import { connect, handshake, tcp, type Client } from '../support/client.js'
import { createApp, listen } from '../support/server.js'
import { turns, until } from '../support/until.js'

interface Feed { app: FastifyInstance, route: SocketRouteHandle, client: Client, connection: WsConnection, answers: () => number }

// A feed with one client that has stopped to read, behind full buffers of the kernel.
async function start (t: Test, plugin: SocketPluginOptions): Promise<Feed> {
  const app = await createApp(t, { plugin })
  let connection: undefined | WsConnection
  let answers = 0
  const route = app.socketRoute('/', { onOpen: (opened) => { connection = opened }, onMessage: (_connection, message) => { answers++; return message } })
  const client = await connect(await listen(app))
  await until(() => connection !== undefined)
  client.socket.pause()
  while (connection!.send(Buffer.alloc(50_000)));
  return { app, route, client, connection: connection!, answers: () => answers }
}

// What the client gets after the filling, until the last message of all.
async function rest ({ client, connection }: Feed): Promise<unknown[]> {
  client.socket.resume()
  await connection.drained()
  connection.send('the end')
  const received: unknown[] = []
  for (let message = await client.next(); message !== 'the end'; message = await client.next()) {
    if (typeof message === 'string') received.push(JSON.parse(message))
  }
  return received
}

t.test('drop-oldest: a slow client gets the newest messages, in order, and what was dropped is counted', async (t) => {
  const feed = await start(t, { outbox: { overflow: 'drop-oldest', limit: 100_000 } })
  const before = feed.connection.dropped
  for (let n = 0; n < 1000; n++) feed.route.broadcast({ n, padding: 'x'.repeat(400) })
  const received = await rest(feed) as Array<{ n: number }>
  t.equal(received.at(-1)!.n, 999)
  t.ok(received.every(({ n }, index) => n === 1000 - received.length + index))
  t.equal(feed.connection.dropped - before, 1000 - received.length)
  t.ok(received.length < 200)
})

t.test('drop-newest: a slow client gets the oldest messages', async (t) => {
  const feed = await start(t, { outbox: { overflow: 'drop-newest', limit: 100_000 } })
  for (let n = 0; n < 1000; n++) feed.route.broadcast({ n, padding: 'x'.repeat(400) })
  const received = await rest(feed) as Array<{ n: number }>
  t.ok(received.every(({ n }, index) => n === index))
  t.ok(received.length < 200)
})

t.test('latestBy: a slow client of a feed gets the present, not the past', async (t) => {
  const feed = await start(t, { outbox: { overflow: { latestBy: (message) => (message as { symbol?: string }).symbol } } })
  for (let price = 0; price < 10_000; price++) {
    for (const symbol of ['A', 'B', 'C']) feed.route.broadcast({ symbol, price })
  }
  feed.route.broadcast({ news: true })
  const last = { symbol: 'A', price: 9_999 }
  t.strictSame(await rest(feed), [last, { ...last, symbol: 'B' }, { ...last, symbol: 'C' }, { news: true }])
  t.equal(feed.connection.dropped, 3 * 9_999)
})

t.test('answers wait in their place among what others send, and none is dropped', async (t) => {
  const feed = await start(t, { outbox: { overflow: 'drop-oldest', limit: 100_000 } })
  feed.route.broadcast({ n: 1 })
  feed.client.send('{"answer":1}')
  await until(() => feed.answers() === 1)
  for (let n = 2; n < 100; n++) feed.route.broadcast({ n, padding: 'x'.repeat(3_000) })
  const received = await rest(feed)
  t.ok(received.length < 90, `${received.length}`)
  t.strictSame(received[0], { answer: 1 }, 'all that was older was dropped, it was not')
})

t.test('a goodbye comes behind what waits', async (t) => {
  const feed = await start(t, { outbox: { overflow: 'drop-oldest' } })
  feed.route.broadcast({ n: 1 })
  feed.connection.close(4000)
  await turns(5)
  feed.client.socket.resume()
  t.equal((await feed.client.closed).code, 4000)
  t.equal(feed.client.unread.at(-1), '{"n":1}')
})

t.test('what waits for a client that is gone counts as dropped', async (t) => {
  const feed = await start(t, { outbox: { overflow: 'drop-oldest' } })
  for (let n = 0; n < 10; n++) feed.route.broadcast({ n })
  const before = feed.connection.dropped
  feed.client.socket.terminate()
  feed.connection.terminate()
  await until(() => feed.connection.dropped > before)
  t.equal(feed.connection.dropped - before, 10)
  await feed.connection.drained()
})

for (const overflow of ['close', 'drop-oldest'] as const) {
  t.test(`over the budget of the process a lagging client has no more than 64 KiB, with ${overflow}`, async (t) => {
    const app = await createApp(t, { plugin: { closeTimeout: 50, outboxBudget: 300_000, outbox: { overflow } } })
    const connections: WsConnection[] = []
    const route = app.socketRoute('/', { onOpen: (connection) => { connections.push(connection); return 'open' } })
    const url = await listen(app)
    const deaf: Socket[] = []
    for (let count = 0; count < 10; count++) {
      const socket = await tcp(url)
      socket.write(handshake('/'))
      await once(socket, 'data')
      socket.pause()
      deaf.push(socket)
    }
    const message = Buffer.alloc(20_000)
    // Ten times the 1 MiB of one outbox and the kernel's share would be more than a hundred megabytes.
    for (let count = 0; count < 800 && route.clients.size > 0; count++) {
      route.broadcast(message)
      if (count % 20 === 0) await turns(1)
    }
    const waiting = connections.reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0)
    t.ok(waiting < 10 * 65_536 + 300_000 + 10 * 70_000, `${waiting} bytes wait`)
    t.equal(route.clients.size > 0, overflow === 'drop-oldest', 'who lags is closed, or loses messages')
    for (const socket of deaf) socket.destroy()
  })
}

t.test('a policy that is none fails at registration', async (t) => {
  const app = await createApp(t)
  for (const overflow of ['drop', 5, null, {}, { latestBy: 'symbol' }, { latestBy: () => 1, other: 1 }]) {
    t.throws(() => app.socketRoute('/', { onOpen: () => {} }, { outbox: { overflow: overflow as 'close' } }), { code: 'FSR_ERR_OPTION_INVALID' }, JSON.stringify(overflow))
  }
})
