import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import {
  connect,
  connectAs,
  connectWhenFree,
  handshake,
  readAll,
  refusal,
  tcp
} from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { until } from '../support/until.js'

const open = { onOpen: () => 'in' }

// P24
t.test('a route takes perRoute connections, and one more when one leaves', async (t) => {
  const app = await createApp(t)
  const route = app.socketRoute('/', open, { connections: { perRoute: 2 } })
  app.socketRoute('/other', open)
  const url = await listen(app)
  const clients = [await connect(url), await connect(url)]
  const { status, headers, body } = await refusal(url)
  t.equal(status, 503)
  t.equal(headers['retry-after'], '5')
  t.equal(body.code, 'FSR_ERR_ROUTE_FULL')
  t.equal(await (await connect(`${url}/other`)).next(), 'in')
  await clients[0]!.close()
  t.equal(await (await connectWhenFree(url)).next(), 'in')
  t.equal(route.clients.size, 2)
})

// P24
t.test('a user may connect as often as perUser says, over all routes', async (t) => {
  const app = await createApp(t, { plugin: { connections: { perUser: 2 } } })
  app.socketRoute('/a', open, 'ROLE_USER')
  app.socketRoute('/b', open, 'ROLE_USER')
  app.socketRoute('/open', open)
  const url = await listen(app)
  const alice = tokenOf(app)
  const first = await connectAs(alice, `${url}/a`)
  await connectAs(alice, `${url}/b`)
  const { status, headers, body } = await refusal(`${url}/a`, ['bearer', alice])
  t.strictSame([status, headers['retry-after'], body.code], [
    429,
    '5',
    'FSR_ERR_CONNECTIONS_TOO_MANY'
  ])
  t.equal(await (await connectAs(tokenOf(app, undefined, { sub: 'bob' }), `${url}/a`)).next(), 'in')
  t.equal(await (await connect(`${url}/open`)).next(), 'in', 'a user is not counted')
  await first.close()
  await until(() => app.socketRoutes.get('/a')!.clients.size === 1)
  t.equal(await (await connectAs(alice, `${url}/a`)).next(), 'in')
})

t.test("with on: 'close-oldest' a new connection replaces the user's oldest", async (t) => {
  const app = await createApp(t)
  const route = app.socketRoute('/', open, {
    isGranted: 'ROLE_USER',
    connections: { perUser: { max: 2, on: 'close-oldest' } }
  })
  const url = await listen(app)
  const alice = tokenOf(app)
  const clients = []
  for (let count = 0; count < 4; count++) clients.push(await connectAs(alice, url))
  for (const client of clients.slice(0, 2)) {
    t.strictSame(await client.closed, { code: 1008, reason: 'replaced by a newer connection' })
  }
  t.equal(route.clients.size, 2)
  t.equal(clients[3]!.socket.readyState, 1)
})

// P24
t.test('an address may connect as often as perIp says, behind a proxy too', async (t) => {
  const app = await createApp(t, {
    fastify: { trustProxy: true },
    plugin: { connections: { perIp: 1 } }
  })
  app.socketRoute('/', open)
  const url = await listen(app)
  const from = (ip: string) => ({ headers: { 'x-forwarded-for': ip } })
  const client = await connect(url, [], from('10.0.0.1'))
  t.equal((await refusal(url, [], from('10.0.0.1'))).status, 429)
  t.equal(await (await connect(url, [], from('10.0.0.2'))).next(), 'in')
  await client.close()
  await until(() => app.socketRoutes.get('/')!.clients.size === 1)
  t.equal(await (await connect(url, [], from('10.0.0.1'))).next(), 'in')
})

t.test('spellings of one address, and addresses of one IPv6 network, count together', async (t) => {
  const app = await createApp(t, {
    fastify: { trustProxy: true },
    plugin: { connections: { perIp: 1 } }
  })
  app.socketRoute('/', open)
  const url = await listen(app)
  const from = (ip: string) => ({ headers: { 'x-forwarded-for': ip } })
  for (const [ip, others] of Object.entries({
    '192.0.2.1': ['::ffff:192.0.2.1', '::FFFF:c000:201'],
    '2001:db8::1': ['2001:DB8:0:0::1', '2001:db8:0:0:5:6:7:8', '2001:db8::1%eth0']
  })) {
    const client = await connect(url, [], from(ip))
    for (const other of others) t.equal((await refusal(url, [], from(other))).status, 429, other)
    await client.close()
    t.equal(await (await connectWhenFree(url, [], from(others[0]!))).next(), 'in')
    t.equal((await refusal(url, [], from(ip))).status, 429)
  }
  t.equal(await (await connect(url, [], from('2001:db8:0:1::1'))).next(), 'in')
})

