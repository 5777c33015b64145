// How a client that can send no pings of WebSocket finds out whether the server is there.
import { Type } from 'typebox'
import t, { type Test } from 'tap'
import type { SocketRouteOptions } from '../../src/index.js'
import { connect } from '../support/client.js'
import { createApp, listen } from '../support/server.js'
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

t.test('a sign of life is given to a client that asks, also where wrong messages close the connection', async (t) => {
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

t.test('a client that does not read gets no signs of life on top of what waits for it', async (t) => {
  const { client, route, said } = await start(t, { outbox: { limit: 64 * 1024 * 1024 } })
  client.socket.pause()
  const [connection] = route.clients
  let count = 0
  // More than the kernels of both sides take.
  for (; connection!.bufferedAmount < 4 * 1024 * 1024; count++) route.broadcast('news', 'x'.repeat(1024 * 1024))
  client.send(alive(1))
  client.send('{"type":"say","data":1}')
  await until(() => said.length === 1)
  client.socket.resume()
  const news = await client.take(count)
  t.ok(news.every((text) => text.length > 1024 * 1024))
  client.send(alive(2))
  t.equal(await client.next(), '{"type":"reply","id":2}')
})
