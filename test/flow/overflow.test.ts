import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Type } from 'typebox'
import type { FastifyInstance } from 'fastify'
import {
  BinaryMessage,
  JsonMessage,
  TextMessage,
  type Message,
  type SocketPluginOptions,
  type SocketRouteHandle,
  type WsConnection
} from '../../src/index.js'
import { connect, handshake, tcp, type Client } from '../support/client.js'
import { createApp, listen } from '../support/server.js'
import { turns, until } from '../support/until.js'

interface Feed {
  app: FastifyInstance
  route: SocketRouteHandle
  client: Client
  connection: WsConnection
  answers: () => number
}

// A feed with one client that has stopped to read, behind full buffers of the kernel.
async function start (t: Test, plugin: SocketPluginOptions): Promise<Feed> {
  const app = await createApp(t, { plugin })
  let connection: undefined | WsConnection
  let answers = 0
  const route = app.socketRoute('/', {
    onOpen: (opened) => { connection = opened },
    onMessage: (_connection, message) => { answers++; return message }
  })
  const client = await connect(await listen(app))
  await until(() => connection !== undefined)
  client.socket.pause()
  while (connection!.send(Buffer.alloc(50_000)));
  return { app, route, client, connection: connection!, answers: () => answers }
}

// Returns the messages after the filling, until the last one.
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

t.test('drop-oldest: a slow client gets the newest messages in order', async (t) => {
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
  const feed = await start(t, {
    outbox: { overflow: { latestBy: (message: { symbol?: string }) => message.symbol } }
  })
  for (let price = 0; price < 10_000; price++) {
    for (const symbol of ['A', 'B', 'C']) {
      feed.route.broadcast(price % 2 ? { symbol, price } : new JsonMessage({ symbol, price }))
    }
  }
  feed.route.broadcast({ news: true })
  const last = { symbol: 'A', price: 9_999 }
  t.strictSame(await rest(feed), [
    last,
    { ...last, symbol: 'B' },
    { ...last, symbol: 'C' },
    { news: true }
  ])
  t.equal(feed.connection.dropped, 3 * 9_999)
})

t.test('latestBy gets the value of a message of a class, on every way of sending', async (t) => {
  for (const hooks of [{}, { preSend: (_sent: unknown, data: unknown) => data }]) {
    const asked: unknown[] = []
    const app = await createApp(t)
    const route = app.socketRoute('/', {
      onOpen: async (connection) => { await connection.join('room') },
      onMessage (_connection, message) { route.broadcast(message) }
    }, {
      ...hooks,
      outbox: { overflow: { latestBy: (message) => { asked.push(message); return undefined } } }
    })
    const client = await connect(await listen(app))
    await until(() => route.clients.size === 1)
    const [connection] = route.clients
    await until(() => connection!.rooms.size === 1)
    const bytes = Buffer.from([1, 2])
    route.broadcast(new JsonMessage({ symbol: 'A' }))
    route.to('room').send(new JsonMessage('text'))
    connection!.send(new JsonMessage(null))
    connection!.send(new TextMessage('text'))
    connection!.send(new BinaryMessage(bytes))
    connection!.send({ symbol: 'B' })
    t.strictSame(
      (await client.take(6)).map(String),
      ['{"symbol":"A"}', '"text"', 'null', 'text', '\x01\x02', '{"symbol":"B"}']
    )
    t.strictSame(asked, [{ symbol: 'A' }, 'text', null, 'text', bytes, { symbol: 'B' }])
    client.send('{"symbol":"C"}')
    await client.next()
    t.strictSame((asked.at(-1) as Message).json(), { symbol: 'C' }, 'a relayed message as it is')
  }
})

t.test('latestBy: a slow client gets the newest value of every key, or 1013', async (t) => {
  const latestBy = (message: unknown) => (message as { symbol?: string }).symbol
  const limit = 65_536
  for (const keys of [50, 500]) {
    const feed = await start(t, { outbox: { limit, overflow: { latestBy } } })
    for (let price = 0; price < 20; price++) {
      for (let key = 0; key < keys; key++) feed.route.broadcast({ symbol: `S${key}`, price })
    }
    if (keys === 500) {
      feed.client.socket.resume()
      t.equal((await feed.client.closed).code, 1013, 'the newest of so many do not fit')
    } else {
      t.strictSame(
        await rest(feed),
        Array.from({ length: keys }, (_, key) => ({ symbol: `S${key}`, price: 19 }))
      )
    }
  }
})