t.test('connections over a Unix socket, which has no address, count as of one', async (t) => {
  const app = await createApp(t, { plugin: { connections: { perIp: 1 } } })
  app.socketRoute('/', open)
  const directory = await mkdtemp(join(tmpdir(), 'fsr-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const path = join(directory, 'socket')
  await app.listen({ path })
  t.equal(await (await connect(`ws+unix://${path}:/`)).next(), 'in')
  t.equal((await refusal(`ws+unix://${path}:/`)).status, 429)
})

t.test('many at once do not get past a cap', async (t) => {
  const app = await createApp(t, { jwt: true })
  const route = app.socketRoute('/', open, { isGranted: 'ROLE_USER', connections: { perRoute: 5 } })
  const url = await listen(app)
  const token = tokenOf(app)
  const answers = await Promise.allSettled(Array.from({ length: 40 }, () => connectAs(token, url)))
  t.equal(answers.filter(({ status }) => status === 'fulfilled').length, 5)
  t.equal(route.clients.size, 5)
})

t.test('caps of a route that are undefined leave those of the plugin as they are', async (t) => {
  const app = await createApp(t, { plugin: { connections: { perRoute: 1 } } })
  app.socketRoute('/', open, {
    connections: { perRoute: undefined, perIp: undefined, perUser: undefined }
  })
  const url = await listen(app)
  await connect(url)
  t.equal((await refusal(url)).status, 503)
})

t.test("'close-oldest' closes several if another route has admitted more", async (t) => {
  const app = await createApp(t)
  app.socketRoute('/many', open, { isGranted: 'ROLE_USER', connections: { perUser: 5 } })
  app.socketRoute('/one', open, {
    isGranted: 'ROLE_USER',
    connections: { perUser: { max: 1, on: 'close-oldest' } }
  })
  const url = await listen(app)
  const many = []
  for (let count = 0; count < 4; count++) many.push(await connectAs(tokenOf(app), `${url}/many`))
  const one = await connectAs(tokenOf(app), `${url}/one`)
  for (const client of many) t.equal((await client.closed).code, 1008)
  t.equal(await one.next(), 'in')
})

t.test('a client that does not answer the close counts for the route only', async (t) => {
  const app = await createApp(t, { plugin: { closeTimeout: 1_000_000 } })
  app.socketRoute(
    '/',
    { onOpen: (connection) => { connection.close() } },
    { connections: { perRoute: 1, perIp: 1, perUser: 1 }, isGranted: 'ROLE_USER' }
  )
  app.socketRoute('/other', open, { connections: { perUser: 1 }, isGranted: 'ROLE_USER' })
  const url = await listen(app)
  const socket = await tcp(url)
  socket.write(handshake('/', { Authorization: `Bearer ${tokenOf(app)}` }))
  let received = ''
  socket.on('data', (chunk) => { received += String(chunk) })
  await until(() => received.includes('\r\n\r\n'))
  t.equal((await refusal(url, ['bearer', tokenOf(app)])).body.code, 'FSR_ERR_ROUTE_FULL')
  t.equal(await (await connectAs(tokenOf(app), `${url}/other`)).next(), 'in')
  socket.destroy()
})

t.test('a request that cannot become a WebSocket takes no place', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', open, {
    isGranted: 'ROLE_USER',
    connections: { perUser: { max: 1, on: 'close-oldest' } }
  })
  const url = await listen(app)
  const client = await connectAs(tokenOf(app), url)
  const socket = await tcp(url)
  socket.write(handshake('/', { Authorization: `Bearer ${tokenOf(app)}`, Connection: 'close' }))
  t.match(await readAll(socket), /^HTTP\/1\.1 426 /)
  t.equal(client.socket.readyState, 1)
  t.equal(app.socketRoutes.get('/')!.clients.size, 1)
})

t.test('nor does an upgrade that was cut while its hooks ran', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { handshakeTimeout: 1_000 } })
  const releases: Array<() => void> = []
  let answers = 0
  app.addHook('onSend', async () => { answers++ })
  app.socketRoute('/', { onMessage: (_connection, message) => message }, {
    isGranted: 'ROLE_USER',
    connections: { perUser: { max: 1, on: 'close-oldest' } },
    preHandler: async () => { await new Promise<void>((resolve) => { releases.push(resolve) }) }
  })
  const url = await listen(app)
  const first = connectAs(tokenOf(app), url)
  await until(() => releases.length === 1)
  releases[0]!()
  const client = await first
  const cut = await tcp(url)
  const ended = once(cut.resume(), 'close')
  cut.write(handshake('/', { Authorization: `Bearer ${tokenOf(app)}` }))
  await until(() => releases.length === 2)
  await clock.advance(1_001)
  await ended
  releases[1]!()
  await until(() => answers === 2)
  client.send('x')
  t.equal(await client.next(), 'x')
})

t.test('caps that are none fail at registration', async (t) => {
  const app = await createApp(t)
  for (const connections of [
    5,
    null,
    { perroute: 1 },
    { perRoute: 0 },
    { perIp: '5' },
    { perUser: {} },
    { perUser: { max: 1, on: 'drop' } },
    { perUser: { max: 1.5 } }
  ]) {
    t.throws(
      () => app.socketRoute('/', open, { connections: connections as object }),
      { code: 'FSR_ERR_OPTION_INVALID' },
      JSON.stringify(connections)
    )
  }
})
