// The gateway of docs/recipes.md "@fastify/http-proxy as gateway", as it stands there but for the
// port, in front of an app.
import { once } from 'node:events'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'
import { kClock } from '../../src/clock.js'
import socketRoutes from '../../src/index.js'
import { Client, refusal } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { blocksOf } from '../support/proxies.js'
import { createApp, listen, SECRET, tokenOf, type AppOptions } from '../support/server.js'

type Configure = (gateway: FastifyInstance, httpProxy: FastifyPluginAsync<object>) => Promise<void>

const httpProxy = createRequire(import.meta.url)(
  '@fastify/http-proxy'
) as FastifyPluginAsync<object>
const documented = blocksOf('js').find((block) => block.includes('httpProxy'))!

// The address of the tests' clients, which is not the gateway's.
const CLIENT = '127.0.0.2'

const refused = { message: 'closed with 1011 instead of a message' }

/** An app that trusts the gateway, and its address. */
async function createUpstream (t: Test, options: AppOptions = {}): Promise<{
  app: FastifyInstance
  url: string
}> {
  const app = await createApp(t, { fastify: { trustProxy: '127.0.0.1' }, ...options })
  app.socketRoute('/chat', {
    onOpen: ({ ip, query, protocol }) => ({ ip, query, protocol }),
    onMessage: (connection, message) => message.text === 'close'
      ? connection.close(4001, 'by the app')
      : message
  })
  app.socketRoute('/guarded', { onOpen: ({ user }) => user }, {
    isGranted: 'ROLE_USER',
    name: 'guarded',
    tokenFrom: ['header', 'cookie', 'ticket']
  })
  app.post('/ticket', async (request) => ({
    ticket: await app.socketTicket(request, { route: 'guarded' })
  }))
  return { app, url: (await listen(app)).replace(/^ws/, 'http') }
}

/** A gateway in front of an app, and its address. */
async function createGateway (t: Test, upstream: string, block = documented): Promise<string> {
  const module = `export default async (gateway, httpProxy) => { ${block.replace('http://127.0.0.1:3000', upstream)} }`
  const { default: configure } = await import(
    `data:text/javascript,${encodeURIComponent(module)}`
  ) as { default: Configure }
  const gateway = Fastify({ forceCloseConnections: true })
  t.teardown(() => gateway.close())
  await configure(gateway, httpProxy)
  return await listen(gateway)
}

async function open (
  url: string,
  options: ClientOptions = {},
  protocols: string[] = []
): Promise<Client> {
  const client = new Client(
    new WebSocket(url, protocols, { localAddress: CLIENT, family: 4, ...options })
  )
  await once(client.socket, 'open')
  return client
}

t.test("pages of the gateway may connect, others not; the address is the client's", async (t) => {
  const { url } = await createUpstream(t)
  const gateway = await createGateway(t, url)
  const own = gateway.replace(/^ws/, 'http')
  for (const headers of [
    {},
    { 'x-forwarded-for': '192.0.2.9', 'x-forwarded-host': 'foreign.example' }
  ]) {
    const client = await open(`${gateway}/chat?a=1`, { origin: own, headers })
    t.strictSame(await client.json(), { ip: CLIENT, query: { a: '1' }, protocol: '' })
    client.socket.terminate()
    const foreign = await open(`${gateway}/chat`, { origin: 'https://foreign.example', headers })
    await t.rejects(foreign.next(), refused)
  }
})

t.test('without the headers that are handed on, the app takes a page for no page', async (t) => {
  const { url } = await createUpstream(t)
  const gateway = await createGateway(
    t,
    url,
    "await gateway.register(httpProxy, { upstream: 'http://127.0.0.1:3000', websocket: true })"
  )
  const client = await open(`${gateway}/chat`, { origin: 'https://foreign.example' })
  t.match(await client.json(), { ip: '127.0.0.1' })
  client.socket.terminate()
})