t.test('latestBy is called once for each message; its errors are harmless', async (t) => {
  const asked: unknown[] = []
  const latestBy = (message: unknown) => {
    const { key, n } = message as { key?: string, n?: number }
    if (n !== undefined) asked.push(n)
    if (key === 'throws') throw new Error('no')
    return key === 'rejects' ? Promise.reject(new Error('no')) : key
  }
  const feed = await start(t, { outbox: { overflow: { latestBy } } })
  const message = { key: 'a', n: 0 }
  feed.route.broadcast(message)
  message.key = 'b'
  await turns(5)
  feed.route.broadcast({ key: 'a', n: 1 })
  for (const [index, key] of ['throws', 'throws', 'rejects', 'rejects'].entries()) {
    feed.route.broadcast({ key, n: 2 + index })
  }
  t.strictSame((await rest(feed)).map((message) => (message as { n: number }).n), [1, 2, 3, 4, 5])
  t.strictSame(asked, [0, 1, 2, 3, 4, 5])
})

t.test('latestBy is given the type and the data of a message of a contract', async (t) => {
  const app = await createApp(t, {
    plugin: {
      outbox: {
        overflow: { latestBy: (message) => (message as { data: { symbol?: string } }).data.symbol }
      }
    }
  })
  let connection: undefined | { send (type: 'fill', data: string): boolean }
  const route = app.socketRoute('/', {
    schema: {
      in: {},
      out: {
        fill: Type.String(),
        price: Type.Object({ symbol: Type.String(), price: Type.Integer() })
      }
    },
    on: {},
    onOpen (opened) { connection = opened }
  })
  const client = await connect(await listen(app))
  await until(() => connection !== undefined)
  client.socket.pause()
  while (connection!.send('fill', 'x'.repeat(50_000)));
  for (let price = 0; price < 1_000; price++) {
    for (const symbol of ['A', 'B']) route.broadcast('price', { symbol, price })
  }
  route.broadcast('fill', 'the end')
  client.socket.resume()
  const received: string[] = []
  while (received.at(-1) !== '{"type":"fill","data":"the end"}') {
    received.push(String(await client.next()))
  }
  t.strictSame(
    received.filter((text) => text.includes('price')),
    ['A', 'B'].map((symbol) => JSON.stringify({ type: 'price', data: { symbol, price: 999 } }))
  )
})

