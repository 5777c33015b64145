import t, { type Test } from 'tap'
import type { RateOptions } from '../../src/connection/rate.js'
import type { SocketController } from '../../src/index.js'
import { connect } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen } from '../support/server.js'
import { traffic } from '../support/traffic.js'
import { until } from '../support/until.js'

// Sends all of it, and gets the answers window by window.
async function checkWindows (
  t: Test,
  controller: SocketController,
  rate: RateOptions,
  sent: ReadonlyArray<ReadonlyArray<string | Buffer>>
): Promise<void> {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.socketRoute('/', controller, { rate: { ...rate, per: 1_000 } })
  const client = await connect(await listen(app))
  for (const message of sent.flat()) client.send(message)
  for (const window of sent) {
    t.strictSame(await client.take(window.length), window)
    await traffic()
    t.strictSame(client.unread, [], 'no more than that')
    await clock.advance(1_000)
  }
  client.socket.terminate()
}

const texts = (windows: number, each: number): string[][] => Array.from(
  { length: windows },
  (_, window) => Array.from({ length: each }, (_, index) => `${window}, ${index}`)
)

t.test('a client that sends too fast is slowed down: everything arrives in order', async (t) => {
  await checkWindows(
    t,
    { onMessage: (_connection, message) => message },
    { messages: 5 },
    texts(4, 5)
  )
})

t.test('bytes are limited too; a message above the limit has a window of its own', async (t) => {
  const sent = [[600, 400], [600], [5000]].map((lengths) => lengths.map((length) => Buffer.alloc(
    length
  )))
  await checkWindows(t, { onMessage: (_connection, message) => message }, { bytes: 1000 }, sent)
})

t.test('the bytes of a message in fragments count once, when it is complete', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.socketRoute(
    '/',
    { onMessage: (_connection, message) => message },
    { rate: { bytes: 1_000, tolerance: 2 } }
  )
  const client = await connect(await listen(app))
  for (let window = 0; window < 5; window++) {
    for (const fin of [false, false, true]) client.socket.send(Buffer.alloc(700), { fin })
    t.equal((await client.next()).length, 2_100, 'in a window of its own')
    await clock.advance(1_000)
  }
  t.equal(client.socket.readyState, 1)
})

t.test('who goes on too fast for longer than is tolerated is closed with 4429', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.socketRoute(
    '/',
    { onMessage: (_connection, message) => message },
    { rate: { messages: 2, tolerance: 3 } }
  )
  const client = await connect(await listen(app))
  for (let count = 0; count < 100; count++) client.send('x')
  await client.take(2)
  for (let window = 0; window < 3; window++) {
    t.equal(client.socket.readyState, 1)
    await clock.advance(1_000)
  }
  t.strictSame(await clock.during(client.closed), { code: 4429, reason: 'too many messages' })
  t.equal(client.unread.length, 6)
})

t.test('the close with 4429 comes at once, also if no message waits', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  let closed: undefined | number
  app.socketRoute('/', {
    onMessage: (_connection, message) => message,
    onClose: (_connection, { code }) => { closed = code }
  }, { rate: { messages: 1, tolerance: 1 } })
  const client = await connect(await listen(app))
  client.send('a')
  client.send('b')
  t.equal(await client.next(), 'a')
  await traffic()
  await clock.advance(1_000)
  t.equal(await client.next(), 'b')
  client.send('c')
  t.strictSame(await clock.during(client.closed), { code: 4429, reason: 'too many messages' })
  t.equal(closed, 4429)
})

t.test('messages that need not wait for their turn count as well', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  let closed: undefined | number
  app.socketRoute('/', {
    schema: { in: { wait: {} } },
    on: { wait: async () => await new Promise<undefined>(() => {}) },
    onClose: (_connection, { code }) => { closed = code }
  }, { rate: { messages: 2, tolerance: 3 } })
  const client = await connect(await listen(app))
  client.send('{"type":"wait"}')
  for (let window = 0; window < 5; window++) {
    for (let count = 0; count < 5; count++) client.send('{"type":"cancel","id":1}')
    await traffic()
    await clock.advance(1_000)
  }
  await clock.during(client.closed)
  t.equal(closed, 4429)
})

