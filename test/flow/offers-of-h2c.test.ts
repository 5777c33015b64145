import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t from 'tap'
import socketRoutes from '../../src/index.js'
import { handshake, tcp } from '../support/client.js'
import { createApp, listen } from '../support/server.js'
import { tls } from '../support/tls.js'
import { traffic } from '../support/traffic.js'
import { until } from '../support/until.js'

// As Java's HttpClient and `curl --http2` send them with every request.
const offer = (start: string, more = '') =>
  `${start} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n${more}`

/** All that has come on a connection. */
function listenTo (socket: Socket): { text: string, isEnded: boolean } {
  const seen = { text: '', isEnded: false }
  socket.on('data', (chunk) => { seen.text += String(chunk) }).on('close', () => {
    seen.isEnded = true
  }).on('error', () => {})
  return seen
}

const servers: Record<string, FastifyServerOptions | { http2: true, https: object }> = {
  'HTTP/1': {},
  HTTPS: { https: tls } as object,
  'HTTP/2 with allowHTTP1': { http2: true, https: { ...tls, allowHTTP1: true } }
}
for (const [name, options] of Object.entries(servers)) {
  t.test(`requests that offer h2c get plain responses, one after the other: ${name}`, async (t) => {
    const warnings: string[] = []
    const warn = (warning: Error) => { warnings.push(warning.message) }
    process.on('warning', warn)
    t.teardown(() => { process.removeListener('warning', warn) })
    const app = Fastify(options as object) as unknown as FastifyInstance
    t.teardown(() => app.close())
    await app.register(socketRoutes)
    const offers: unknown[] = []
    app.get('/rest', async ({ headers }) => { offers.push(headers.upgrade); return 'rest' })
    app.post('/echo', async (request) => request.body)
    app.socketRoute('/chat', { onOpen: () => 'in' })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const socket = name === 'HTTP/1'
      ? await tcp(url)
      : connectTls(Number(new URL(url).port), '127.0.0.1', {
        ca: tls.cert,
        servername: 'localhost'
      })
    const seen = listenTo(socket)
    const answers = () => seen.text.split('HTTP/1.1 ').slice(1)
    const ask = async (request: string, ...rest: string[]) => {
      const count = answers().length
      socket.write(request)
      for (const each of rest) {
        await traffic()
        socket.write(each)
      }
      await until(() => answers().length > count && !seen.text.endsWith('\r\n\r\n'))
      return answers().at(-1)!
    }
    t.match(await ask(`${offer('GET /rest')}\r\n`), /^200 [^]*rest$/)
    const body = JSON.stringify({ text: 'x'.repeat(20) })
    t.match(
      await ask(
        `${offer('POST /echo', `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`)}\r\n${body}`
      ),
      /^200 [^]*x{20}/
    )
    t.match(
      await ask(
        `${offer('POST /echo', `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`)}\r\n`,
        body.slice(0, 5),
        body.slice(5)
      ),
      /^200 [^]*x{20}/,
      'the body comes later'
    )
    t.match(
      await ask(
        `${offer('POST /echo', 'Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n')}\r\n3\r\nabc\r\n0\r\n\r\n`
      ),
      /^200 [^]*abc/
    )
    t.match(
      await ask(`${offer('GET /chat')}\r\n`),
      /^426 [^]*upgrade: websocket[^]*FSR_ERR_UPGRADE_REQUIRED/
    )
    t.match(await ask(`${offer('GET /nowhere')}\r\n`), /^404 /)
    for (let count = 0; count < 20; count++) await ask(`${offer('GET /rest')}\r\n`)
    t.match(await ask('GET /rest HTTP/1.1\r\nHost: localhost\r\n\r\n'), /^200 /)
    t.notOk(seen.isEnded)
    t.equal(offers[0], 'h2c', 'a handler may look at the offer')
    t.strictSame(warnings, [])
    // A WebSocket on the same connection.
    socket.removeAllListeners('data')
    socket.write(handshake('/chat'))
    const [data] = await once(socket, 'data')
    t.match(String(data), /^HTTP\/1\.1 101 /)
    socket.destroy()
  })
}

// Node 24 and later read the offer as a plain request by themselves, and answer it in its turn.
const skip = 'shouldUpgradeCallback' in createServer()
  ? 'this version of Node answers it in its turn'
  : false
