import { once } from 'node:events'
import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable, type Duplex } from 'node:stream'
import fastifyWebsocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { WebSocketServer } from 'ws'
import { kClock } from '../../src/clock.js'
import socketRoutes from '../../src/index.js'
import { connect, handshake, readAll, refusal, tcp } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen } from '../support/server.js'
import { turns } from '../support/until.js'

/**
 * Another library on the same server, which answers at one path; after `delay`, if there is one.
 */
function other (server: Server, path: string, delay?: Promise<void>): void {
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (request.url!.split('?')[0] !== path) return
    const answer = () => {
      sockets.handleUpgrade(request, socket, head, (each) => {
        each.on('message', (data) => { each.send(`${path} ${String(data)}`) })
        each.send(`hello ${request.url!}`)
      })
    }
    if (delay === undefined) answer()
    else delay.then(answer)
  })
}

for (const who of ['the app', 'the plugin']) {
  t.test(`sockets of others in use are not cut, @fastify/websocket of ${who}`, async (t) => {
    const clock = new TestClock()
    const app = Fastify()
    t.teardown(() => clock.during(app.close()))
    if (who === 'the app') await app.register(fastifyWebsocket)
    other(app.server, '/before')
    await app.register(socketRoutes, { [kClock]: clock } as object)
    other(app.server, '/after')
    app.get('/bare', { websocket: true }, (socket) => {
      socket.on('message', (data) => { socket.send(`bare ${String(data)}`) })
    })
    app.socketRoute('/ours', { onMessage: (_connection, message) => message })
    const url = await listen(app)
    const clients = {
      bare: await connect(`${url}/bare`),
      ours: await connect(`${url}/ours`),
      '/before': await connect(`${url}/before`),
      '/after': await connect(`${url}/after`)
    }
    for (const name of ['/before', '/after'] as const) {
      t.equal(await clients[name].next(), `hello ${name}`)
    }
    const injected = await app.injectWS('/bare')
    const replies: string[] = []
    injected.on('message', (data) => { replies.push(String(data)) })
    await clock.advance(25_000)
    for (const [name, client] of Object.entries(clients)) {
      client.send('x')
      t.equal(await client.next(), name === 'ours' ? 'x' : `${name} x`, 'it lives')
    }
    injected.send('y')
    await once(injected, 'message')
    t.strictSame(replies, ['bare y'])
    injected.terminate()
    for (const client of Object.values(clients)) client.socket.terminate()
  })
}

t.test('leaveUpgrades leaves paths, and everything below them, to other listeners', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, {
    clock,
    plugin: { leaveUpgrades: ['/theirs', '/io/'], tokenFrom: ['query'] }
  })
  let answer: undefined | (() => void)
  const delay = new Promise<void>((resolve) => { answer = resolve })
  for (const path of ['/theirs', '/theirs/below', '/io']) other(app.server, path, delay)
  app.socketRoute('/ours', { onOpen: () => 'in' }, { isGranted: 'ROLE_USER' })
  const url = await listen(app)
  const asked = ['/theirs', '/theirs/below?access_token=theirs', '/io'].map(async (path) => {
    const socket = await tcp(url)
    socket.write(handshake(path))
    return { path, socket }
  })
  const sockets = await Promise.all(asked)
  await clock.advance(60_000)
  for (const { path, socket } of sockets) {
    const data = once(socket, 'data')
    answer!()
    t.match(String((await data)[0]), `hello ${path}`, 'its address is as it was')
    socket.destroy()
  }
  t.equal((await refusal(`${url}/theirsnot`)).status, 404)
  t.equal((await refusal(`${url}/ours`)).status, 401)
})

t.test('leaveUpgrades takes a predicate; one that fails leaves nothing', async (t) => {
  const errors: string[] = []
  const answers: Record<string, () => unknown> = {
    true: () => true,
    throws: () => { throw new Error('no') },
    nothing: () => undefined,
    promise: async () => true,
    'rejected promise': async () => { throw new Error('no') }
  }
  for (const [name, answer] of Object.entries(answers)) {
    const app = await createApp(t, {
      plugin: {
        leaveUpgrades: (request) => request.headers['sec-websocket-protocol'] === 'vite-hmr' &&
          answer() as boolean
      },
      fastify: {
        logger: {
          level: 'error',
          stream: { write: (line) => { errors.push(JSON.parse(line).msg) } }
        }
      }
    })
    if (name === 'true') other(app.server, '/', new Promise((resolve) => { setImmediate(resolve) }))
    const url = await listen(app)
    if (name === 'true') {
      const client = await connect(url, ['vite-hmr'])
      t.equal(await client.next(), 'hello /')
      client.socket.terminate()
    } else t.equal((await refusal(url, ['vite-hmr'])).status, 404, name)
  }
  t.equal(errors.filter((text) => /^leaveUpgrades (threw|returned neither)/.test(text)).length, 4)
})

