// A connection without a network: app.injectWS of @fastify/websocket, which tests of apps use.
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { SocketController } from '../../src/index.js'
import type { SecureServerOptions } from 'node:http2'
import { Client } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, tokenOf } from '../support/server.js'
import { tls } from '../support/tls.js'

// Listens before anything can come.
async function inject (
  app: FastifyInstance,
  path: string,
  headers: Record<string, undefined | string> = {}
): Promise<Client> {
  let client: undefined | Client
  await app.injectWS(path, { headers }, { onInit: (socket) => { client = new Client(socket) } })
  return client!
}

async function start (
  t: Test,
  controller: SocketController,
  isGranted?: string
): Promise<FastifyInstance> {
  const app = await createApp(t)
  app.socketRoute('/chat/:room', controller, isGranted === undefined ? {} : { isGranted })
  await app.ready()
  return app
}

t.test('the return value of onOpen comes first, also if it is awaited later', async (t) => {
  const app = await start(t, { onOpen: ({ params, query }) => ({ params, query }) })
  const client = await inject(app, '/chat/lobby?page=2')
  t.same(await client.json(), { params: { room: 'lobby' }, query: { page: '2' } })
  client.socket.terminate()
})

t.test('injectWS rejects before the app is ready', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/chat', { onOpen: () => 'hello' })
  await t.rejects(app.injectWS('/chat'), { message: 'Unexpected server response: 500' })
})

t.test('messages go both ways, text and binary', async (t) => {
  const app = await start(t, { onMessage: (_connection, message) => message })
  const client = await inject(app, '/chat/lobby')
  client.send('text')
  client.send(Buffer.from([0, 255]))
  client.send('x'.repeat(60_000))
  t.same(await client.take(3), ['text', Buffer.from([0, 255]), 'x'.repeat(60_000)])
  client.socket.terminate()
})

t.test('messages reach other connections, and only those of the route', async (t) => {
  const app = await start(t, {
    onMessage (connection, message, clients) { clients.broadcast(message, { except: connection }) }
  })
  const [alice, bob] = [await inject(app, '/chat/lobby'), await inject(app, '/chat/garden')]
  t.equal(app.socketRoutes.get('/chat/:room')!.clients.size, 2)
  alice.send('hi')
  t.equal(await bob.next(), 'hi')
  t.same(alice.unread, [])
  alice.socket.terminate()
  bob.socket.terminate()
})

t.test('the client closes: onClose gets its code and reason', async (t) => {
  let onClose: undefined | ((info: unknown) => void)
  const closed = new Promise((resolve) => { onClose = resolve })
  const app = await start(t, { onClose (_connection, info) { onClose!(info) } })
  const client = await inject(app, '/chat/lobby')
  t.same(await client.close(4000, 'enough'), { code: 4000, reason: 'enough' })
  t.same(await closed, { code: 4000, reason: 'enough', wasClean: true })
  t.equal(app.socketRoutes.get('/chat/:room')!.clients.size, 0)
})

t.test('the client is cut off: onClose gets 1006', async (t) => {
  let onClose: undefined | ((info: unknown) => void)
  const closed = new Promise((resolve) => { onClose = resolve })
  const app = await start(t, { onClose (_connection, info) { onClose!(info) } })
  const client = await inject(app, '/chat/lobby')
  client.socket.terminate()
  t.same(await closed, { code: 1006, reason: '', wasClean: false })
})

t.test('the server closes: what onClose returns comes before the close', async (t) => {
  const app = await start(t, {
    onMessage (connection) { connection.close(4001, 'over') },
    onClose: () => 'goodbye'
  })
  const client = await inject(app, '/chat/lobby')
  client.send('close')
  t.equal(await client.next(), 'goodbye')
  t.same(await client.closed, { code: 4001, reason: 'over' })
})

t.test('the app closes: the client is told to come back', async (t) => {
  const app = await start(t, { onClose: () => 'goodbye' })
  const client = await inject(app, '/chat/lobby')
  const [closed] = await Promise.all([client.closed, app.close()])
  t.same(client.unread, ['goodbye'])
  t.equal(closed.code, 1012)
})

t.test('a guarded route admits by header and by sub-protocol only', async (t) => {
  const app = await start(
    t,
    { onOpen: ({ protocol, user }) => ({ protocol, name: (user as { sub: string }).sub }) },
    'ROLE_USER'
  )
  const token = tokenOf(app)

  const byHeader = await inject(app, '/chat/lobby', { authorization: `Bearer ${token}` })
  t.same(await byHeader.json(), { protocol: '', name: 'alice' })
  byHeader.socket.terminate()

  await t.rejects(inject(app, '/chat/lobby'), { message: 'Unexpected server response: 401' })
  await t.rejects(inject(app, '/chat/lobby', { authorization: 'Bearer nonsense' }), {
    message: 'Unexpected server response: 401'
  })
  await t.rejects(
    inject(app, '/chat/lobby', { authorization: `Bearer ${tokenOf(app, ['ROLE_GUEST'])}` }),
    { message: 'Unexpected server response: 403' }
  )
  await t.rejects(inject(app, '/nowhere', { authorization: `Bearer ${token}` }), {
    message: 'Unexpected server response: 404'
  })
  t.equal(app.socketRoutes.get('/chat/:room')!.clients.size, 0)
})

