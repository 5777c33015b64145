import { once, type EventEmitter } from 'node:events'
import { connect as connectHttp2, createSecureServer } from 'node:http2'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import fastifyWebsocket from '@fastify/websocket'
import { connect as connectTls } from 'node:tls'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { kClock } from '../../src/clock.js'
import socketRoutes, { type SocketPluginOptions } from '../../src/index.js'
import { connect, handshake, readAll, refusal, tcp } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen } from '../support/server.js'
import { tls } from '../support/tls.js'
import { traffic } from '../support/traffic.js'
import { until } from '../support/until.js'

const events = ['connection', 'request', 'upgrade', 'close'] as const
const countsOf = (server: Server) => events.map((event) => server.listenerCount(event))

/**
 * A server of the user's own, which listens before there is an app, and the way of requests to the
 * app of the moment.
 */
async function ownServer (t: Test): Promise<{
  server: Server
  url: string
  hand: (listener: RequestListener) => void
}> {
  let current: RequestListener = (_request, response) => { response.writeHead(500).end('no app') }
  const server = createServer((request, response) => { current(request, response) })
  t.teardown(() => { server.closeAllConnections(); server.close() })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    server,
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hand: (listener) => { current = listener }
  }
}

async function rest (url: string): Promise<string> {
  const response = await fetch(`${url.replace('ws', 'http')}/rest`, {
    headers: { connection: 'close' }
  })
  return await response.text()
}

async function appOn (
  server: Server,
  hand: (listener: RequestListener) => void,
  path: string,
  options: SocketPluginOptions = {}
): Promise<FastifyInstance> {
  const app = Fastify({
    serverFactory: (listener) => { hand(listener as RequestListener); return server }
  })
  await app.register(socketRoutes, options)
  app.get('/rest', async () => path)
  app.post('/upload', async (request) => request.body)
  app.socketRoute(path, { onOpen: () => path, onMessage: (_connection, message) => message })
  await app.ready()
  return app
}

t.test('a server that outlives its app is left as it was, and takes another', async (t) => {
  const { server, url, hand } = await ownServer(t)
  const before = countsOf(server)
  // Before there is an app, and on the whole: it has nothing to do with any.
  const silent = (await tcp(url)).resume()
  const end = once(silent, 'close')
  let isEnded = false
  end.then(() => { isEnded = true })
  for (const name of ['/first', '/second']) {
    const app = await appOn(server, hand, name)
    const idle = (await tcp(url)).resume()
    const client = await connect(url + name)
    t.equal(await client.next(), name)
    t.equal(await rest(url), name)
    const upload = await tcp(url)
    upload.write(
      'POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n' +
      'Content-Length: 6\r\nConnection: close\r\n\r\nabc'
    )
    await traffic()
    await app.close()
    t.strictSame(countsOf(server), before)
    t.equal((await client.closed).code, 1012)
    idle.write('GET /rest HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    t.match(
      await readAll(idle),
      /^HTTP\/1\.1 503 /,
      'by Fastify, which is closed: the connection goes on'
    )
    upload.write('def')
    t.match(await readAll(upload), /abcdef$/)
  }
  await traffic()
  t.notOk(isEnded)
  silent.destroy()
})

t.test('a closed app leaves no listener on connections, sessions and responses', async (t) => {
  const emitters = new Map<string, EventEmitter>()
  const server = createSecureServer({ ...tls, allowHTTP1: true })
  t.teardown(() => { server.close() })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const app = Fastify(
    { http2: true, serverFactory: (listener: never) => server.on('request', listener) } as object
  ) as unknown as FastifyInstance
  await app.register(socketRoutes)
  let answer: undefined | (() => void)
  app.get('/slow', async () => {
    await new Promise<void>((resolve) => { answer = resolve })
    return 'done'
  })
  await app.ready()
  for (const event of ['connection', 'secureConnection', 'session'] as const) {
    server.on(event, (emitter: EventEmitter) => { emitters.set(event, emitter) })
  }
  server.on('request', (_request, response) => { emitters.set('request', response) })
  const { port } = server.address() as AddressInfo
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: tls.cert })
  t.teardown(() => { session.destroy() })
  const stream = session.request({ ':path': '/slow' })
  await until(() => answer !== undefined)
  const secure = connectTls({
    port,
    host: '127.0.0.1',
    ca: tls.cert,
    servername: 'localhost',
    ALPNProtocols: ['http/1.1']
  })
  await once(server, 'secureConnection')
  const silent = connectTcp(port, '127.0.0.1')
  t.teardown(() => { secure.destroy(); silent.destroy() })
  await once(server, 'connection')
  const counts = () => Object.fromEntries([...emitters].map(([event, emitter]) => [
    event,
    emitter.listenerCount('close')
  ]))
  const before = counts()
  await app.close()
  t.strictSame(
    counts(),
    Object.fromEntries(Object.entries(before).map(([event, count]) => [event, count - 1]))
  )
  t.equal(emitters.size, 4)
  answer!()
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  t.equal(text, 'done')
  t.notOk(silent.closed || secure.closed)
})