t.test('who slows down in time is forgiven', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.socketRoute(
    '/',
    { onMessage: (_connection, message) => message },
    { rate: { messages: 2, tolerance: 3 } }
  )
  const client = await connect(await listen(app))
  for (let round = 0; round < 5; round++) {
    for (const text of ['a', 'b', 'c', 'd']) client.send(text)
    t.strictSame(await client.take(2), ['a', 'b'])
    await traffic()
    await clock.advance(1_000)
    t.strictSame(await client.take(2), ['c', 'd'])
    // A window without too much.
    await clock.advance(2_000)
  }
})

t.test('a route takes what it does not say of its rate from the plugin', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { rate: { messages: 2, tolerance: 3 } } })
  app.socketRoute('/', { onMessage: (_connection, message) => message }, { rate: { per: 500 } })
  app.socketRoute(
    '/other',
    { onMessage: (_connection, message) => message },
    { rate: { messages: 3 } }
  )
  const client = await connect(await listen(app))
  for (let count = 0; count < 100; count++) client.send('x')
  await client.take(2)
  await traffic()
  await clock.advance(1_500)
  t.equal((await clock.during(client.closed)).code, 4429)
})

t.test('messages of a client that has left are handled without waiting', async (t) => {
  const app = await createApp(t, { clock: new TestClock() })
  const seen: string[] = []
  const ended = new Promise<void>((resolve) => {
    app.socketRoute(
      '/',
      {
        onMessage: (_connection, message) => { seen.push(message.text) },
        onClose: () => { resolve() }
      },
      { rate: { messages: 1 } }
    )
  })
  const client = await connect(await listen(app))
  for (const text of ['a', 'b', 'c']) client.send(text)
  await until(() => seen.length === 1)
  await traffic()
  client.socket.terminate()
  await ended
  t.strictSame(seen, ['a', 'b', 'c'])
})

t.test('a rate that is none fails at registration', async (t) => {
  const app = await createApp(t)
  for (const rate of [5, null, { message: 1 }, { messages: 0 }, { per: 1.5 }, { tolerance: '3' }]) {
    t.throws(
      () => app.socketRoute('/', { onOpen: () => {} }, { rate: rate as object }),
      { code: 'FSR_ERR_OPTION_INVALID' },
      JSON.stringify(rate)
    )
  }
})

t.test('a handler that ends while its client is slowed down does not have more read', async (t) => {
  await checkWindows(
    t,
    { onMessage: async (_connection, message) => { await null; return message } },
    { messages: 2, tolerance: 1_000 },
    texts(5, 2)
  )
})

t.test('nothing of a rate is kept when its clients have left', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  const { clients } = app.socketRoute(
    '/',
    { onMessage: (_connection, message) => message },
    { rate: { messages: 1 } }
  )
  const url = await listen(app)
  for (const isTooFast of [false, true]) {
    const client = await connect(url)
    client.send('x')
    if (isTooFast) client.send('y')
    t.equal(await client.next(), 'x')
    await traffic()
    client.socket.terminate()
  }
  await until(() => clients.size === 0)
  await clock.advance(10_000)
  t.equal(clock.timers, 0)
})

t.test('a window that ends while the event loop is held up is no longer for that', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.socketRoute(
    '/',
    { onMessage: (_connection, message) => message },
    { rate: { messages: 1, per: 1_000 } }
  )
  const client = await connect(await listen(app))
  for (const text of ['a', 'b']) client.send(text)
  t.equal(await client.next(), 'a')
  await traffic()
  clock.stall(5_000)
  await clock.advance(20)
  await traffic()
  t.strictSame(client.unread, ['b'])
})
