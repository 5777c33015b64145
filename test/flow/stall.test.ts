// Data that arrived in time counts, also if the event loop was blocked: timers run before sockets
// are read.
import t, { type Test } from 'tap'
import type { SocketPluginOptions } from '../../src/index.js'
import { connect, connectAs, type Client } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { tls } from '../support/tls.js'
import { until } from '../support/until.js'

const HOUR = 3_600_000

async function start (t: Test, plugin: SocketPluginOptions = {}, fastify: object = {}) {
  const clock = new TestClock()
  const lines: string[] = []
  const app = await createApp(t, {
    clock,
    plugin,
    fastify: {
      logger: { level: 'info', stream: { write: (line) => { lines.push(line) } } },
      ...fastify
    }
  })
  // Something comes while the event loop is held up for so long.
  const heldUp = async (milliseconds: number, comes: () => void) => {
    clock.after(1, comes)
    clock.stall(milliseconds)
    await clock.advance(0)
  }
  return { clock, app, lines, heldUp }
}

// Something that the handlers of an app wait for, such as the answer of a database.
function answer () {
  let come = () => {}
  const promise = new Promise<void>((resolve) => { come = resolve })
  // It is read from a socket.
  return { promise, come: () => { setImmediate(come) } }
}

for (const [name, fastify] of Object.entries({ TCP: {}, TLS: { https: tls } })) {
  t.test(`a client whose pong has arrived, but was not read yet, stays: ${name}`, async (t) => {
    for (const milliseconds of [500, 700, HOUR]) {
      const { clock, app, heldUp } = await start(
        t,
        { heartbeat: { interval: 1_000, timeout: 500 } },
        fastify
      )
      const closed: unknown[] = []
      app.socketRoute('/:name', {
        onOpen: () => 'open',
        onClose: (connection) => { closed.push(Object(connection.params).name) }
      })
      const url = await listen(app)
      const clients: Client[] = []
      for (const name of ['alive', 'silent']) {
        clients.push(
          await connect(`${url}/${name}`, [], { autoPong: false, rejectUnauthorized: false })
        )
      }
      let pings = 0
      for (const { socket } of clients) socket.on('ping', () => { pings++ })
      await clock.advance(1_000)
      t.equal(pings, 2)
      await heldUp(milliseconds, () => { clients[0]!.socket.pong() })
      clients[0]!.socket.on('ping', () => { clients[0]!.socket.pong() })
      await clock.advance(3_000)
      t.strictSame(closed, ['silent'], `held up for ${milliseconds} ms`)
    }
  })
}

t.test('a token that has come as the first message counts', async (t) => {
  const { app, heldUp } = await start(t)
  app.socketRoute('/', { onOpen: () => 'in' }, { isGranted: 'ROLE_USER', tokenFrom: ['message'] })
  const client = await connect(await listen(app))
  await heldUp(HOUR, () => { client.send(tokenOf(app)) })
  t.equal(await client.next(), 'in')
})

t.test('an upgrade whose hook has its result goes on', async (t) => {
  const { app, heldUp } = await start(t)
  const { promise, come } = answer()
  let isWaiting = false
  app.socketRoute('/', { onOpen: () => 'in' }, {
    preHandler: async () => { isWaiting = true; await promise }
  })
  const connecting = connect(await listen(app))
  await until(() => isWaiting)
  await heldUp(HOUR, come)
  t.equal(await (await connecting).next(), 'in')
})

t.test('a handler that has what it waits for ends before onClose', async (t) => {
  const { app, heldUp, lines } = await start(t)
  const { promise, come } = answer()
  const seen: string[] = []
  const route = app.socketRoute('/', {
    onMessage: async () => { seen.push('onMessage'); await promise; seen.push('its end') },
    onClose: () => { seen.push('onClose') }
  })
  const client = await connect(await listen(app))
  client.send('x')
  await until(() => seen.length === 1)
  await client.close()
  await until(() => route.clients.size === 0)
  await heldUp(HOUR, come)
  await until(() => seen.includes('onClose'))
  t.strictSame(seen, ['onMessage', 'its end', 'onClose'])
  t.notOk(lines.some((line) => line.includes('did not end in time')))
})

t.test('clients that answer while the app closes are not cut', async (t) => {
  const { app, heldUp, lines } = await start(t)
  const { promise, come } = answer()
  const route = app.socketRoute('/', {
    onOpen: () => 'open',
    onClose: async () => { await promise; return 'goodbye' }
  })
  const client = await connect(await listen(app))
  const closing = app.close()
  await until(() => route.clients.size === 0)
  await heldUp(HOUR, come)
  await closing
  t.strictSame(await client.take(2), ['open', 'goodbye'])
  t.equal((await client.closed).code, 1012)
  t.notOk(lines.some((line) => line.includes('in time')))
})

t.test('the answer to a request counts', async (t) => {
  const { app, heldUp } = await start(t)
  const replies: unknown[] = []
  app.socketRoute('/', {
    schema: { out: { ask: { reply: { type: 'string' } } } },
    on: {},
    onOpen: (connection) => {
      connection.request('ask').then(
        (reply) => { replies.push(reply) },
        (error: Error) => { replies.push(error) }
      )
    }
  })
  const client = await connect(await listen(app))
  const { id } = await client.json() as { id: number }
  await heldUp(HOUR, () => { client.send(JSON.stringify({ type: 'reply', id, data: 'yes' })) })
  await until(() => replies.length > 0)
  t.strictSame(replies, ['yes'])
})

t.test('a token that is renewed in time counts', async (t) => {
  const { clock, app, heldUp } = await start(t)
  app.socketRoute(
    '/',
    {
      onMessage: async (connection, message) => {
        await connection.renew(message.text)
        return 'renewed'
      }
    },
    'ROLE_USER'
  )
  const until = (seconds: number) => tokenOf(app, undefined, {
    exp: Math.floor(clock.unixNow() / 1_000) + seconds
  })
  const client = await connectAs(until(1_000), await listen(app))
  await clock.advance(998_500)
  await heldUp(60_000, () => { client.send(until(10_000)) })
  t.equal(await client.next(), 'renewed')
  await clock.advance(3_000)
  t.equal(client.socket.readyState, 1)
})

t.test('messages that were sent at the allowed rate are no breach of it', async (t) => {
  const { app, heldUp } = await start(t, { rate: { messages: 20, per: 1_000, tolerance: 1 } })
  app.socketRoute('/', { onMessage: (_connection, message) => message })
  const client = await connect(await listen(app))
  client.send('first')
  t.equal(await client.next(), 'first')
  await heldUp(11_000, () => { for (let count = 0; count < 200; count++) client.send(`${count}`) })
  t.equal((await client.take(200)).at(-1), '199', 'none waits for another window')
})