t.test('tokens get through, from each place; a refusal is a close with 1011', async (t) => {
  const app = await createApp(t, { jwt: false, fastify: { trustProxy: '127.0.0.1' } })
  await app.register(cookie)
  await app.register(jwt, { secret: SECRET, cookie: { cookieName: 'token', signed: false } })
  app.socketRoute('/guarded', { onOpen: ({ protocol }) => `in ${protocol}` }, 'ROLE_USER')
  const gateway = await createGateway(t, (await listen(app)).replace(/^ws/, 'http'))
  const token = tokenOf(app)
  const origin = gateway.replace(/^ws/, 'http')
  const ways: Array<[ClientOptions, string[], string]> = [
    [{ headers: { authorization: `Bearer ${token}` } }, [], ''],
    [{ headers: { cookie: `token=${token}` }, origin }, [], ''],
    [{ origin }, ['bearer', token], 'bearer']
  ]
  for (const [options, protocols, protocol] of ways) {
    const client = await open(`${gateway}/guarded`, options, protocols)
    t.equal(await client.next(), `in ${protocol}`)
    t.equal(client.socket.protocol, protocol)
    client.socket.terminate()
  }
  for (const path of ['/guarded', '/nowhere']) {
    await t.rejects((await open(`${gateway}${path}`)).next(), refused, path)
  }
})

t.test('a ticket is bought and used through the gateway, by one page', async (t) => {
  const { app, url } = await createUpstream(t)
  const gateway = await createGateway(t, url)
  const origin = gateway.replace(/^ws/, 'http')
  const authorization = `Bearer ${tokenOf(app)}`
  const buy = async (): Promise<string> => {
    const response = await fetch(`${origin}/ticket`, {
      method: 'POST',
      headers: { authorization, origin }
    })
    return (await response.json() as { ticket: string }).ticket
  }
  const client = await open(`${gateway}/guarded?ticket=${await buy()}`, { origin })
  t.match(await client.json(), { sub: 'alice' })
  client.socket.terminate()
  await t.rejects(
    (await open(`${gateway}/guarded?ticket=${await buy()}`, {
      origin: 'https://foreign.example'
    })).next(),
    refused
  )
})

t.test('text, bytes and close codes get through in both directions', async (t) => {
  const { app, url } = await createUpstream(t)
  const closed: number[] = []
  const gateway = await createGateway(t, url)
  const client = await open(`${gateway}/chat`)
  await client.next()
  client.send('text')
  client.send(Buffer.from([0, 255]))
  t.strictSame(await client.take(2), ['text', Buffer.from([0, 255])])
  client.send('close')
  t.strictSame(await client.closed, { code: 4001, reason: 'by the app' })

  const [other, last] = await Promise.all([open(`${gateway}/chat`), open(`${gateway}/chat`)])
  await Promise.all([other.next(), last.next()])
  await other.close(4002)
  await Promise.all([app.close(), last.closed.then(({ code }) => { closed.push(code) })])
  t.strictSame(closed, [1012])
})

t.test('the gateway answers the heartbeat in the place of a client', async (t) => {
  const clock = new TestClock()
  const { app, url } = await createUpstream(t, { clock })
  const gateway = await createGateway(t, url)
  const client = await open(`${gateway}/chat`, { autoPong: false })
  await client.next()
  await clock.advance(120_000)
  t.equal(app.socketRoutes.get('/chat')!.clients.size, 1)
  client.socket.terminate()
})

// Both in one app: the upgrades of the proxy are routed by Fastify, as those of the plugin.
for (const order of ['before', 'after']) {
  t.test(`a proxy registered ${order} the plugin shares the server`, async (t) => {
    const upstream = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    t.teardown(() => { upstream.close() })
    await once(upstream, 'listening')
    upstream.on('connection', (socket) => {
      socket.on('message', (data) => { socket.send(`proxied ${String(data)}`) })
    })
    const clock = new TestClock()
    const app = Fastify()
    t.teardown(() => clock.during(app.close()))
    const proxy = {
      upstream: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
      prefix: '/proxied',
      websocket: true
    }
    if (order === 'before') await app.register(httpProxy, proxy)
    await app.register(socketRoutes, { [kClock]: clock } as object)
    if (order === 'after') await app.register(httpProxy, proxy)
    app.get('/bare', { websocket: true }, (socket) => {
      socket.on('message', (data) => { socket.send(`bare ${String(data)}`) })
    })
    app.socketRoute('/own', { onMessage: (_connection, message) => `own ${message.text}` })
    const url = await listen(app)
    const clients = await Promise.all(['own', 'bare', 'proxied'].map(async (name) => ({
      name,
      client: await open(`${url}/${name}`)
    })))
    await clock.advance(60_000)
    for (const { name, client } of clients) {
      client.send('x')
      t.equal(await client.next(), `${name} x`)
      client.socket.terminate()
    }
    t.equal((await refusal(`${url}/nowhere`)).status, 404)
  })
}
