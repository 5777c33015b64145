import { once } from 'node:events'
import {
  connect as connectHttp2,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders
} from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import jwt from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { kClock } from '../../src/clock.js'
import socketRoutes from '../../src/index.js'
import asyncapi from '../../src/operate/asyncapi/index.js'
import ui from '../../src/operate/ui/ui.js'
import { connect, handshake, readAll, refusal } from '../support/client.js'
import { StillClock, TestClock } from '../support/clock.js'
import { SECRET } from '../support/server.js'
import { tls } from '../support/tls.js'
import { traffic } from '../support/traffic.js'
import { until } from '../support/until.js'

const servers: Record<string, object> = {
  'without TLS': { http2: true },
  'with TLS': { http2: true, https: tls },
  'with allowHTTP1': { http2: true, https: { ...tls, allowHTTP1: true } }
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Sends a request, and waits for its end; status 0 if there is no answer. */
async function ask (
  session: ClientHttp2Session,
  path: string,
  headers: OutgoingHttpHeaders = {},
  body?: string
): Promise<Answer> {
  const stream = session.request({ ':path': path, ...headers }, { endStream: false })
  let answered: IncomingHttpHeaders = {}
  let text = ''
  stream.on('response', (headers) => { answered = headers }).on('data', (chunk) => {
    text += String(chunk)
  }).on('error', () => {})
  stream.end(body)
  await new Promise((resolve) => { stream.on('close', resolve) })
  return { status: Number(answered[':status'] ?? 0), headers: answered, text }
}

async function createApp (t: Test, options: object, clock: TestClock = new StillClock()): Promise<{
  app: FastifyInstance
  url: string
  open: () => Promise<ClientHttp2Session>
}> {
  const app = Fastify(options) as unknown as FastifyInstance
  t.teardown(() => clock.during(app.close()))
  await app.register(jwt, { secret: SECRET })
  await app.register(socketRoutes, { [kClock]: clock } as object)
  await app.register(asyncapi, { info: { title: 'HTTP/2', version: '1.0.0' } })
  await app.register(ui, { prefix: '/console' })
  app.socketRoute('/chat', {
    onMessage: (_connection, message) => message,
    onClose: () => 'goodbye'
  })
  app.socketRoute('/guarded', { onOpen: () => 'in' }, 'ROLE_USER')
  app.socketRoute('/schema', { onOpen: () => 'in' }, {
    schema: { querystring: { type: 'object', properties: { size: { type: 'integer' } } } }
  })
  app.get('/both', async () => 'rest')
  app.socketRoute('/both', { onOpen: () => 'in' })
  app.get('/rest', async () => 'rest')
  app.get('/health', app.socketHealth)
  app.post('/upload', async (request) => request.body)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const open = async () => {
    const session = connectHttp2(url, { ca: tls.cert })
    session.on('error', () => {})
    await once(session, 'connect')
    return session
  }
  return { app, url, open }
}

for (const [name, options] of Object.entries(servers)) {
  t.test(`over HTTP/2 a socket route has its documented responses: ${name}`, async (t) => {
    const { app, open } = await createApp(t, options)
    const session = await open()
    const token = (roles: string[]) => ({
      authorization: `Bearer ${app.jwt.sign({ sub: 'alice', roles })}`
    })
    const answers: Array<[string, number, OutgoingHttpHeaders?, string?]> = [
      ['/chat', 426],
      ['/chat/', 426],
      ['/guarded', 401],
      ['/guarded', 403, token(['OTHER'])],
      ['/guarded', 426, token(['ROLE_USER'])],
      ['/schema?size=x', 400],
      ['/both', 200],
      ['/nowhere', 404],
      ['/chat', 404, { ':method': 'HEAD' }],
      ['/chat', 404, { ':method': 'POST' }, 'x'],
      ['/chat/%zz', 400],
      // A handshake of HTTP/1.
      [
        '/chat',
        426,
        { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' }
      ],
      [
        '/both',
        426,
        { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' }
      ],
      ['/rest', 200],
      ['/health', 200],
      ['/asyncapi/asyncapi.json', 200],
      ['/console/', 200]
    ]
    for (const [path, status, headers, body] of answers) {
      const answer = await ask(session, path, headers, body)
      t.equal(answer.status, status, `${path}: ${answer.text.slice(0, 200)}`)
      t.strictSame([answer.headers.connection, answer.headers.upgrade], [undefined, undefined])
    }
    t.match((await ask(session, '/chat')).text, /FSR_ERR_UPGRADE_REQUIRED/)
    session.close()
  })

  t.test(`no request over HTTP/2 ends the process: ${name}`, async (t) => {
    const { open } = await createApp(t, { ...options, http2SessionTimeout: 1_000 })
    const methods = ['GET', 'HEAD', 'POST', 'OPTIONS', 'CONNECT', 'QUERY', 'PRI', 'FOO', '']
    const more: OutgoingHttpHeaders[] = [
      {}, {
        ':protocol': 'websocket'
      }, {
        ':authority': ''
      }, { ':path': '*' }, { ':path': '' }, { te: 'trailers' }, { cookie: 'a' },
      { expect: '100-continue' }, { expect: 'x' }, { 'content-length': '7' }, {
        'sec-websocket-version': '8'
      }, { host: 'a' }, { origin: 'null' }
    ]
    let session = await open()
    let answered = 0
    for (const method of methods) {
      for (const headers of more) {
        for (const path of [
          '/chat',
          '/guarded',
          '/rest',
          '/nowhere',
          '//',
          '/chat?access_token=x&ticket=y'
        ]) {
          const { ':path': own = path } = headers
          const target = method === 'CONNECT' && headers[':protocol'] === undefined
            ? { ':authority': 'x:1' }
            : { ':path': own }
          if (session.closed || session.destroyed) session = await open()
          try {
            if ((await ask(session, path, {
              ...headers,
              ':method': method,
              ...target
            })).status > 0) {
              answered++
            }
          } catch {
            // Node's client refuses to send it.
          }
        }
      }
    }
    t.ok(answered > 200, String(answered))
    session.destroy()
    // A new session, as an earlier one may have timed out on a slow machine.
    let text = ''
    while (text === '') {
      session = await open()
      ;({ text } = await ask(session, '/rest'))
      session.destroy()
    }
    t.equal(text, 'rest')
  })

  t.test(`extended CONNECT (RFC 8441) is rejected, also if announced: ${name}`, async (t) => {
    const { open } = await createApp(t, {
      ...options,
      ...('https' in options
        ? { https: { ...options.https as object, settings: { enableConnectProtocol: true } } }
        : { http: { settings: { enableConnectProtocol: true } } })
    })
    const session = await open()
    const answer = await ask(session, '/chat', {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      'sec-websocket-version': '13'
    })
    t.equal(answer.status, 405)
    t.equal((await ask(session, '/rest')).text, 'rest', 'and the session goes on')
    session.close()
  })

  t.test(`a stop ends idle sessions at once, others after their responses: ${name}`, async (t) => {
    const clock = new TestClock()
    const { app, url, open } = await createApp(t, options, clock)
    const idle = await open()
    const used = await open()
    await ask(used, '/rest')
    // A client that has agreed on HTTP/2, sends nothing more, and ignores the end.
    const { port } = new URL(url)
    const raw = 'https' in options
      ? connectTls({
        port: Number(port),
        host: '127.0.0.1',
        ca: tls.cert,
        servername: 'localhost',
        ALPNProtocols: ['h2'],
        ...{ allowHalfOpen: true }
      })
      : connectTcp({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
    raw.on('error', () => {})
    await once(raw, 'secureConnect' in raw || 'https' in options ? 'secureConnect' : 'connect')
    raw.write(Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
    ]))
    const upload = async (session: ClientHttp2Session) => {
      const stream = session.request(
        { ':path': '/upload', ':method': 'POST', 'content-type': 'text/plain' },
        { endStream: false }
      )
      let text = ''
      const end = new Promise<string>((resolve) => {
        stream.on('data', (chunk) => { text += String(chunk) }).on('error', () => {}).on(
          'close',
          () => { resolve(text) }
        )
      })
      // Fastify answers 503 to what comes when the app closes already.
      const asked = once(app.server, 'request')
      stream.write('a')
      await asked
      return { stream, end }
    }
    const busy = await upload(await open())
    const silent = await upload(await open())
    const sessions = Promise.all([idle, used].map((session) => once(session, 'close')))
    let isClosed = false
    const closed = app.close().then(() => { isClosed = true })
    await sessions
    for (let second = 0; second < 3; second++) {
      busy.stream.write('b')
      await clock.advance(1_001)
    }
    t.equal(await silent.end, '', 'silence is cut')
    t.notOk(isClosed)
    busy.stream.end('c')
    t.equal(await busy.end, 'abbbc')
    await clock.during(closed)
    raw.destroy()
  })
}

for (const [name, https] of [
  ['without TLS', undefined],
  ['with TLS, agreed on only then', tls]
] as const) {
  t.test(`a session that begins after the drain is ended: ${name}`, async (t) => {
    const app = Fastify({ http2: true, ...(https && { https }) }) as unknown as FastifyInstance
    await app.register(socketRoutes)
    // After the drain, and before Fastify stops listening.
    app.addHook('preClose', async () => {
      const session = connectHttp2('http://localhost', {
        createConnection: () => early === undefined
          ? connectTcp(path)
          : connectTls({
            socket: early,
            ca: tls.cert,
            servername: 'localhost',
            ALPNProtocols: ['h2']
          })
      })
      session.on('error', () => {})
      await once(session, 'close')
      t.ok(session.destroyed)
    })
    // Connections by a Unix socket have no address, by which they would be ended before.
    const path = join(tmpdir(), `fastify-socket-route-${process.pid}.sock`)
    await app.listen({ path })
    const early = https && connectTcp(path)
    if (early !== undefined) await once(early, 'connect')
    await traffic()
    await app.close()
    early?.destroy()
  })
}

t.test('a client of HTTP/1 that stays on a server of HTTP/2 does not delay a stop', async (t) => {
  // Longer than the test: Node's own default is ten seconds.
  const { app, url } = await createApp(t, {
    http2: true,
    https: { ...tls, unknownProtocolTimeout: 600_000 }
  })
  const tcp = connectTcp({
    port: Number(new URL(url).port),
    host: '127.0.0.1',
    allowHalfOpen: true
  })
  const socket = connectTls({ socket: tcp, ca: tls.cert, servername: 'localhost' })
  t.teardown(() => { socket.destroy() })
  socket.on('error', () => {})
  socket.write(handshake('/chat'))
  t.match(await readAll(socket), /^HTTP\/1\.0 403 Forbidden/)
  await app.close()
})

t.test('with allowHTTP1 sockets, refusals, limits and the stop are as over HTTPS', async (t) => {
  const { app, url, open } = await createApp(t, servers['with allowHTTP1']!)
  const ws = url.replace('https', 'wss')
  const client = await connect(`${ws}/chat`, [], { ca: tls.cert })
  client.send('hello')
  t.equal(await client.next(), 'hello')
  t.equal((await refusal(`${ws}/guarded`, [], { ca: tls.cert })).status, 401)
  const large = await connect(`${ws}/chat`, [], { ca: tls.cert })
  large.send(Buffer.alloc(65_537))
  t.equal((await large.closed).code, 1009)
  const plain = connectTls({
    port: Number(new URL(url).port),
    host: '127.0.0.1',
    ca: tls.cert,
    servername: 'localhost'
  })
  plain.write(handshake('/chat', {
    Upgrade: undefined,
    'Sec-WebSocket-Key': undefined,
    'Sec-WebSocket-Version': undefined,
    Connection: 'close'
  }))
  t.match(await readAll(plain), /^HTTP\/1\.1 426 [^]*upgrade: websocket/)
  const silent = connectTls({
    port: Number(new URL(url).port),
    host: '127.0.0.1',
    ca: tls.cert,
    servername: 'localhost'
  })
  await once(silent, 'secureConnect')
  const ended = once(silent.on('error', () => {}).resume(), 'close')
  const session = await open()
  t.equal((await ask(session, '/health')).text.includes('"connections":1'), true)
  await app.close()
  t.equal((await client.closed).code, 1012)
  t.strictSame(client.unread, ['goodbye'])
  await ended
  await until(() => session.destroyed)
})