t.test('a sub-protocol is agreed on', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/chat', { onOpen: ({ protocol }) => protocol }, {
    protocols: ['chat.v2', 'chat.v1']
  })
  await app.ready()
  const client = await inject(app, '/chat', { 'sec-websocket-protocol': 'chat.v1, chat.v2' })
  t.equal(await client.next(), 'chat.v1')
  client.socket.terminate()
  await t.rejects(inject(app, '/chat', { 'sec-websocket-protocol': 'mqtt' }), {
    message: 'Unexpected server response: 400'
  })
})

for (const [title, end] of [
  ['a client that closes', (client: Client) => { client.socket.close() }],
  ['a client that the test forgets', () => {}],
  ['a client that is cut', (client: Client) => { client.socket.terminate() }]
] as const) {
  t.test(`app.close() waits for nothing more than the close of ${title}`, async (t) => {
    // Nothing is over by itself: the app's time stands still, and that of ws is long.
    const app = await createApp(t, { clock: new TestClock(), plugin: { closeTimeout: 600_000 } })
    let closes = 0
    app.socketRoute('/', {
      onMessage: (_connection, message) => message,
      onClose: () => { closes++ }
    })
    await app.ready()
    const client = await inject(app, '/')
    client.send('x')
    t.equal(await client.next(), 'x')
    end(client)
    await Promise.all([app.close(), client.closed])
    t.equal(closes, 1)
  })
}

t.test('a connection without a network has the properties of inject()', async (t) => {
  const servers: Array<[string, object]> = [
    ['http', {}],
    ['https', { https: tls }],
    ['https', { http2: true, https: { ...tls, allowHTTP1: true } satisfies SecureServerOptions }],
    ['http', { http2: true }]
  ]
  for (const [protocol, options] of servers) {
    for (const trustProxy of [false, true, '127.0.0.1', 1, () => true]) {
      const app = await createApp(t, { fastify: { ...options, trustProxy } as object })
      app.socketRoute('/', {
        onOpen: ({ ip, headers }) => ({
          ip,
          host: headers.host,
          custom: headers['x-custom'],
          none: 'x-none' in headers
        }),
        onMessage: (_connection, message) => message
      }, { preHandler: async (request, reply) => { reply.header('x-protocol', request.protocol) } })
      await app.ready()
      const client = await inject(app, '/', {
        'X-Custom': 'yes',
        'X-None': undefined,
        Origin: `${protocol}://localhost`
      })
      t.strictSame(
        await client.json(),
        { ip: '127.0.0.1', host: 'localhost', custom: 'yes', none: false },
        `${protocol}, ${String(trustProxy)}`
      )
      client.send('x')
      t.equal(await client.next(), 'x')
      await client.close()
      await t.rejects(inject(app, '/', { origin: 'http://other.example' }), {
        message: 'Unexpected server response: 403'
      })
    }
  }
})

t.test('a test says where a client is, and what a proxy says of it', async (t) => {
  for (const fastPath of [true, false]) {
    const clock = new TestClock()
    const app = await createApp(t, {
      clock,
      plugin: { fastPath },
      fastify: { trustProxy: '10.0.0.1' }
    })
    app.socketRoute('/', { onOpen: ({ ip }) => ip }, { connections: { perIp: 1 } })
    await app.ready()
    const open = async (context: object): Promise<Client> => {
      let client: undefined | Client
      await app.injectWS('/', context, { onInit: (socket) => { client = new Client(socket) } })
      return client!
    }
    const forwarded = {
      headers: {
        'x-forwarded-for': '192.0.2.7',
        'x-forwarded-host': 'app.example',
        origin: 'http://app.example'
      }
    }
    const clients = [
      await open({ remoteAddress: '10.0.0.1', ...forwarded }),
      await open({ remoteAddress: '192.0.2.8' }),
      await open({ socket: { remoteAddress: '192.0.2.9' } })
    ]
    t.strictSame(await Promise.all(clients.map(async (client) => await client.next())), [
      '192.0.2.7',
      '192.0.2.8',
      '192.0.2.9'
    ])
    await clock.advance(120_000)
    t.strictSame(
      clients.map(({ socket }) => socket.readyState),
      [1, 1, 1],
      'a connection without a network is never silent'
    )
    await t.rejects(open({ remoteAddress: '192.0.2.8' }), {
      message: 'Unexpected server response: 429'
    })
  }
})

t.test('a request without a network takes listeners of handlerTimeout', async (t) => {
  const app = await createApp(t, { fastify: { handlerTimeout: 600_000 } })
  app.socketRoute('/', { onOpen: () => 'in' }, {
    onRequest: async ({ raw }) => { raw.once('close', () => {}) }
  })
  await app.ready()
  t.equal(await (await inject(app, '/')).next(), 'in')
})
