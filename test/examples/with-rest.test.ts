import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { createApp } from '../../examples/with-rest/app.js'
import { connect } from '../support/client.js'
import { startExample } from '../support/example.js'
import { listen } from '../support/server.js'

async function start (t: Test): Promise<{ app: FastifyInstance, url: string }> {
  const app = await createApp()
  t.teardown(() => app.close())
  return { app, url: await listen(app) }
}

async function post (url: string, body: object): Promise<{ status: number, body: unknown }> {
  const response = await fetch(url.replace('ws', 'http'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body)
  })
  return { status: response.status, body: await response.json() }
}

t.test('a REST route and a socket share a path', async (t) => {
  const { url } = await start(t)
  await post(`${url}/news`, { text: 'first' })

  const response = await fetch(`${url.replace('ws', 'http')}/news`)
  t.equal(response.status, 200)
  t.same(await response.json(), [{ text: 'first' }])

  const client = await connect(`${url}/news`)
  t.same(await client.json(), [{ text: 'first' }])
  await client.close()
})

t.test('a posted message reaches every socket', async (t) => {
  const { url } = await start(t)
  const clients = [await connect(`${url}/news`), await connect(`${url}/news/`)]
  for (const client of clients) t.same(await client.json(), [])

  t.same(await post(`${url}/news`, { text: 'hi' }), { status: 201, body: { reached: 2 } })
  for (const client of clients) t.same(await client.json(), { text: 'hi' })

  t.same(
    await post(`${url}/alarm`, { text: 'fire' }),
    { status: 200, body: { reached: 2 } },
    'also by the name of the route'
  )
  for (const client of clients) t.same(await client.json(), { alarm: 'fire' })

  t.match(await post(`${url}/news`, { text: 1, more: 2 }), { status: 201 })
  for (const client of clients) t.same(await client.json(), { text: '1' }, 'as the schema made it')
  for (const client of clients) await client.close()
})

t.test('the news that are kept are not ever more', async (t) => {
  const { app } = await start(t)
  for (let n = 1; n <= 101; n++) {
    await app.inject({ method: 'POST', url: '/news', payload: { text: String(n) } })
  }
  const kept = (await app.inject('/news')).json<unknown[]>()
  t.equal(kept.length, 100)
  t.same(kept[0], { text: '2' })
})

t.test('a route of @fastify/websocket works as before', async (t) => {
  const { url } = await start(t)
  const client = await connect(`${url}/echo`)
  const reader = await connect(`${url}/news`)
  t.same(await reader.json(), [])

  client.send('text')
  client.send(Buffer.from([1, 2, 3]))
  t.same(await client.take(2), ['text', Buffer.from([1, 2, 3])])

  await post(`${url}/news`, { text: 'hi' })
  t.same(await reader.json(), { text: 'hi' })
  client.send('still here')
  t.equal(await client.next(), 'still here', 'and gets nothing that is not meant for it')
  await client.close()
  await reader.close()
})

t.test('the OpenAPI document lists the REST routes, and no socket', async (t) => {
  const { app } = await start(t)
  const { paths } = (await app.inject('/openapi.json')).json<{ paths: Record<string, object> }>()
  const listed = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map(
    (method) => `${method} ${path}`
  ))
  t.same(listed.sort(), ['get /news', 'post /alarm', 'post /news'])
})

t.test('it runs', async (t) => {
  const example = await startExample(t, 'with-rest')
  const url = example.url.replace('http', 'ws')
  const client = await connect(`${url}/news`)
  t.same(await client.json(), [])
  t.same(await post(`${url}/news`, { text: 'hi' }), { status: 201, body: { reached: 1 } })
  t.same(await client.json(), { text: 'hi' })
  t.equal(await example.stop(), 0, 'and stops on SIGTERM')
  t.strictSame(await client.closed, { code: 1012, reason: 'service restart' })
})
