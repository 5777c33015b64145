// The sockets of socket routes are created by the plugin's own ws, also if @fastify/websocket has
// another version, or was registered by the app.
import fastifyWebsocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import socketRoutes from '../../src/index.js'
import { connect, frame, handshake, readAll, refusal, tcp } from '../support/client.js'
import { failures } from '../support/hostile.js'
import { createApp, fastPath, listen } from '../support/server.js'

// As ws 8.18 makes a socket: it knows neither how many fragments a message may have, nor how many
// pongs may wait.
class OlderSocket extends WebSocket {
  setSocket (socket: Duplex, head: Buffer, { maxPayload }: { maxPayload: number }): void {
    Reflect.get(WebSocket.prototype, 'setSocket').call(this, socket, head, {
      maxPayload,
      skipUTF8Validation: false
    })
  }
}

async function beside (t: Test, plugin: object, options: object): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket, { options })
  await app.register(socketRoutes, { ...fastPath, ...plugin })
  return app
}

for (const isRegistered of [false, true]) {
  const by = isRegistered ? 'the app' : 'the plugin'
  t.test(`limits hold for other sockets of a @fastify/websocket by ${by}`, async (t) => {
    const app = isRegistered
      ? await beside(t, {}, { WebSocket: OlderSocket, maxPayload: 1_000_000 })
      : await createApp(t)
    // If the plugin has registered it, an older ws at the root of the app has created the server.
    app.websocketServer.options.WebSocket = OlderSocket as never
    app.socketRoute('/', { onMessage: (_connection, message) => message })
    app.get('/bare', { websocket: true }, (socket) => {
      socket.on('message', (data) => { socket.send(data) })
    })
    const classes: unknown[] = []
    app.websocketServer.on('connection', (socket) => { classes.push(socket.constructor) })
    const url = await listen(app)

    const [own, bare] = [await connect(`${url}/`), await connect(`${url}/bare`)]
    for (const client of [own, bare]) {
      client.socket.send('x', { fin: false })
      for (let count = 0; count < 200; count++) client.socket.send('x', { fin: false })
      client.socket.send('x', { fin: true })
    }
    t.equal((await own.closed).code, 1008)
    t.equal(String(await bare.next()).length, 202, 'sockets of other routes are left alone')
    const large = await connect(`${url}/`)
    large.socket.send(Buffer.alloc(65_537))
    t.equal((await large.closed).code, 1009)
    t.not(classes[0], OlderSocket)
    t.equal(classes[1], OlderSocket)
    bare.socket.terminate()
  })
}

t.test('limits and compression hold where the app has registered @fastify/websocket', async (t) => {
  const app = await beside(
    t,
    { maxPayload: 1_000, maxFragments: 3, compression: { threshold: 1 } },
    { perMessageDeflate: false }
  )
  app.socketRoute('/', { onMessage: (_connection, message) => message })
  const url = await listen(app)
  const client = await connect(url)
  t.match(client.socket.extensions, /permessage-deflate/)
  client.send('x'.repeat(900))
  t.equal(await client.next(), 'x'.repeat(900))
  client.socket.send('x'.repeat(1_001))
  t.equal((await client.closed).code, 1009)
})

t.test('a class of sockets of another ws is refused at registration', async (t) => {
  class Foreign {}
  for (const given of [Foreign, {}, null]) {
    await t.rejects(
      async () => await createApp(t, {
        plugin: { websocket: { options: { WebSocket: given as never } } }
      }),
      { code: 'FSR_ERR_OPTION_INVALID', message: /npm ls ws/ }
    )
  }
})

