// Samples of docs/recipes.md and docs/api.md do what the text says.
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { Type } from 'typebox'
import { JsonMessage, type SocketRouteHandle } from '../src/index.js'
import { connect } from './support/client.js'
import { runSample } from './support/sample.js'
import { createApp, listen } from './support/server.js'
import { turns, until } from './support/until.js'

t.test('a broadcast of a job reaches every route that takes any message', async (t) => {
  const app = await createApp(t)
  const contract = app.socketRoute('/chat', {
    schema: { in: { say: {} }, out: { said: Type.String() } },
    on: { say () {} }
  })
  let beat: undefined | (() => void)
  const { setInterval } = globalThis
  Object.assign(globalThis, { setInterval: (run: () => void) => { beat = run } })
  await runSample(t, 'docs/recipes.md', 'const beat = setInterval', app)
  Object.assign(globalThis, { setInterval })
  app.socketRoute('/news', { onOpen: () => 'hello' })
  const url = await listen(app)
  const [prices, news, chat] = [
    await connect(`${url}/prices`),
    await connect(`${url}/news`),
    await connect(`${url}/chat`)
  ]
  t.strictSame(await prices.json(), { type: 'hello' })
  t.equal(await news.next(), 'hello')
  await until(() => contract.clients.size === 1)
  beat!()
  t.match(await prices.json(), { type: 'time', now: Number })
  t.match(await news.json(), { type: 'time', now: Number })
  contract.broadcast('said', 'nothing came before')
  t.strictSame(await chat.json(), { type: 'said', data: 'nothing came before' })
  const { statusCode } = await app.inject({
    method: 'POST',
    url: '/prices',
    body: { symbol: 'A', price: 1 }
  })
  t.equal(statusCode, 204)
  t.strictSame(await prices.json(), { type: 'price', symbol: 'A', price: 1 })
})

t.test('a handle that is found by name sends the messages of its route', async (t) => {
  const app = await createApp(t)
  const { addChat, announce } = await runSample(
    t,
    'docs/recipes.md',
    'export type Chat',
    app
  ) as Record<'addChat' | 'announce', (app: FastifyInstance, text?: string) => unknown>
  announce(app, 'to no route, which is no error')
  t.equal(addChat(app), app.socketRoutes.get('chat'))
  app.socketRoute('/prices', { onOpen: () => 'hello' }, { name: 'prices' })
  const url = await listen(app)
  const [chat, prices] = [await connect(`${url}/chat`), await connect(`${url}/prices`)]
  t.equal(await prices.next(), 'hello')
  await until(() => app.socketRoutes.get('chat')!.clients.size === 1)
  announce(app, 'Back at ten')
  t.strictSame(await chat.json(), { type: 'said', data: { text: 'Back at ten' } })
  t.strictSame(await prices.json(), { type: 'news', text: 'Back at ten' })
})

t.test('latestBy of the sample is given the value of every message', async (t) => {
  const app = await createApp(t)
  await runSample(t, 'docs/api.md', 'overflow: { latestBy: (message: {', app)
  const quotes = app.socketRoutes.get<SocketRouteHandle>('/quotes')!
  const client = await connect(`${await listen(app)}/quotes`)
  t.strictSame(await client.json(), { type: 'hello' })
  await until(() => quotes.clients.size === 1)
  const [connection] = quotes.clients
  client.socket.pause()
  while (connection!.send(Buffer.alloc(50_000)));
  quotes.broadcast({ symbol: 'A', price: 1 })
  quotes.broadcast(new JsonMessage({ symbol: 'A', price: 2 }))
  await turns(2)
  t.equal(connection!.dropped, 1)
  client.socket.resume()
  let last = await client.next()
  while (typeof last !== 'string') last = await client.next()
  t.strictSame(JSON.parse(last), { symbol: 'A', price: 2 })
})

for (const part of ["injectWS('/hello'", "app.socketRoute('/echo'"]) {
  t.test(`the sample of a test with ${part} passes`, async (t) => {
    await runSample(t, 'docs/recipes.md', part, await createApp(t))
  })
}
