import { connect as connectTcp, type AddressInfo } from 'node:net'
import fastifyWebsocket from '@fastify/websocket'
import t, { type Test } from 'tap'
import type { WsConnection } from '../../src/index.js'
import { connect, handshake, readAll, refusal, tcp } from '../support/client.js'
import { giveTwoAddresses } from '../support/localhost.js'
import { createApp, listen, tokenOf } from '../support/server.js'

// A token in the address, for clients that can send it nowhere else. Addresses are logged, so the
// token is removed first.

async function createQueryApp (t: Test, tokenFrom: Array<'query' | 'header'> = ['query']) {
  const lines: string[] = []
  const hooked: string[] = []
  // A token that is not read is not removed either, and Fastify logs it.
  const disableRequestLogging = !tokenFrom.includes('query')
  const app = await createApp(t, {
    fastify: {
      disableRequestLogging,
      logger: { level: 'trace', stream: { write: (line) => { lines.push(line) } } }
    }
  })
  app.addHook('onRequest', async (request) => {
    hooked.push(request.url, request.originalUrl, JSON.stringify(request.query))
  })
  const seen: WsConnection[] = []
  app.socketRoute(
    '/chat',
    { onOpen: (connection) => { seen.push(connection); return 'in' } },
    { isGranted: 'ROLE_USER', tokenFrom }
  )
  for (const path of ['/rooms/:room', '/files/*']) {
    app.socketRoute(path, { onOpen: () => 'in' }, { isGranted: 'ROLE_USER', tokenFrom })
  }
  app.get('/rest', async (request) => request.query)
  return { app, url: await listen(app), seen, lines, hooked }
}

t.test('a token in the query admits its user, and reaches no log and no callback', async (t) => {
  const { app, url, seen, lines, hooked } = await createQueryApp(t)
  const token = tokenOf(app)
  const queries = [
    `?access_token=${token}`,
    `?a=1&access_token=${token}&b=%20x&c`,
    `?%61ccess_token=${token}&d=%`,
    `?&&access_token=${token}`
  ]
  for (const query of queries) {
    t.equal(await (await connect(`${url}/chat${query}`)).next(), 'in', query)
  }
  t.strictSame(seen.map(({ query }) => ({ ...query })), [
    {},
    { a: '1', b: ' x', c: '' },
    { d: '%' },
    {}
  ])
  t.equal(await (await app.injectWS(`/chat?access_token=${token}`)).readyState, 1)
  t.notOk([...lines, ...hooked].some((text) => text.includes(token)))
  t.ok(lines.some((line) => line.includes('"/chat?a=1&b=%20x&c"')))
  for (const client of app.websocketServer.clients) client.terminate()
})

t.test('a token of a rejected upgrade or of a wrong path reaches no log', async (t) => {
  const { app, url, lines, hooked } = await createQueryApp(t)
  const token = tokenOf(app, ['OTHER'])
  t.equal((await refusal(`${url}/chat?access_token=${token}`)).status, 403)
  t.equal((await refusal(`${url}/nowhere?access_token=${token}`)).status, 404)
  for (const headers of [
    { Upgrade: undefined, Connection: 'close' },
    { Connection: 'close' },
    { 'Sec-WebSocket-Key': undefined }
  ]) {
    const socket = await tcp(url)
    socket.write(handshake(`/chat?access_token=${token}`, { ...headers }))
    t.match(await readAll(socket), /^HTTP\/1\.1 4\d\d /)
  }
  t.equal(hooked.length, 15)
  t.notOk([...lines, ...hooked].some((text) => text.includes(token)))
})

t.test('two tokens are rejected, and an empty token is none', async (t) => {
  const { app, url } = await createQueryApp(t)
  const token = tokenOf(app)
  t.equal(
    (await refusal(`${url}/chat?access_token=${token}&access_token=${token}`)).body.code,
    'FSR_ERR_TOKEN_INVALID'
  )
  t.equal((await refusal(`${url}/chat?access_token=%`)).body.code, 'FSR_ERR_TOKEN_INVALID')
  t.equal((await refusal(`${url}/chat?${'x'.repeat(100)}=y`)).body.code, 'FSR_ERR_TOKEN_MISSING')
  t.equal((await refusal(`${url}/chat?access_token=`)).body.code, 'FSR_ERR_TOKEN_MISSING')
  t.equal((await refusal(`${url}/chat?access_token`)).body.code, 'FSR_ERR_TOKEN_MISSING')
  t.equal((await refusal(`${url}/chat?Access_Token=x`)).body.code, 'FSR_ERR_TOKEN_MISSING')
  t.equal((await refusal(`${url}/chat?x=access_token=y`)).body.code, 'FSR_ERR_TOKEN_MISSING')
})

t.test('without the option a token in the query is not read', async (t) => {
  const { app, url } = await createQueryApp(t, ['header'])
  t.equal(
    (await refusal(`${url}/chat?access_token=${tokenOf(app)}`)).body.code,
    'FSR_ERR_TOKEN_MISSING'
  )
})

