import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTls } from 'node:tls'
import jwt from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import socketRoutes from '../../src/index.js'
import { connect, refusal, tcp } from '../support/client.js'
import { SECRET } from '../support/server.js'
import { tls } from '../support/tls.js'
import { turns, until } from '../support/until.js'

// P43
t.test('socket routes are served over TLS by the https option of Fastify', async (t) => {
  const app = Fastify({ https: tls })
  t.teardown(() => app.close())
  await app.register(jwt, { secret: SECRET })
  await app.register(socketRoutes)
  app.socketRoute(
    '/',
    {
      onOpen: () => 'welcome',
      onMessage: (_connection, message) => message,
      onClose: () => 'goodbye'
    },
    'ROLE_USER'
  )
  app.get('/rest', async (request) => request.protocol)
  const url = (await app.listen({ port: 0, host: '127.0.0.1' })).replace('https', 'wss')
  t.match(url, /^wss:/)
  t.equal((await refusal(url, [], { ca: tls.cert })).status, 401)
  const client = await connect(url, ['bearer', app.jwt.sign({ roles: ['ROLE_USER'] })], {
    ca: tls.cert
  })
  client.send('hello')
  t.strictSame(await client.take(2), ['welcome', 'hello'])
  t.equal((await app.inject('/rest')).statusCode, 200)
  await app.close()
  t.equal((await client.closed).code, 1012)
  t.strictSame(client.unread, ['goodbye'])
})

t.test('an app with HTTP/2 has socket routes over HTTP/1.1', async (t) => {
  const app = Fastify({ http2: true, https: { ...tls, allowHTTP1: true } })
  t.teardown(() => app.close())
  await app.register(socketRoutes as never)
  const routes = app as unknown as FastifyInstance
  routes.socketRoute('/', {
    onMessage: (_connection, message) => message,
    onClose: () => 'goodbye'
  })
  let isAsked = false
  let isClosing = false
  app.get('/slow', async () => { isAsked = true; await until(() => isClosing); return 'done' })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const client = await connect(url.replace('https', 'wss'), [], { ca: tls.cert })
  client.send('hello')
  t.equal(await client.next(), 'hello')

  const session = connectHttp2(url, { ca: tls.cert })
  const stream = session.request({ ':path': '/slow' })
  const answer = new Promise<string>((resolve, reject) => {
    let text = ''
    stream.on('data', (chunk) => { text += String(chunk) }).on('end', () => { resolve(text) }).on(
      'error',
      reject
    )
  })
  await until(() => isAsked)
  const closed = app.close()
  await turns(5)
  isClosing = true
  t.equal(await answer, 'done')
  session.close()
  await closed
  t.strictSame(client.unread, ['goodbye'])
})

for (const [name, options] of Object.entries({
  TLS: { https: tls },
  'HTTP/2 over TLS': { http2: true, https: { ...tls, allowHTTP1: true } }
})) {
  t.test(`silent and half-open TLS connections do not delay a stop, ${name}`, async (t) => {
    const app = Fastify(options as object) as unknown as FastifyInstance
    t.teardown(() => app.close())
    await app.register(socketRoutes)
    app.socketRoute('/', { onMessage: (_connection, message) => message, onClose: () => 'goodbye' })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const client = await connect(url.replace('https', 'wss'), [], { ca: tls.cert })
    const silent = await tcp(url)
    const half = await tcp(url)
    // The beginning of a ClientHello.
    half.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]))
    const gone = await tcp(url)
    gone.destroy()
    const ended = Promise.all([silent, half].map((socket) => once(
      socket.on('error', () => {}).resume(),
      'close'
    )))
    await app.close()
    await ended
    t.equal((await client.closed).code, 1012)
    t.strictSame(client.unread, ['goodbye'])
  })
}

t.test('a TCP connection to a TLS server made after the drain is ended at once', async (t) => {
  const app = Fastify({ https: tls })
  t.teardown(() => app.close())
  await app.register(socketRoutes)
  // After the drain, and before Fastify stops listening.
  app.addHook('preClose', async () => {
    await once((await tcp(url)).on('error', () => {}).resume(), 'close')
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  await app.close()
  t.pass()
})

t.test('TLS connections by a Unix socket do not end each other', async (t) => {
  const app = Fastify({ https: tls })
  t.teardown(() => app.close())
  await app.register(socketRoutes)
  app.get('/', async () => 'rest')
  // Not in a directory of the test: the path of a Unix socket has at most 107 bytes.
  const directory = mkdtempSync(join(tmpdir(), 'socket-'))
  t.teardown(() => { rmSync(directory, { recursive: true, force: true }) })
  const path = join(directory, 'app.sock')
  await app.listen({ path })
  const open = async () => {
    const socket = connectTls({ path, ca: tls.cert, servername: 'localhost' })
    await once(socket, 'secureConnect')
    return socket
  }
  const sockets = [await open(), await open()]
  for (const socket of sockets) {
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 [^]*rest$/)
  }
  const ends = sockets.map((socket) => once(socket.on('error', () => {}).resume(), 'close'))
  await app.close()
  await Promise.all(ends)
})
