import t from 'tap'
import { connect } from '../support/client.js'
import { createApp, listen } from '../support/server.js'
import { until } from '../support/until.js'

t.test('a client that sends too fast is slowed down: everything arrives, in order, in more windows', async (t) => {
  const app = await createApp(t)
  const times: number[] = []
  app.socketRoute('/', { onMessage: (_connection, message) => { times.push(performance.now()); return message } }, { rate: { messages: 5, per: 40 } })
  const client = await connect(await listen(app))
  const sent = Array.from({ length: 20 }, (_item, index) => `${index}`)
  for (const text of sent) client.send(text)
  t.strictSame(await client.take(20), sent)
  t.ok(times[19]! - times[0]! >= 119, 'three windows lie between the first and the last')
})

t.test('bytes are limited too, and a message larger than the limit comes in a window of its own', async (t) => {
  const app = await createApp(t)
  const times: number[] = []
  app.socketRoute('/', { onMessage: (_connection, message) => { times.push(performance.now()); return String(message.bytes.length) } }, { rate: { bytes: 1000, per: 40 } })
  const client = await connect(await listen(app))
  for (const length of [600, 400, 600, 5000]) client.send(Buffer.alloc(length))
  t.strictSame(await client.take(4), ['600', '400', '600', '5000'])
  t.ok(times[2]! - times[0]! >= 39)
  t.ok(times[3]! - times[0]! >= 79)
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
  const app = await createApp(t)
  const times: number[] = []
  app.socketRoute('/', {
    onMessage: async (_connection, message) => {
      times.push(performance.now())
      await null
      return message
    }
  }, { rate: { messages: 2, per: 40, tolerance: 1_000 } })
  const client = await connect(await listen(app))
  const sent = Array.from({ length: 10 }, (_item, index) => `${index}`)
  for (const text of sent) client.send(text)
  t.strictSame(await client.take(10), sent)
  t.ok(times[9]! - times[0]! >= 159, 'four windows lie between the first and the last')
  client.socket.terminate()
})