t.test('a plain GET of the route gets the same responses; its token is not logged', async (t) => {
  const { app, url, lines, hooked } = await createQueryApp(t)
  const [good, other] = [tokenOf(app), tokenOf(app, ['OTHER'])]
  const base = url.replace('ws', 'http')
  for (const path of ['/chat', '/chat/', '/ch%61t', '/rooms/5', '/files/a/b']) {
    t.equal((await fetch(`${base}${path}?access_token=${good}`)).status, 426, path)
    t.equal((await fetch(`${base}${path}?access_token=${other}`)).status, 403, path)
  }
  t.notOk([...lines, ...hooked].some((text) => text.includes(good) || text.includes(other)))
})

t.test('a token sent to the second address of localhost is not logged', async (t) => {
  giveTwoAddresses(t)
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'trace', stream: { write: (line) => { lines.push(line) } } } }
  })
  app.socketRoute('/chat', { onOpen: () => 'in' }, { isGranted: 'ROLE_USER', tokenFrom: ['query'] })
  await app.listen({ port: 0, host: 'localhost' })
  const token = tokenOf(app)
  const socket = connectTcp((app.server.address() as AddressInfo).port, '127.0.0.2')
  socket.write(
    `GET /chat?access_token=${token} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`
  )
  t.match(await readAll(socket), /^HTTP\/1\.1 426 [^]*FSR_ERR_UPGRADE_REQUIRED/)
  t.ok(lines.some((line) => line.includes('/chat')))
  t.notOk(lines.some((line) => line.includes(token)))
})

t.test('where REST has the path as well, its GET keeps its own access_token', async (t) => {
  for (const isRestFirst of [true, false]) {
    const app = await createApp(t)
    const rest = () => { app.get('/chat', async (request) => request.query) }
    if (isRestFirst) rest()
    app.socketRoute('/chat', { onOpen: () => 'in' }, {
      isGranted: 'ROLE_USER',
      tokenFrom: ['query']
    })
    if (!isRestFirst) rest()
    const url = await listen(app)
    t.strictSame(
      await (await fetch(`${url.replace('ws', 'http')}/chat?access_token=mine`)).json(),
      { access_token: 'mine' }
    )
    t.equal(await (await connect(`${url}/chat?access_token=${tokenOf(app)}`)).next(), 'in')
  }
})

t.test('a query of thousands of names that cannot be decoded costs next to nothing', async (t) => {
  const { app, url } = await createQueryApp(t)
  const query = '%=%&'.repeat(3_000)
  const start = process.cpuUsage()
  for (let count = 0; count < 20; count++) {
    t.equal((await refusal(`${url}/chat?${query}access_token=x`)).status, 401)
  }
  // Each took 90 ms when every name and value was decoded.
  t.ok(process.cpuUsage(start).user / 1_000 < 1_200, `${process.cpuUsage(start).user / 1_000} ms`)
  t.equal(await (await connect(`${url}/chat?${query}access_token=${tokenOf(app)}`)).next(), 'in')
})

t.test('REST has its own access_token', async (t) => {
  const { url } = await createQueryApp(t)
  const answer = await fetch(`${url.replace('ws', 'http')}/rest?access_token=mine&ticket=5`)
  t.strictSame(await answer.json(), { access_token: 'mine', ticket: '5' })
  t.strictSame(await (await fetch(`${url.replace('ws', 'http')}/rest?a=1`)).json(), { a: '1' })
})

t.test('a parameter that no route reads for a credential is left alone', async (t) => {
  const app = await createApp(t, { plugin: { tokenFrom: ['ticket'] } })
  app.socketRoute('/guarded', { onOpen: () => 'in' }, {
    isGranted: 'ROLE_USER',
    tokenFrom: ['query']
  })
  app.socketRoute('/open', { onOpen: (connection) => ({ ...connection.query }) })
  const url = await listen(app)
  t.strictSame(
    await (await connect(`${url}/open?ticket=5`)).json(),
    { ticket: '5' },
    'an open route reads none'
  )
})

t.test('the app may have registered @fastify/websocket before', async (t) => {
  const { default: Fastify } = await import('fastify')
  const { default: jwt } = await import('@fastify/jwt')
  const { default: socketRoutes } = await import('../../src/index.js')
  const lines: string[] = []
  const app = Fastify({ logger: { stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(jwt, { secret: 'x'.repeat(32) })
  await app.register(fastifyWebsocket, { options: { maxPayload: 65_536 } })
  await app.register(socketRoutes)
  app.socketRoute('/', { onOpen: () => 'in' }, { isGranted: 'ROLE_USER', tokenFrom: ['query'] })
  const token = tokenOf(app)
  t.equal(await (await connect(`${await listen(app)}/?access_token=${token}`)).next(), 'in')
  t.notOk(lines.some((line) => line.includes(token)))
})