t.test("two apps share a server if each leaves the other's upgrades; one can close", async (t) => {
  const { server, url, hand } = await ownServer(t)
  const first = await appOn(server, hand, '/a', { leaveUpgrades: ['/b'] })
  const second = await appOn(server, hand, '/b', { leaveUpgrades: ['/a'] })
  t.teardown(() => second.close())
  const a = await connect(`${url}/a`)
  const b = await connect(`${url}/b`)
  t.strictSame([await a.next(), await b.next()], ['/a', '/b'])
  await first.close()
  t.equal((await a.closed).code, 1012)
  b.send('x')
  t.equal(await b.next(), 'x')
  t.equal(await (await connect(`${url}/b`)).next(), '/b')
})

t.test('sockets and upgrades of another app on the server are left alone', async (t) => {
  const { server, url, hand } = await ownServer(t)
  const bare = Fastify({
    serverFactory: (listener) => { hand(listener as RequestListener); return server }
  })
  t.teardown(() => bare.close())
  await bare.register(fastifyWebsocket)
  // So that nothing is written when the listeners have run.
  bare.addHook('onRequest', async () => { await traffic() })
  bare.get('/bare', { websocket: true }, (socket) => {
    socket.on('message', (data) => { socket.send(String(data)) })
  })
  await bare.ready()
  const app = await appOn(server, hand, '/a')
  const other = await connect(`${url}/bare`)
  other.send('x')
  t.equal(await other.next(), 'x')
  t.equal((await refusal(`${url}/a`)).status, 404, 'by the app that has all upgrades routed')
  await bare.close()
  t.equal(await (await connect(`${url}/a`)).next(), '/a')
  await app.close()
})

t.test('the second of two apps has all upgrades by default; no socket is cut', async (t) => {
  const { server, url, hand } = await ownServer(t)
  const first = await appOn(server, hand, '/a')
  const second = await appOn(server, hand, '/b')
  t.teardown(() => first.close())
  const b = await connect(`${url}/b`)
  t.equal(await b.next(), '/b')
  t.equal((await refusal(`${url}/a`)).status, 404)
  await second.close()
  t.equal((await b.closed).code, 1012)
  t.equal(await (await connect(`${url}/a`)).next(), '/a')
})

t.test('an upgrade passed on to another app with the plugin is not cut by the first', async (t) => {
  const inner = await createApp(t)
  inner.socketRoute('/inner', { onOpen: () => 'in' }, {
    preHandler: async () => { await traffic() }
  })
  await inner.ready()
  const outer = await createApp(t)
  outer.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (request.url === '/inner') inner.server.emit('upgrade', request, socket, head)
  })
  const url = await listen(outer)
  const client = await connect(`${url}/inner`)
  t.equal(await client.next(), 'in')
  t.equal((await refusal(`${url}/nowhere`)).status, 404)
  client.socket.terminate()
})

t.test('requests and upgrades passed on by another server are served', async (t) => {
  const app = await createApp(t)
  app.get('/rest', async () => 'rest')
  app.post('/upload', async (request) => request.body)
  app.socketRoute('/', { onOpen: () => 'in' })
  await listen(app)
  const { server, url, hand } = await ownServer(t)
  hand((request, response) => { app.server.emit('request', request, response) })
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    app.server.emit('upgrade', request, socket, head)
  })
  t.equal(await rest(url), 'rest')
  const client = await connect(url)
  t.equal(await client.next(), 'in')
  t.equal((await refusal(`${url}/nowhere`)).status, 404)
  const upload = await tcp(url)
  upload.write(
    'POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n' +
    'Content-Length: 6\r\nConnection: close\r\n\r\nabc'
  )
  await once(server, 'request')
  await app.close()
  upload.write('def')
  t.match(await readAll(upload), /abcdef$/)
  // Connections alone, as of a listener that looks at the first bytes.
  const again = await createApp(t)
  again.get('/rest', async () => 'rest')
  again.socketRoute('/', { onOpen: () => 'in' })
  await again.ready()
  server.removeAllListeners('connection')
  server.on('connection', (socket) => { again.server.emit('connection', socket) })
  t.equal(await rest(url), 'rest')
  t.equal(await (await connect(url)).next(), 'in')
})