t.test('verifyClient and shouldHandle of the app refuse in the form of Fastify', async (t) => {
  const asked: unknown[] = []
  const verifiers = {
    yes: (info: { origin: string, secure: boolean }) => {
      asked.push([info.origin, info.secure])
      return true
    },
    no: () => false,
    later: async () => false,
    throws: () => { throw new Error('secret') },
    callback: (
      _info: unknown,
      done: (isVerified: boolean, code?: number, message?: string, headers?: object) => void
    ) => {
      done(false, 402, 'Pay', { 'x-price': '5' })
    },
    oddCode: (_info: unknown, done: (isVerified: boolean, code?: number) => void) => {
      done(false, 200)
    },
    goesOn: (_info: unknown, done: (isVerified: boolean) => void) => { setImmediate(done, true) },
    rejects: async (_info: unknown, _done: unknown) => { throw new Error('secret') }
  }
  const statusOf = async (
    verifyClient: unknown,
    isRegistered: boolean
  ): Promise<[number, unknown]> => {
    const options = { verifyClient: verifyClient as () => boolean }
    const app = isRegistered
      ? await beside(t, {}, options)
      : await createApp(t, { plugin: { websocket: { options } } })
    app.setErrorHandler(
      async (error: { code: string, statusCode: number }, _request, reply) =>
        await reply.code(error.statusCode ?? 500).send({ code: error.code, mine: true })
    )
    app.socketRoute('/', { onOpen: () => 'in' })
    const url = await listen(app)
    if (verifyClient === verifiers.yes || verifyClient === verifiers.goesOn) {
      const client = await connect(url)
      client.socket.terminate()
      return [101, undefined]
    }
    const { status, headers, body } = await refusal(url)
    t.equal((body as { mine?: boolean }).mine, true)
    return [status, headers['x-price']]
  }
  for (const isRegistered of [false, true]) {
    t.strictSame(await statusOf(verifiers.yes, isRegistered), [101, undefined])
    t.strictSame(await statusOf(verifiers.goesOn, isRegistered), [101, undefined])
    t.strictSame(await statusOf(verifiers.no, isRegistered), [401, undefined])
    t.strictSame(await statusOf(verifiers.later, isRegistered), [401, undefined])
    t.strictSame(await statusOf(verifiers.callback, isRegistered), [402, '5'])
    t.strictSame(await statusOf(verifiers.oddCode, isRegistered), [401, undefined])
    t.strictSame(await statusOf(verifiers.throws, isRegistered), [500, undefined])
    t.strictSame(await statusOf(verifiers.rejects, isRegistered), [500, undefined])
  }
  t.strictSame(asked, [[undefined, false], [undefined, false]])
  const refusing = await createApp(t)
  refusing.websocketServer.shouldHandle = (async () => false) as never
  refusing.socketRoute('/', { onOpen: () => 'in' })
  t.equal((await refusal(await listen(refusing))).status, 400, 'a promise is no yes')
  const app = await beside(t, {}, { path: '/other' })
  app.socketRoute('/', { onOpen: () => 'in' })
  t.match(await refusal(await listen(app)), {
    status: 400,
    body: { code: 'FSR_ERR_HANDSHAKE_INVALID' }
  })
})

const [, throwNothing] = failures.find(([what]) => what === 'throws undefined')!

t.test('shouldHandle or a user getter that throws undefined admits no client', async (t) => {
  const app = await createApp(t, {
    jwt: false,
    plugin: { websocket: { options: { verifyClient: () => false } } }
  })
  app.decorateRequest('user', { getter () { if (this.url === '/getter') throwNothing() } })
  app.socketRoute('/getter', { onOpen: () => 'in' })
  app.socketRoute('/should', { onOpen: () => 'in' })
  const url = await listen(app)
  t.match(await refusal(`${url}/getter`), { status: 500, body: { code: 'FSR_ERR_NOT_AN_ERROR' } })
  t.match(await refusal(`${url}/should`), { status: 401, body: { code: 'FSR_ERR_CLIENT_REFUSED' } })
  app.websocketServer.shouldHandle = throwNothing as () => never
  t.match(await refusal(`${url}/should`), { status: 500, body: { code: 'FSR_ERR_NOT_AN_ERROR' } })
})