t.test('an invalid leaveUpgrades, or a route that it covers, is an error', async (t) => {
  for (const leaveUpgrades of ['/io', ['io'], ['/'], ['/io?x'], [1], null]) {
    await t.rejects(createApp(t, { plugin: { leaveUpgrades: leaveUpgrades as never } }), {
      code: 'FSR_ERR_OPTION_INVALID',
      message: /leaveUpgrades/
    })
  }
  const app = await createApp(t, { plugin: { leaveUpgrades: ['/v1/io'] } })
  await app.register(async (scope) => {
    for (const path of ['/io', '/io/:room']) {
      t.throws(
        () => scope.socketRoute(path, { onOpen: () => {} }),
        { code: 'FSR_ERR_OPTION_INVALID', message: /'\/v1\/io/ }
      )
    }
    t.doesNotThrow(() => scope.socketRoute('/ios', { onOpen: () => {} }))
  }, { prefix: '/v1' })
})

/** As @fastify/http-proxy does with `websocket: true`. */
function proxy (app: FastifyInstance, assigns = true): void {
  app.server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    Object.assign(request, { isProxied: true })
    const response = new ServerResponse(request)
    if (assigns) response.assignSocket(socket)
    app.routing(request, response)
  })
}

for (const [name, order] of Object.entries({
  before: [proxy, socketRoutes],
  after: [socketRoutes, proxy]
})) {
  t.test(`each upgrade is routed once beside a plugin registered ${name}`, async (t) => {
    const clock = new TestClock()
    const app = Fastify()
    t.teardown(() => clock.during(app.close()))
    for (const each of order) {
      if (each === proxy) proxy(app)
      else await app.register(socketRoutes, { [kClock]: clock } as object)
    }
    let routed = 0
    app.addHook('onRequest', async () => { routed++ })
    const sockets = new WebSocketServer({ noServer: true })
    app.get('/proxied', async (request, reply) => {
      if (!('isProxied' in request.raw)) return 'rest'
      reply.hijack()
      sockets.handleUpgrade(request.raw, request.raw.socket, Buffer.alloc(0), (socket) => {
        socket.on('message', (data) => { socket.send(`proxied ${String(data)}`) })
      })
      return reply
    })
    app.socketRoute('/ours', { onMessage: (_connection, message) => message })
    app.get('/bare', { websocket: true }, (socket) => {
      socket.on('message', (data) => { socket.send(String(data)) })
    })
    const url = await listen(app)
    const clients = []
    for (const path of ['/ours', '/%6Furs', '/bare', '/proxied']) {
      clients.push(await connect(url + path))
    }
    t.equal((await refusal(`${url}/nowhere`)).status, 404)
    t.equal(routed, 5)
    await clock.advance(25_000)
    for (const client of clients) {
      client.send('x')
      t.match(await client.next(), /^(proxied )?x$/)
      client.socket.terminate()
    }
  })
}

t.test('a listener that routes upgrades without assigning sockets is harmless', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  proxy(app, false)
  app.socketRoute('/', { onMessage: (_connection, message) => message })
  app.setNotFoundHandler(async (_request, reply) => await reply.send(Readable.from([
    'x'.repeat(100_000),
    'y'.repeat(100_000)
  ])))
  const url = await listen(app)
  const client = await connect(url)
  client.send('x')
  t.equal(await client.next(), 'x')
  // Its response goes nowhere.
  const lost = await tcp(url)
  const end = once(lost.resume(), 'close')
  lost.write(handshake('/nowhere'))
  await clock.advance(10_001)
  await end
  client.socket.terminate()
})

t.test('upgrades of the whole app come by the plugin, also if registered in a scope', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket)
  await app.register(async (scope) => {
    await scope.register(socketRoutes)
    scope.socketRoute('/ours', { onMessage: (_connection, message) => message })
  })
  app.get('/bare', { websocket: true }, (socket) => {
    socket.on('message', (data) => { socket.send(String(data)) })
  })
  const url = await listen(app)
  for (const path of ['/ours', '/bare']) {
    const client = await connect(url + path)
    client.send('x')
    t.equal(await client.next(), 'x')
  }
  const lost = await tcp(url)
  lost.write(handshake('/nowhere/%zz'))
  t.match(await readAll(lost), /^HTTP\/1\.1 400 [^]*connection: close/i)
})

// Also where that is by a reset.
function closeOf (socket: Duplex): Promise<void> {
  return new Promise((resolve) => { socket.resume().on('error', () => {}).on('close', resolve) })
}

t.test('a client that resets an upgrade left to others does not end the process', async (t) => {
  const app = await createApp(t, { plugin: { leaveUpgrades: ['/theirs'] } })
  const left = new Promise<Duplex>((resolve) => {
    app.server.on('upgrade', (_request, socket: Duplex) => { resolve(socket) })
  })
  const client = await tcp(await listen(app))
  client.write(handshake('/theirs'))
  const socket = await left
  client.resetAndDestroy()
  // Without a listener to errors of its own.
  await new Promise((resolve) => { socket.resume().on('close', resolve) })
  t.ok(socket.destroyed)
})