t.test("fastify.close() ends no tunnel and no response to an event but 'request'", async (t) => {
  const app = await createApp(t)
  app.server.on('connect', (_request, socket: Socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    socket.on('data', (data) => { socket.write(data) }).on('end', () => { socket.end() })
  })
  let finish: undefined | (() => void)
  app.server.on('checkContinue', (_request, response) => {
    response.writeContinue()
    finish = () => { response.end('continued') }
  })
  const url = await listen(app)
  const tunnel = await tcp(url)
  tunnel.write('CONNECT example:1 HTTP/1.1\r\nHost: example\r\n\r\n')
  await once(tunnel, 'data')
  const expecting = await tcp(url)
  expecting.write(
    'POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 0\r\n' +
    'Connection: close\r\n\r\n'
  )
  await until(() => finish !== undefined)
  const closed = app.close()
  await traffic()
  tunnel.write('through')
  t.equal(String((await once(tunnel, 'data'))[0]), 'through')
  finish!()
  t.match(await readAll(expecting), /continued$/)
  tunnel.destroy()
  await closed
})

t.test('an app that fails to start leaves the server as it was', async (t) => {
  const { server, hand } = await ownServer(t)
  const before = countsOf(server)
  const app = Fastify({
    serverFactory: (listener) => { hand(listener as RequestListener); return server }
  })
  await app.register(socketRoutes)
  app.register(async () => { throw new Error('no') })
  await t.rejects(async () => { await app.ready() })
  await app.close()
  t.strictSame(countsOf(server), before)
})

t.test('an app whose plugin cannot be registered leaves no listener on the server', async (t) => {
  const { server, hand } = await ownServer(t)
  const before = countsOf(server)
  const app = Fastify({
    serverFactory: (listener) => { hand(listener as RequestListener); return server }
  })
  app.decorate('socketHealth', async () => ({ status: 'ready' as const, connections: 0 }))
  await t.rejects(
    async () => { await app.register(socketRoutes) },
    { code: 'FST_ERR_DEC_ALREADY_PRESENT' }
  )
  await app.close()
  t.strictSame(countsOf(server), before)
})

t.test('a @fastify/websocket that listens to another server than Fastify is refused', async (t) => {
  const { server } = await ownServer(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register((await import('@fastify/websocket')).default, { options: { server } })
  await t.rejects(
    async () => { await app.register(socketRoutes) },
    { code: 'FSR_ERR_OPTION_INVALID', message: /websocket\.options\.server/ }
  )
})

t.test('unanswered upgrades are cut after handshakeTimeout, or with the app', async (t) => {
  const clock = new TestClock()
  const { server, hand } = await ownServer(t)
  let asked = 0
  const app = Fastify({
    serverFactory: (listener) => { hand(listener as RequestListener); return server }
  })
  await app.register(socketRoutes, { [kClock]: clock, handshakeTimeout: 1_000 } as object)
  app.socketRoute('/', { onOpen: () => 'in' }, {
    preHandler: async () => { asked++; await new Promise<never>(() => {}) }
  })
  await app.ready()
  const ask = async () => {
    const socket = connectTcp((server.address() as AddressInfo).port, '127.0.0.1')
    const end = once(socket.resume(), 'close')
    socket.write(handshake('/'))
    const before = asked
    await until(() => asked > before)
    return { socket, end }
  }
  const early = await ask()
  const gone = await ask()
  gone.socket.destroy()
  await traffic()
  await clock.advance(1_001)
  await early.end
  const late = await ask()
  await clock.during(app.close())
  await late.end
  t.equal(asked, 3)
})

t.test('app.routing answers the plain requests of another server', async (t) => {
  const app = await createApp(t)
  app.get('/rest', async () => 'rest')
  app.socketRoute('/ours', { onOpen: () => 'in' })
  await app.ready()
  const server = createServer((request, response) => { app.routing(request, response) })
  t.teardown(() => { server.close() })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const statuses = []
  for (const path of ['/rest', '/ours']) {
    statuses.push((await fetch(url + path, { headers: { connection: 'close' } })).status)
  }
  t.strictSame(statuses, [200, 426])
})
