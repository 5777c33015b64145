import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { bundle } from '../../bench/client-size.js'
import type { SocketClient, UnknownRoute, connect } from '../../src/client/index.js'
import { browserTest, launch } from '../support/browser.js'
import { tell, WireServer } from './wire-server.js'

// The globals of the page, in which the functions below run.
declare const socketRoute: { connect: typeof connect }
declare const page: { client: SocketClient<UnknownRoute>, events: unknown[], tokens: number }

t.test('the client in a browser', browserTest, async (t) => {
  const script = await bundle({ globalName: 'socketRoute' })
  const site = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>client</title>')
  })
  await new Promise<void>((resolve) => { site.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { site.close() })
  const tab = await (await launch(t)).newPage()
  const problems: string[] = []
  tab.on('pageerror', (error) => { problems.push(String(error)) })
  await tab.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`)
  await tab.addScriptTag({ content: script })

  const start = async (port?: number) => await WireServer.start(t, { port })
  let server = await start()
  await tab.evaluate((url) => {
    const page = { tokens: 0, events: [] as unknown[] } as {
      client: SocketClient<UnknownRoute>
      events: unknown[]
      tokens: number
    }
    Object.assign(globalThis, { page })
    page.client = socketRoute.connect(url, {
      token: async () => `token-${++page.tokens}`,
      reconnect: { minDelay: 10, maxDelay: 50 }
    })
    page.client.on('message', (data) => { page.events.push(data) })
    page.client.on('ask', () => 'answer')
  }, server.url.replace('ws:', 'http:'))
  let connection = await server.accept()

  await t.test('a request is answered, and events come', async (t) => {
    const reply = tab.evaluate(async () => await page.client.request('join', { room: 'lobby' }))
    t.strictSame(await connection.json(), { type: 'join', data: { room: 'lobby' }, id: 1 })
    tell(connection, { type: 'message', data: 'hello' })
    tell(connection, { type: 'reply', id: 1, data: { members: 1 } })
    t.strictSame(await reply, { members: 1 })
    t.strictSame(await tab.evaluate(() => page.events), ['hello'])
    tell(connection, { type: 'ask', id: 'q' })
    t.strictSame(await connection.json(), { type: 'reply', id: 'q', data: 'answer' })
  })

  await t.test('a stream is iterated', async (t) => {
    const items = tab.evaluate(async () => {
      const items: unknown[] = []
      for await (const item of page.client.stream('count')) items.push(item)
      return items
    })
    t.match(await connection.json(), { type: 'count', id: 2 })
    for (const data of [1, 2]) tell(connection, { type: 'reply', id: 2, data, more: true })
    tell(connection, { type: 'reply', id: 2 })
    t.strictSame(await items, [1, 2])
  })

  await t.test('the page reconnects with a new token after a cut or a restart', async (t) => {
    connection.socket.terminate()
    connection = await server.accept()
    connection.socket.close(4401, 'token expired')
    connection = await server.accept()
    t.strictSame(server.offered, [1, 2, 3].map((count) => ['bearer', `token-${count}`]))
    const pending = tab.evaluate(async () => await page.client.request('pay').catch(
      (error: { code: string }) => error.code
    ))
    await connection.next()
    await server.stop()
    t.equal(await pending, 'FSR_CLIENT_DISCONNECTED')
    await tab.evaluate(() => { page.client.send('say', 'written meanwhile') })
    server = await start(server.port)
    connection = await server.accept()
    t.strictSame(await connection.json(), { type: 'say', data: 'written meanwhile' })
  })

  await t.test('the page stays away when it is told to', async (t) => {
    const closed = tab.evaluate(async () => await page.client.closed)
    connection.socket.close(4403, 'access revoked')
    t.strictSame(await closed, { code: 4403, reason: 'access revoked' })
  })

  t.strictSame(problems, [])
})
