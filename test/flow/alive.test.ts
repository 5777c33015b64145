// How a client that can send no pings of WebSocket finds out whether the server is there.
import { Type } from 'typebox'
import t, { type Test } from 'tap'
import type { SocketRouteOptions } from '../../src/index.js'
import { connect } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { traffic } from '../support/traffic.js'
import { until } from '../support/until.js'

async function start (t: Test, options: SocketRouteOptions = {}) {
  const app = await createApp(t, { plugin: { heartbeat: false } })
  const said: unknown[] = []
  const running: Array<(value: undefined) => void> = []
  const route = app.socketRoute('/chat', {
    schema: { in: { say: { data: Type.Integer() }, wait: {} }, out: { news: Type.String() } },
    on: {
      say: (_connection, data) => { said.push(data) },
      wait: async () => await new Promise<undefined>((resolve) => { running.push(resolve) })
    }
  }, options)
  return { client: await connect(`${await listen(app)}/chat`), route, said, running }
}

const alive = (id: unknown) => JSON.stringify({ type: 'alive', id })

t.test('a client is told that the server is alive, with either invalidMessages', async (t) => {
  const { client } = await start(t, { invalidMessages: 'close' })
  for (const id of [0, 'a']) {
    client.send(alive(id))
    t.equal(await client.next(), JSON.stringify({ type: 'reply', id }))
  }
})

t.test('without an id there is nothing to answer', async (t) => {
  const { client } = await start(t)
  client.send('{"type":"alive"}')
  client.send(alive(1))
  t.equal(await client.next(), '{"type":"reply","id":1}')
})

t.test('the sign of life does not wait for the handler of another message', async (t) => {
  const { client, running } = await start(t)
  client.send('{"type":"wait","id":1}')
  client.send('{"type":"say","data":1}')
  client.send(alive(2))
  t.equal(await client.next(), '{"type":"reply","id":2}')
  await until(() => running.length === 1)
  running[0]!(undefined)
  t.equal(await client.next(), '{"type":"reply","id":1}')
})

t.test('a client that does not read gets no further signs of life', async (t) => {
  const { client, route, said } = await start(t, { outbox: { limit: 64 * 1024 * 1024 } })
  client.socket.pause()
  const [connection] = route.clients
  let count = 0
  // More than the kernels of both sides take.
  for (; connection!.bufferedAmount < 4 * 1024 * 1024; count++) {
    route.broadcast('news', 'x'.repeat(1024 * 1024))
  }
  client.send(alive(1))
  client.send('{"type":"say","data":1}')
  await until(() => said.length === 1)
  client.socket.resume()
  const news = await client.take(count)
  t.ok(news.every((text) => text.length > 1024 * 1024))
  client.send(alive(2))
  t.equal(await client.next(), '{"type":"reply","id":2}')
})

t.test('a client that only listens, renews and answers pings never exceeds a rate', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, {
    clock,
    plugin: { heartbeat: { interval: 2_000, timeout: 10_000 } }
  })
  const said: number[] = []
  app.socketRoute(
    '/',
    { schema: { in: { say: {} } }, on: { say: () => { said.push(clock.now()) } } },
    { isGranted: 'ROLE_USER', rate: { messages: 1, per: 10_000, tolerance: 1 } }
  )
  const client = await connect(await listen(app), ['bearer', tokenOf(app)])
  for (let round = 0; round < 6; round++) {
    await clock.advance(5_000)
    client.send(alive(0))
    t.equal(await client.next(), '{"type":"reply","id":0}')
    client.send(JSON.stringify({ type: 'renew', id: 1, data: { token: tokenOf(app) } }))
    t.equal(await client.next(), '{"type":"reply","id":1}')
  }
  client.send('{"type":"say"}')
  await until(() => said.length === 1)
  t.strictSame(said, [clock.now()], 'and it may say something at once')
})

for (const what of ['signs of life than one in five seconds', 'pongs than pings'] as const) {
  t.test(`more ${what} count in the rate`, async (t) => {
    const clock = new TestClock()
    const app = await createApp(t, { clock, plugin: { heartbeat: false } })
    app.socketRoute(
      '/',
      { schema: { in: { say: {} } }, on: { say () {} } },
      { rate: { messages: 1, tolerance: 2 } }
    )
    const client = await connect(await listen(app))
    for (let window = 0; window < 4 && client.socket.readyState === 1; window++) {
      for (let count = 0; count < 4; count++) {
        if (what === 'pongs than pings') client.socket.pong()
        else client.send(alive(0))
      }
      await traffic()
      await clock.advance(1_000)
    }
    t.equal((await clock.during(client.closed)).code, 4429)
  })
}

t.test('a message that only looks like a sign of life counts in the rate', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.socketRoute(
    '/',
    { schema: { in: { say: {} } }, on: { say () {} } },
    { rate: { messages: 1, tolerance: 100 } }
  )
  const client = await connect(await listen(app))
  const looks = [
    '{"type":"say","id":"alive"}',
    '{"type":"alive"',
    `{"type":"alive","id":7,"data":"${'x'.repeat(20_000)}"}`
  ]
  for (const text of [...looks, '{"type":"say","id":9}']) client.send(text)
  await client.next()
  await traffic()
  t.strictSame(client.unread.filter((text) => !String(text).includes('"id":7')), [])
  await clock.during(Promise.all([client.next(), client.next()]))
})