t.test('unanswered upgrades left to others do not delay a stop', async (t) => {
  const app = await createApp(t, { plugin: { leaveUpgrades: ['/theirs'] } })
  other(app.server, '/theirs')
  const url = await listen(app)
  const answered = await connect(`${url}/theirs`)
  const lost = await tcp(url)
  const end = closeOf(lost)
  await answered.next()
  const arrived = once(app.server, 'upgrade')
  lost.write(handshake('/theirs/nowhere'))
  await arrived
  const closed = app.close()
  await end
  answered.send('x')
  t.equal(await answered.next(), '/theirs x')
  await answered.close()
  await closed
})

t.test('an app that leaves a server to another listener does not cut its upgrades', async (t) => {
  const server = createServer()
  t.teardown(() => { server.close() })
  const app = Fastify({ serverFactory: (handler) => server.on('request', handler) })
  await app.register(socketRoutes, { leaveUpgrades: ['/theirs'] })
  await app.ready()
  let answer: undefined | (() => void)
  other(server, '/theirs', new Promise<void>((resolve) => { answer = resolve }))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  const pending = connect(`${url}/theirs`)
  await once(server, 'upgrade')
  await app.close()
  answer!()
  const client = await pending
  t.equal(await client.next(), 'hello /theirs')
  client.socket.terminate()
})

t.test('an upgrade left to others without another listener gets a response', async (t) => {
  const app = await createApp(t, { plugin: { leaveUpgrades: ['/theirs'] } })
  t.equal((await refusal(`${await listen(app)}/theirs`)).status, 404)
})

t.test('an upgrade that another listener has ended without a byte is not routed', async (t) => {
  const app = await createApp(t)
  app.server.on('upgrade', (_request, socket: Duplex) => { socket.end() })
  let routed = 0
  app.addHook('onRequest', async () => { routed++ })
  app.socketRoute('/', { onOpen: () => { routed++ } })
  const client = await tcp(await listen(app))
  client.write(handshake('/'))
  t.equal(await readAll(client), '')
  await turns(5)
  t.equal(routed, 0)
})

t.test('a listener of the app may have the name of the one of @fastify/websocket', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const seen: unknown[] = []
  app.server.on('upgrade', function onUpgrade (request: IncomingMessage, socket: Duplex) {
    seen.push(request.url)
    if (request.url === '/theirs') socket.end('HTTP/1.1 418 Theirs\r\nContent-Length: 2\r\n\r\n{}')
  })
  await app.register(socketRoutes)
  app.socketRoute('/ours', { onMessage: (_connection, message) => message })
  const url = await listen(app)
  const client = await connect(`${url}/ours`)
  client.send('x')
  t.equal(await client.next(), 'x')
  client.socket.terminate()
  t.equal((await refusal(`${url}/theirs`)).status, 418)
  t.equal((await refusal(`${url}/nowhere`)).status, 404)
  t.strictSame(seen, ['/ours', '/theirs', '/nowhere'])
})

t.test('earlier routes of bare @fastify/websocket in scopes keep their upgrades', async (t) => {
  const clock = new TestClock()
  const app = Fastify()
  t.teardown(() => clock.during(app.close()))
  for (const path of ['/first', '/second']) {
    await app.register(async (scope) => {
      await scope.register(fastifyWebsocket)
      scope.get(path, { websocket: true }, (socket) => {
        socket.on('message', (data) => { socket.send(`${path} ${String(data)}`) })
      })
    })
  }
  await app.register(socketRoutes, { [kClock]: clock } as object)
  const routed: unknown[] = []
  app.addHook('onRequest', async (request) => { routed.push(request.url) })
  app.socketRoute('/ours', { onMessage: (_connection, message) => message })
  app.socketRoute(
    '/later',
    { onMessage: (_connection, message) => message },
    { onRequest: async () => { await new Promise(setImmediate) } }
  )
  app.socketRoute('/guarded', { onOpen: () => {} }, { isGranted: () => true, tokenFrom: [] })
  const url = await listen(app)
  t.equal((await refusal(`${url}/guarded`)).status, 401)
  t.equal((await refusal(`${url}/nowhere`)).status, 404)
  const clients = {
    '/ours': await connect(`${url}/ours`),
    '/later': await connect(`${url}/later`),
    '/first': await connect(`${url}/first`),
    '/second': await connect(`${url}/second`)
  }
  t.strictSame(routed, ['/guarded', '/nowhere', '/ours', '/later', '/first', '/second'])
  await clock.advance(25_000)
  for (const [path, client] of Object.entries(clients)) {
    client.send('x')
    t.match(await client.next(), /^(\/\w+ )?x$/, path)
    client.socket.terminate()
  }
})