t.test('an offer behind a request without an answer ends the connection, and the process lives', {
  skip
}, async (t) => {
  const app = await createApp(t)
  app.get('/slow', async () => await new Promise(() => {}))
  const socket = await tcp(await listen(app))
  const end = once(socket.resume(), 'close')
  socket.write(`GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n${offer('GET /slow')}\r\n`)
  await end
  t.equal((await app.inject('/nowhere')).statusCode, 404)
})

t.test('an offer with more headers than Node reads is cut, since its end is not known', {
  skip
}, async (t) => {
  const app = await createApp(t)
  const asked: string[] = []
  app.addHook('onRequest', async ({ url }) => { asked.push(url) })
  const url = await listen(app)
  for (const [count, most] of [[1_100], [70, 32]] as const) {
    if (most !== undefined) app.server.maxHeadersCount = most
    const socket = await tcp(url)
    const end = once(socket.resume(), 'close')
    const behind = 'GET /behind HTTP/1.1\r\nHost: localhost\r\n\r\n'
    socket.write(
      `${offer('POST /echo', `${'a:\r\n'.repeat(count)}Content-Length: ${behind.length}\r\n`)}\r\n${behind}`
    )
    await end
    t.strictSame(asked, [])
  }
  app.server.maxHeadersCount = 0
  const socket = await tcp(url)
  socket.write(`${offer('GET /all', 'a:\r\n'.repeat(1_100))}\r\n`)
  await once(socket, 'data')
  t.strictSame(asked, ['/all'])
  socket.destroy()
})

// Node reads it as it reads Connection, as old clients and proxies send it.
t.test('an offer by way of Proxy-Connection is answered as a plain one, too', async (t) => {
  const app = await createApp(t)
  app.get('/rest', async () => 'rest')
  const url = await listen(app)
  for (const name of ['Proxy-Connection', 'PROXY-CONNECTION']) {
    for (const more of ['', 'Connection: upgrade\r\n', 'Connection: keep-alive\r\n']) {
      const socket = await tcp(url)
      const seen = listenTo(socket)
      socket.write(
        `GET /rest HTTP/1.1\r\nHost: localhost\r\n${name}: Upgrade, HTTP2-Settings\r\n${more}Upgrade: h2c\r\n\r\n`
      )
      await until(() => seen.text.endsWith('rest'))
      t.match(seen.text, /^HTTP\/1\.1 200 /)
      socket.destroy()
    }
  }
})

// Servers of Node 24 and later ask which upgrades to take. Those before have no such property.
t.test('a server that reads offers as plain requests itself is told its upgrades', async (t) => {
  const server = Object.assign(createServer(), {
    shouldUpgradeCallback (this: unknown): boolean { return this === server }
  })
  const { shouldUpgradeCallback } = server
  const app = await createApp(t, {
    fastify: { serverFactory: () => server },
    plugin: { leaveUpgrades: ['/theirs'] }
  })
  const takes = (url: string, upgrade: string) =>
    (server.shouldUpgradeCallback as (request: object) => boolean)({ url, headers: { upgrade } })
  t.strictSame(
    [takes('/', 'websocket'), takes('/', 'h2c'), takes('/theirs', 'h2c')],
    [true, false, true]
  )
  await app.close()
  t.equal(server.shouldUpgradeCallback, shouldUpgradeCallback, 'and is left as it was')
})

t.test('each of two apps on such a server removes its own callback only', async (t) => {
  const server = Object.assign(createServer(), { shouldUpgradeCallback: () => true })
  const create = (path: string) => createApp(t, {
    fastify: { serverFactory: () => server },
    plugin: { leaveUpgrades: [path] }
  })
  const apps = [await create('/one'), await create('/two')] as const
  const takes = (url: string) =>
    (server.shouldUpgradeCallback as (request: object) => boolean)({
      url,
      headers: { upgrade: 'h2c' }
    })
  t.strictSame(
    [takes('/'), takes('/one'), takes('/two')],
    [false, false, false],
    'each has its own say'
  )
  await apps[0].close()
  t.strictSame(
    [takes('/'), takes('/one'), takes('/two')],
    [false, false, true],
    'that of the second holds'
  )
  await apps[1].close()
  t.equal(takes('/'), true)
})