t.test('latestBy goes with hooks, and requests have no key', async (t) => {
  const asked: unknown[] = []
  const app = await createApp(t)
  const route = app.socketRoute('/', {
    schema: { in: {}, out: { price: Type.Integer(), sure: { reply: Type.Boolean() } } },
    on: {}
  }, {
    preSend: (_sent, data) => data,
    outbox: {
      overflow: {
        latestBy: (message) => { asked.push((message as { type: string }).type); return 1 }
      }
    }
  })
  const client = await connect(await listen(app))
  await until(() => route.clients.size === 1)
  const [connection] = route.clients
  route.broadcast('price', 1)
  const sure = connection!.request('sure')
  t.same(await client.json(), { type: 'price', data: 1 })
  client.send(JSON.stringify({
    type: 'reply',
    id: (await client.json() as { id: number }).id,
    data: true
  }))
  t.equal(await sure, true)
  t.strictSame(asked, ['price'])
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

for (const overflow of ['drop-oldest', 'drop-newest'] as const) {
  t.test(`${overflow} closes no client, also if its own replies exceed the limit`, async (t) => {
    const feed = await start(t, { concurrency: 10, outbox: { overflow, limit: 100_000 } })
    feed.route.broadcast({ n: 1 })
    for (let n = 0; n < 4; n++) feed.client.send(`{"answer":"${'x'.repeat(60_000)}"}`)
    await until(() => feed.answers() === 4)
    for (let n = 2; n < 100; n++) feed.route.broadcast({ n })
    const received = await rest(feed)
    t.equal(received.filter((message) => 'answer' in (message as object)).length, 4)
  })
}

t.test('a goodbye comes behind what waits', async (t) => {
  const feed = await start(t, { outbox: { overflow: 'drop-oldest' } })
  feed.route.broadcast({ n: 1 })
  feed.connection.close(4000)
  await turns(5)
  feed.client.socket.resume()
  t.equal((await feed.client.closed).code, 4000)
  t.equal(feed.client.unread.at(-1), '{"n":1}')
})

t.test('messages that wait for a client that has left count as dropped', async (t) => {
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
  t.test(`over the budget a slow client has at most 64 KiB, with ${overflow}`, async (t) => {
    const app = await createApp(t, { plugin: { outboxBudget: 300_000, outbox: { overflow } } })
    const connections: WsConnection[] = []
    const route = app.socketRoute('/', {
      onOpen: (connection) => { connections.push(connection); return 'open' }
    })
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
    // Ten times the 1 MiB of one outbox and the kernel's share would be more than a hundred
    // megabytes.
    for (let count = 0; count < 800 && route.clients.size > 0; count++) {
      route.broadcast(message)
      if (count % 20 === 0) await turns(1)
    }
    const waiting = connections.reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0)
    t.ok(waiting < 10 * 65_536 + 300_000 + 10 * 70_000, `${waiting} bytes wait`)
    t.equal(
      route.clients.size > 0,
      overflow === 'drop-oldest',
      'who lags is closed, or loses messages'
    )
    for (const socket of deaf) socket.destroy()
  })
}

t.test('a policy that is none fails at registration', async (t) => {
  const app = await createApp(t)
  for (const overflow of [
    'drop',
    5,
    null,
    {},
    { latestBy: 'symbol' },
    { latestBy: () => 1, other: 1 }
  ]) {
    t.throws(
      () => app.socketRoute('/', { onOpen: () => {} }, {
        outbox: { overflow: overflow as 'close' }
      }),
      { code: 'FSR_ERR_OPTION_INVALID' },
      JSON.stringify(overflow)
    )
  }
})

// Sends so much to a client that does not read that some is dropped, lets it read again, and
// answers what it got.
async function overwhelm (feed: Feed, count = 1_000): Promise<unknown[]> {
  feed.client.socket.pause()
  while (feed.connection.send(Buffer.alloc(50_000)));
  for (let n = 0; n < count; n++) feed.route.broadcast({ n, key: 'k', padding: 'x'.repeat(400) })
  return await rest(feed)
}

for (const overflow of [
  'drop-oldest',
  'drop-newest',
  { latestBy: (message: unknown) => (message as { key?: string }).key }
] as const) {
  const policy = typeof overflow === 'string' ? overflow : 'latestBy'
  t.test(`a client that has caught up gets one notice, with ${policy}`, async (t) => {
    const feed = await start(t, {
      outbox: { overflow, limit: 100_000, notice: (dropped) => ({ missed: dropped }) }
    })
    let told = 0
    for (let round = 0; round < 2; round++) {
      const received = await overwhelm(feed)
      t.ok(feed.connection.dropped > told)
      t.strictSame(received.filter((message) => 'missed' in (message as object)), [{
        missed: feed.connection.dropped - told
      }])
      t.strictSame(
        received.at(-1),
        { missed: feed.connection.dropped - told },
        'behind all that waited'
      )
      told = feed.connection.dropped
    }
    t.notOk(
      (await overwhelm(feed, 1)).some((message) => 'missed' in (message as object)),
      'not where nothing was dropped'
    )
  })
}

t.test('the notice of a scope holds for its routes, a route may have its own', async (t) => {
  const app = await createApp(t, {
    plugin: { outbox: { overflow: 'drop-oldest', limit: 1_000, notice: () => 'of the plugin' } }
  })
  const connections: WsConnection[] = []
  const controller = { onOpen: (connection: WsConnection) => { connections.push(connection) } }
  app.socketRoute('/outer', controller)
  app.socketRoute('/inner', controller, { outbox: { notice: () => 'of the route' } })
  const url = await listen(app)
  for (const [path, notice] of [['/outer', 'of the plugin'], ['/inner', 'of the route']] as const) {
    const client = await connect(`${url}${path}`)
    await until(() => app.socketRoutes.get(path)!.clients.size === 1)
    client.socket.pause()
    const connection = connections.pop()!
    while (connection.dropped === 0) connection.send(Buffer.alloc(50_000))
    client.socket.resume()
    let message = await client.next()
    while (typeof message !== 'string') message = await client.next()
    t.equal(message, notice)
  }
})

t.test('the notice of a route with a contract is one of its messages', async (t) => {
  const app = await createApp(t)
  let connection: undefined | { dropped: number, send (type: 'fill', data: string): boolean }
  app.socketRoute('/', {
    schema: { in: {}, out: { fill: Type.String(), missed: Type.Integer() } },
    on: {},
    onOpen (opened) { connection = opened }
  }, {
    outbox: {
      overflow: { latestBy: ({ type }) => type === 'fill' ? 'fill' : undefined },
      notice: (dropped) => ({ type: 'missed', data: dropped })
    }
  })
  const client = await connect(await listen(app))
  await until(() => connection !== undefined)
  client.socket.pause()
  while (connection!.dropped === 0) connection!.send('fill', 'x'.repeat(50_000))
  client.socket.resume()
  let message = String(await client.next())
  while (message.startsWith('{"type":"fill"')) message = String(await client.next())
  t.equal(message, JSON.stringify({ type: 'missed', data: connection!.dropped }))
})

t.test('a notice that fails or cannot be sent is logged and harmless', async (t) => {
  const lines: Array<{ msg: string, level: number, err?: { code?: string, message: string } }> = []
  const app = await createApp(t, {
    fastify: {
      logger: { level: 'warn', stream: { write: (line) => { lines.push(JSON.parse(line)) } } }
    }
  })
  const notices = [
    () => { throw new Error('thrown') },
    async () => { throw new Error('rejected') },
    () => 5,
    () => {}
  ] as unknown as Array<() => object>
  for (const [index, notice] of notices.entries()) {
    app.socketRoute(
      `/${index}`,
      { onMessage: (_connection, message) => message },
      { outbox: { overflow: 'drop-newest', limit: 1_000, notice } }
    )
  }
  const url = await listen(app)
  for (const [index] of notices.entries()) {
    const client = await connect(`${url}/${index}`)
    const route = app.socketRoutes.get<SocketRouteHandle>(`/${index}`)!
    await until(() => route.clients.size === 1)
    const [connection] = route.clients
    client.socket.pause()
    while (connection!.dropped === 0) connection!.send(Buffer.alloc(50_000))
    client.socket.resume()
    await until(() => lines.length > index)
    client.send('still here')
    let message = await client.next()
    while (typeof message !== 'string') message = await client.next()
    t.equal(message, 'still here')
  }
  t.ok(lines.every(({ msg }) => msg.startsWith('outbox.notice failed')))
  t.strictSame(lines.map(({ err }) => err?.code ?? err?.message), [
    'thrown',
    ...Array(3).fill('FSR_ERR_NOT_SENDABLE')
  ])
})

t.test('a client closed for slowness gets no notice; an invalid notice is rejected', async (t) => {
  let calls = 0
  const feed = await start(t, {
    outbox: { limit: 100_000, notice: () => { calls++; return 'missed' } }
  })
  while (feed.route.clients.size > 0) feed.route.broadcast(Buffer.alloc(50_000))
  feed.client.socket.resume()
  await feed.client.closed
  t.ok(feed.connection.dropped > 0)
  t.equal(calls, 0)
  t.throws(
    () => feed.app.socketRoute('/other', { onOpen: () => {} }, {
      outbox: { notice: 'missed' as never }
    }),
    { code: 'FSR_ERR_OPTION_INVALID' }
  )
})

t.test('who is too slow for what it was sent before does not enter a room any more', async (t) => {
  const { route, client, connection } = await start(t, { outbox: { limit: 100_000 } })
  while (connection.bufferedAmount <= 100_000) connection.send(Buffer.alloc(50_000))
  route.broadcast('one too many')
  await connection.join('a')
  t.equal(route.clients.has(connection), false)
  t.equal(route.to('a').local.size, 0)
  client.socket.terminate()
})

t.test('a stream goes on where messages of others were dropped before its next item', async (t) => {
  const app = await createApp(t, {
    plugin: { outbox: { overflow: 'drop-oldest', limit: 100_000 } }
  })
  let go = (): void => {}
  const seen: string[] = []
  const route = app.socketRoute('/', {
    async * onOpen (connection) {
      try {
        yield 'first'
        await new Promise<void>((resolve) => { go = resolve })
        while (connection.send(Buffer.alloc(50_000)));
        // The last of them have not left yet when the next item does.
        for (let n = 0; n < 300; n++) route.broadcast({ n, padding: 'x'.repeat(1_000) })
        yield 'second'
        yield 'third'
        seen.push('whole')
      } finally {
        seen.push('ended')
      }
    }
  })
  const client = await connect(await listen(app))
  await client.next()
  client.socket.pause()
  go()
  await turns(5)
  client.socket.resume()
  await until(() => seen.includes('ended'))
  t.strictSame(seen, ['whole', 'ended'])
  let last = await client.next()
  while (last !== 'third') last = await client.next()
})
