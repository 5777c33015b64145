import t, { type Test } from 'tap'
import type { Deadlines } from '../../src/connection/deadlines.js'
import type { Metered, RateOptions } from '../../src/connection/rate.js'
import { Clocks } from '../../src/controller/clocks.js'
import type { SocketController } from '../../src/index.js'
import { connect } from '../support/client.js'
import { createApp, listen } from '../support/server.js'
import { turns, until } from '../support/until.js'

// Sends all of it, in windows of the rate that end when all that may be handled in one has been answered, and no more has.
async function checkWindows (t: Test, controller: SocketController, rate: RateOptions, sent: ReadonlyArray<ReadonlyArray<string | Buffer>>): Promise<void> {
  const slowed: Metered[] = []
  const windows = { add (client: Metered) { slowed.push(client) }, delete () {} }
  t.intercept(Clocks.prototype, 'windows', { value: () => windows as unknown as Deadlines<Metered> })
  const app = await createApp(t)
  app.socketRoute('/', controller, { rate: { ...rate, per: 60_000 } })
  const client = await connect(await listen(app))
  for (const message of sent.flat()) client.send(message)
  for (const [index, window] of sent.entries()) {
    if (index > 0) {
      await until(() => slowed.length > 0)
      await turns(20)
      t.strictSame(client.unread, [], 'no more than that')
      slowed.pop()!.nextWindow()
    }
    t.strictSame(await client.take(window.length), window)
  }
  client.socket.terminate()
}

const texts = (windows: number, each: number): string[][] => Array.from({ length: windows }, (_, window) => Array.from({ length: each }, (_, index) => `${window}, ${index}`))

t.test('a client that sends too fast is slowed down: everything arrives, in order, in more windows', async (t) => {
  await checkWindows(t, { onMessage: (_connection, message) => message }, { messages: 5 }, texts(4, 5))
})

t.test('bytes are limited too, and a message larger than the limit comes in a window of its own', async (t) => {
  const sent = [[600, 400], [600], [5000]].map((lengths) => lengths.map((length) => Buffer.alloc(length)))
  await checkWindows(t, { onMessage: (_connection, message) => message }, { bytes: 1000 }, sent)
})

t.test('who goes on too fast for longer than is tolerated is closed with 4429', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onMessage: (_connection, message) => message }, { rate: { messages: 2, per: 20, tolerance: 3 } })
  const client = await connect(await listen(app))
  for (let count = 0; count < 100; count++) client.send('x')
  t.strictSame(await client.closed, { code: 4429, reason: 'too many messages' })
  // A moment in which the machine did something else counts as a pause of the client.
  t.ok(client.unread.length >= 6 && client.unread.length < 100, String(client.unread.length))
})

t.test('the close with 4429 comes at once, also if the message that is too many finds nothing waiting', async (t) => {
  const app = await createApp(t)
  let closed: undefined | number
  app.socketRoute('/', {
    onMessage: (_connection, message) => message,
    onClose: (_connection, { code }) => { closed = code }
  }, { rate: { messages: 1, per: 1_500, tolerance: 1 }, closeTimeout: 1_000_000 })
  const client = await connect(await listen(app))
  client.send('a')
  client.send('b')
  t.strictSame(await client.take(2), ['a', 'b'])
  client.send('c')
  t.strictSame(await client.closed, { code: 4429, reason: 'too many messages' })
  t.equal(closed, 4429)
})

t.test('what need not wait for its turn counts as well', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { schema: { in: { wait: {} } }, on: { wait: async () => await new Promise<undefined>(() => {}) } }, { rate: { messages: 2, per: 20, tolerance: 3 }, closeTimeout: 10 })
  const client = await connect(await listen(app))
  client.send('{"type":"wait"}')
  const sending = setInterval(() => { client.send('{"type":"cancel","id":1}') }, 1)
  t.teardown(() => { clearInterval(sending) })
  t.strictSame(await client.closed, { code: 4429, reason: 'too many messages' })
})

t.test('who slows down in time is forgiven', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onMessage: (_connection, message) => message }, { rate: { messages: 2, per: 20, tolerance: 3 } })
  const client = await connect(await listen(app))
  for (let round = 0; round < 10; round++) {
    for (const text of ['a', 'b', 'c', 'd']) client.send(text)
    t.strictSame(await client.take(4), ['a', 'b', 'c', 'd'])
    // A window without too much.
    const end = performance.now() + 45
    await until(() => performance.now() > end)
  }
})

t.test('a route takes what it does not say of its rate from the plugin', async (t) => {
  const app = await createApp(t, { plugin: { rate: { messages: 2, tolerance: 3 } } })
  app.socketRoute('/', { onMessage: (_connection, message) => message }, { rate: { per: 20 } })
  app.socketRoute('/other', { onMessage: (_connection, message) => message }, { rate: { messages: 3 } })
  const client = await connect(await listen(app))
  for (let count = 0; count < 100; count++) client.send('x')
  t.equal((await client.closed).code, 4429)
})

t.test('what a client that is gone has sent is handled without waiting', async (t) => {
  const app = await createApp(t)
  const seen: string[] = []
  const ended = new Promise<void>((resolve) => {
    app.socketRoute('/', { onMessage: (_connection, message) => { seen.push(message.text) }, onClose: () => { resolve() } }, { rate: { messages: 1, per: 200 } })
  })
  const client = await connect(await listen(app))
  for (const text of ['a', 'b', 'c']) client.send(text)
  client.socket.terminate()
  await ended
  t.ok(seen.length >= 1)
})

t.test('a rate that is none fails at registration', async (t) => {
  const app = await createApp(t)
  for (const rate of [5, null, { message: 1 }, { messages: 0 }, { per: 1.5 }, { tolerance: '3' }]) {
    t.throws(() => app.socketRoute('/', { onOpen: () => {} }, { rate: rate as object }), { code: 'FSR_ERR_OPTION_INVALID' }, JSON.stringify(rate))
  }
})

t.test('a handler that ends while its client is slowed down does not have more read', async (t) => {
  await checkWindows(t, { onMessage: async (_connection, message) => { await null; return message } }, { messages: 2, tolerance: 1_000 }, texts(5, 2))
})