t.test('a handshake that ws would reject itself is rejected in the form of Fastify', async (t) => {
  const app = await createApp(t, { plugin: { compression: true } })
  app.setErrorHandler(
    async (error: { code: string, statusCode: number }, _request, reply) =>
      await reply.code(error.statusCode).send({ code: error.code, mine: true })
  )
  app.socketRoute('/', { onOpen: () => 'in' })
  const url = await listen(app)
  const answer = async (headers: Record<string, undefined | string>, start?: string) => {
    const socket = await tcp(url)
    socket.write(handshake('/', headers, start))
    return await readAll(socket)
  }
  const cases: Array<[number, Record<string, undefined | string>]> = [
    [400, { 'Sec-WebSocket-Key': 'short' }],
    [400, { 'Sec-WebSocket-Key': undefined }],
    [400, { 'Sec-WebSocket-Version': undefined }],
    [426, { 'Sec-WebSocket-Version': '8' }],
    [426, { Upgrade: 'websocket, h2c' }],
    [400, { 'Sec-WebSocket-Extensions': 'permessage-deflate; =' }],
    [400, { 'Sec-WebSocket-Extensions': ',' }],
    [400, { 'Sec-WebSocket-Extensions': 'permessage-deflate; a="' }]
  ]
  for (const [status, headers] of cases) {
    const text = await answer(headers)
    t.match(text, new RegExp(`^HTTP/1\\.1 ${status} [^]*"mine":true`), JSON.stringify(headers))
  }
  t.match(await answer({}, 'POST / HTTP/1.1'), /^HTTP\/1\.1 404 [^]*Not Found/)
})

t.test('an invalid offer of compression is declined; the connection is uncompressed', async (t) => {
  const app = await createApp(t, { plugin: { compression: { threshold: 1 } } })
  app.socketRoute('/', { onMessage (_connection, message, clients) { clients.broadcast(message) } })
  const url = await listen(app)
  const agreed = async (offer: string): Promise<undefined | string> => {
    const socket = await tcp(url)
    socket.write(handshake('/', { 'Sec-WebSocket-Extensions': offer }))
    socket.write(frame('hello'))
    let text = ''
    for await (const chunk of socket) {
      text += String(chunk)
      if (/\r\n\r\n./.test(text)) break
    }
    const agreed = /Sec-WebSocket-Extensions: (.*)\r/.exec(text)?.[1]
    if (agreed === undefined) t.match(text, /^HTTP\/1\.1 101 [^]*hello$/, offer)
    return agreed
  }
  for (const bits of [8, 9, 10, 11]) {
    t.equal(await agreed(`permessage-deflate; server_max_window_bits=${bits}`), undefined)
  }
  for (const bits of [12, 15]) {
    t.match(
      await agreed(`permessage-deflate; server_max_window_bits=${bits}`),
      /server_max_window_bits=12/
    )
  }
  t.match(
    await agreed('permessage-deflate; server_max_window_bits=10, permessage-deflate'),
    /^permessage-deflate; /
  )
  t.match(
    await agreed('x-webkit-deflate-frame, permessage-deflate; client_max_window_bits=8'),
    /client_max_window_bits=8/
  )
  // Offers after the sixteenth are ignored.
  t.match(await agreed(`${'x-unknown, '.repeat(15)}permessage-deflate`), /^permessage-deflate/)
  for (const offer of [
    `${'x-unknown, '.repeat(16)}permessage-deflate`,
    'permessage-deflate; nonsense=1',
    'permessage-deflate; server_max_window_bits=7',
    'permessage-deflate; server_max_window_bits=9999999999',
    'permessage-deflate; server_no_context_takeover=1',
    'permessage-deflate; client_max_window_bits; client_max_window_bits',
    'x-unknown; a=1'
  ]) t.equal(await agreed(offer), undefined, offer)
})

t.test('the offers of a client are not parsed without compression', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onMessage: (_connection, message) => message })
  const socket = await tcp(await listen(app))
  socket.write(handshake('/', {
    'Sec-WebSocket-Extensions': 'permessage-deflate; server_max_window_bits=8'
  }))
  socket.write(frame('x'))
  let text = ''
  for await (const chunk of socket) {
    text += String(chunk)
    if (text.endsWith('x')) break
  }
  t.match(text, /^HTTP\/1\.1 101 /)
  t.notMatch(text, /Sec-WebSocket-Extensions/)
})
