import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type {
  SocketPluginOptions, SocketRouteHandle, SocketRouteOptions, WsConnection
} from '../../src/index.js'
import {
  connect,
  connectAs,
  connectWhenFree,
  frame,
  handshake,
  refusal,
  tcp,
  type Client
} from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { pause, turns, until } from '../support/until.js'

// A token that comes as the first message, for clients that can put it nowhere else.

interface Setup {
  readonly app: FastifyInstance
  readonly url: string
  readonly calls: string[]
  readonly lines: string[]
}

async function createMessageApp (
  t: Test,
  options: Partial<SocketRouteOptions> = {},
  plugin: SocketPluginOptions = {},
  clock?: TestClock
): Promise<Setup> {
  const lines: string[] = []
  const calls: string[] = []
  const app = await createApp(t, {
    plugin,
    clock,
    fastify: { logger: { level: 'trace', stream: { write: (line) => { lines.push(line) } } } }
  })
  app.socketRoute('/', {
    onOpen: (connection: WsConnection) => {
      calls.push('open')
      return `hello ${(connection.user as { sub: string }).sub}`
    },
    onMessage: (_connection, message) => { calls.push(message.text); return message },
    onClose: (_connection, { code }) => { calls.push(`close ${code}`) },
    onError: (_connection, error) => { calls.push(error.message) }
  }, { isGranted: 'ROLE_USER', tokenFrom: ['header', 'message'], ...options } as SocketRouteOptions)
  app.get('/health', app.socketHealth)
  return { app, url: await listen(app), calls, lines }
}

// A client that has sent its token.
async function enter (url: string, token: string): Promise<Client> {
  const client = await connect(url)
  client.send(token)
  t.match(await client.next(), /^hello/)
  return client
}

t.test('a token as the first message admits its user and is in no callback', async (t) => {
  const { app, url, calls, lines } = await createMessageApp(t)
  const client = await connect(url)
  const token = tokenOf(app)
  for (const text of [token, 'a', 'b', 'c']) client.send(text)
  t.strictSame(await client.take(4), ['hello alice', 'a', 'b', 'c'])
  client.send('d')
  t.equal(await client.next(), 'd')
  await client.close()
  await until(() => calls.length === 6)
  t.strictSame(calls, ['open', 'a', 'b', 'c', 'd', 'close 1005'])
  t.notOk(lines.some((line) => line.includes(token)))
})

t.test('until the token has come the connection is no client of the route', async (t) => {
  const { app, url, calls } = await createMessageApp(t)
  const clients = app.socketRoutes.get('/')!.clients
  const client = await connect(url)
  app.socketRoutes.get<SocketRouteHandle>('/')!.broadcast('for clients only')
  t.equal(clients.size, 0)
  client.send(tokenOf(app))
  t.equal(await client.next(), 'hello alice')
  t.equal(clients.size, 1)
  t.strictSame(calls, ['open'])
})

t.test('a token in another place is taken first; a wrong one is still a 401', async (t) => {
  const { app, url } = await createMessageApp(t)
  t.equal(await (await connectAs(tokenOf(app), url)).next(), 'hello alice')
  t.equal((await refusal(url, [], { headers: { authorization: 'Bearer broken' } })).status, 401)
})

t.test('without the option a connection without a token is rejected', async (t) => {
  const { url } = await createMessageApp(t, { tokenFrom: ['header'] })
  t.equal((await refusal(url)).body.code, 'FSR_ERR_TOKEN_MISSING')
})

t.test('a first message without a valid token closes, and no callback runs', async (t) => {
  const { app, url, calls, lines } = await createMessageApp(t)
  const cases: Array<[message: string | Buffer, code: number, reason: string]> = [
    ['', 4401, 'token not valid'],
    ['hello', 4401, 'token not valid'],
    [Buffer.from(tokenOf(app)), 4401, 'token not valid'],
    [tokenOf(app, undefined, { exp: 5 }), 4401, 'token expired'],
    [tokenOf(app, ['OTHER']), 4403, 'not granted']
  ]
  for (const [message, code, reason] of cases) {
    const client = await connect(url)
    client.send(message)
    client.send('more')
    t.strictSame(await client.closed, { code, reason })
    t.strictSame(client.unread, [])
  }
  t.strictSame(calls, [])
  t.ok(lines.some((line) => line.includes('the token of a first message was refused')))
})

t.test('pings and fragments before the token count; messages after it are dropped', async (t) => {
  const { url, calls } = await createMessageApp(t)
  const pinging = await tcp(url)
  pinging.write(handshake('/'))
  await once(pinging, 'data')
  // In sequence, as ws ends a client that does not read its pongs.
  const ping = (): void => { pinging.write(frame('', 0x9)) }
  pinging.on('data', ping)
  const closed = closeFrameOf(pinging)
  ping()
  t.equal(await closed, 1008)

  const refused = await tcp(url)
  refused.write(handshake('/'))
  await once(refused, 'data')
  const reason = closeFrameOf(refused)
  refused.write(Buffer.concat([frame('binary', 0x2), frame('text'), frame('text')]))
  t.equal(await reason, 4401)
  t.strictSame(calls, [])
})

t.test('more than 256 messages behind the token close where ws reads at once', async (t) => {
  const { app, url, calls } = await createMessageApp(t, {}, { fastPath: false })
  const socket = await tcp(url)
  socket.write(handshake('/'))
  await once(socket, 'data')
  const reason = closeFrameOf(socket)
  const token = Buffer.from(tokenOf(app))
  const first = Buffer.concat([
    Buffer.from([0x81, 0x80 | 126, token.length >> 8, token.length & 0xff, 0, 0, 0, 0]),
    token
  ])
  socket.write(Buffer.concat([first, ...Array.from({ length: 300 }, () => frame('x'))]))
  t.equal(await reason, 1008)
  t.strictSame(calls, [])
})

// The code of the close frame that the server sends, behind its pongs.
async function closeFrameOf (socket: Socket): Promise<number> {
  let bytes = Buffer.alloc(0)
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer])
    let at = 0
    while (at + 1 < bytes.length) {
      if (bytes[at] === 0x88) return bytes.readUInt16BE(at + 2)
      at += 2 + bytes[at + 1]!
    }
  }
  throw new Error('the socket ended without a close frame')
}

t.test('a revoked user is rejected, also if revoked while isGranted runs', async (t) => {
  const { app, url, calls } = await createMessageApp(t)
  const token = tokenOf(app, undefined, { iat: Math.floor(Date.now() / 1000) - 5 })
  let answer: undefined | ((isGranted: boolean) => void)
  const slow = await createApp(t)
  slow.socketRoute('/', { onOpen: () => { calls.push('slow') } }, {
    tokenFrom: ['message'],
    isGranted: async () => await new Promise<boolean>((resolve) => { answer = resolve })
  })
  const asked = await connect(await listen(slow))
  asked.send(token)
  await until(() => answer !== undefined)
  await slow.socketRevoke({ sub: 'alice' })
  answer!(true)
  t.strictSame(await asked.closed, { code: 4401, reason: 'token not valid' })

  await app.socketRevoke({ sub: 'alice' })
  const client = await connect(url)
  client.send(token)
  t.strictSame(await client.closed, { code: 4401, reason: 'token not valid' })
  t.strictSame(calls, [])
})

t.test('a token that does not come in time closes with 4401', async (t) => {
  const clock = new TestClock()
  const { url, calls } = await createMessageApp(t, {}, {}, clock)
  t.strictSame(await clock.during((await connect(url)).closed), {
    code: 4401,
    reason: 'token missing'
  })
  // A ping is no token.
  const client = await connect(url)
  client.socket.ping()
  t.equal((await clock.during(client.closed)).code, 4401)
  t.strictSame(calls, [])
})

t.test('a check that takes too long counts as well', async (t) => {
  const clock = new TestClock()
  const { app, url, calls } = await createMessageApp(
    t,
    { isGranted: async () => await new Promise<boolean>(() => {}) },
    {},
    clock
  )
  const client = await connect(url)
  client.send(tokenOf(app))
  t.strictSame(await clock.during(client.closed), { code: 4401, reason: 'token missing' })
  t.strictSame(calls, [])
})

t.test('a check that fails closes with 1011, and the log says why', async (t) => {
  const { app, url, calls, lines } = await createMessageApp(t, {
    isGranted: () => { throw new Error('out of order') }
  })
  const client = await connect(url)
  client.send(tokenOf(app))
  t.strictSame(await client.closed, { code: 1011, reason: 'internal error' })
  t.strictSame(calls, [])
  t.ok(lines.some((line) => line.includes('out of order') && line.includes('"level":50')))
})

t.test('connections that wait for their token count for the caps', async (t) => {
  const { app, url } = await createMessageApp(t, { connections: { perRoute: 2 } })
  const first = await connect(url)
  const second = await connect(url)
  t.equal((await refusal(url)).body.code, 'FSR_ERR_ROUTE_FULL')
  second.send(tokenOf(app))
  await second.next()
  t.equal((await refusal(url)).status, 503, 'it is counted once, not less')
  await first.close()
  const third = await connectWhenFree(url)
  third.send(tokenOf(app))
  await third.next()
  await third.close()
  await second.close()
  for (let count = 0; count < 2; count++) await connectWhenFree(url)
  t.equal((await refusal(url)).status, 503, 'and not more')

  const perIp = await createMessageApp(t, { connections: { perIp: 1 } })
  const only = await connect(perIp.url)
  t.equal((await refusal(perIp.url)).body.code, 'FSR_ERR_CONNECTIONS_TOO_MANY')
  await only.close()
  const entered = await connectWhenFree(perIp.url)
  entered.send(tokenOf(perIp.app))
  await entered.next()
  t.equal((await refusal(perIp.url)).status, 429)
})

t.test('the cap of the user is asked when the user is known', async (t) => {
  const { app, url } = await createMessageApp(t, { connections: { perUser: 1 } })
  await enter(url, tokenOf(app))
  const second = await connect(url)
  second.send(tokenOf(app))
  t.strictSame(await second.closed, { code: 4429, reason: 'too many connections' })
  await enter(url, tokenOf(app, undefined, { sub: 'bob' }))

  const oldest = await createMessageApp(t, {
    connections: { perUser: { max: 1, on: 'close-oldest' } }
  })
  const first = await enter(oldest.url, tokenOf(oldest.app))
  await enter(oldest.url, tokenOf(oldest.app))
  t.equal((await first.closed).code, 1008)
})

t.test('an answer that comes when the time is over changes nothing', async (t) => {
  const answers: Array<(error?: Error) => void> = []
  const isGranted = async (): Promise<boolean> => await new Promise((resolve, reject) => {
    answers.push((error) => { if (error === undefined) resolve(true); else reject(error) })
  })
  const clock = new TestClock()
  const { app, url, calls, lines } = await createMessageApp(
    t,
    { isGranted, connections: { perRoute: 1 } },
    {},
    clock
  )
  for (const error of [undefined, new Error('too late')]) {
    const client = await connectWhenFree(url)
    client.send(tokenOf(app))
    await until(() => answers.length === 1)
    t.strictSame(await clock.during(client.closed), { code: 4401, reason: 'token missing' })
    answers.pop()!(error)
    await turns(5)
  }
  t.strictSame(calls, [])
  t.notOk(lines.some((line) => line.includes('too late')))
})

t.test('a client that leaves while its token is checked is opened and closed', async (t) => {
  let answer: undefined | ((isGranted: boolean) => void)
  const { app, url, calls } = await createMessageApp(t, {
    isGranted: async () => await new Promise<boolean>((resolve) => { answer = resolve })
  })
  const client = await connect(url)
  client.send(tokenOf(app))
  await until(() => answer !== undefined)
  client.socket.terminate()
  answer!(true)
  await until(() => calls.length === 2)
  t.strictSame(calls, ['open', 'close 1006'])
})

t.test('a client that leaves or violates the protocol before its token is forgotten', async (t) => {
  const { app, url, calls } = await createMessageApp(t, { connections: { perRoute: 1 } })
  for (let count = 0; count < 3; count++) await (await connectWhenFree(url)).close()
  await (await connectWhenFree(url)).close()
  await until(() => app.websocketServer.clients.size === 0)
  const socket = await tcp(url)
  socket.write(handshake('/'))
  await new Promise((resolve) => { socket.once('data', resolve) })
  // A frame that is not masked.
  socket.write(Buffer.from([0x81, 1, 0x78]))
  let received = Buffer.alloc(0)
  for await (const chunk of socket) received = Buffer.concat([received, chunk as Buffer])
  t.equal(received.readUInt16BE(2), 1002)
  const client = await connectWhenFree(url)
  t.equal(client.socket.readyState, 1)
  t.strictSame(calls, [])
})

t.test('a first message larger than maxPayload closes with 1009', async (t) => {
  const { url } = await createMessageApp(t)
  const client = await connect(url)
  client.send('x'.repeat(70_000))
  t.equal((await client.closed).code, 1009)
})

t.test('so does one that is larger than the maxPayload of the route', async (t) => {
  const { url } = await createMessageApp(t, { maxPayload: 100 })
  const client = await connect(url)
  client.send('x'.repeat(101))
  t.strictSame(await client.closed, { code: 1009, reason: 'message too big' })
})

t.test('fastify.close() ends those who wait as well: 1012, or by force', async (t) => {
  const clock = new TestClock()
  const { app, url, calls } = await createMessageApp(t, {}, {}, clock)
  const client = await connect(url)
  const deaf = await tcp(url)
  deaf.write(handshake('/'))
  await new Promise((resolve) => { deaf.once('data', resolve) })
  const ended = new Promise((resolve) => { deaf.once('close', resolve) })
  await clock.during(app.close())
  t.strictSame(await client.closed, { code: 1012, reason: 'service restart' })
  await ended
  t.strictSame(calls, [])
})

t.test('a rejected client that does not answer the close is cut after closeTimeout', async (t) => {
  const clock = new TestClock()
  const { url, lines } = await createMessageApp(t, { closeTimeout: 60_000 }, {}, clock)
  const socket = await tcp(url)
  const ended = new Promise((resolve) => { socket.once('close', resolve) })
  socket.write(handshake('/'))
  await new Promise((resolve) => { socket.once('data', resolve) })
  socket.write(frame('broken'))
  socket.write(frame('and more'))
  socket.on('data', () => {})
  await until(() => lines.some((line) => line.includes('was refused')))
  const start = clock.now()
  await clock.during(ended)
  t.ok(clock.now() - start <= 1_000, 'a client that was never admitted is cut soon')
})

t.test('a rejected client that is closing is not closed again by fastify.close()', async (t) => {
  const clock = new TestClock()
  const { app, url, lines } = await createMessageApp(t, {}, {}, clock)
  const socket = await tcp(url)
  const ended = new Promise((resolve) => { socket.once('close', resolve) })
  socket.write(handshake('/'))
  await new Promise((resolve) => { socket.once('data', resolve) })
  socket.write(frame('broken'))
  socket.resume()
  await until(() => lines.some((line) => line.includes('was refused')))
  await clock.during(app.close())
  await ended
  t.notOk(lines.some((line) => line.includes('the connection is closed')))
})

t.test('a client that leaves right behind its token is not opened', async (t) => {
  let answer: undefined | ((isGranted: boolean) => void)
  const { app, url, calls } = await createMessageApp(t, {
    isGranted: async () => await new Promise<boolean>((resolve) => { answer = resolve })
  })
  const token = Buffer.from(tokenOf(app))
  const head = Buffer.from([0x81, 0x80 | 126, 0, 0, 0, 0, 0, 0])
  head.writeUInt16BE(token.length, 2)
  for (const [what, last] of Object.entries({
    'an unknown opcode': frame('', 0x3),
    'a close frame': frame(Buffer.from([0x03, 0xe8]), 0x8)
  })) {
    const socket = await tcp(url)
    socket.write(handshake('/'))
    await new Promise((resolve) => { socket.once('data', resolve) })
    socket.write(Buffer.concat([head, token, frame('a'), last]))
    await until(() => answer !== undefined)
    const ended = new Promise((resolve) => { socket.resume().once('close', resolve) })
    answer!(true)
    answer = undefined
    await ended
    t.strictSame(calls, [], what)
  }
  for (let count = 0; (await app.inject({ url: '/health' })).json<{
    connections: number
  }>().connections > 0; count++) {
    await pause(count)
  }
})

t.test('resets at every stage of a first message leave nothing', async (t) => {
  let answer: undefined | ((isGranted: boolean) => void)
  const { app, url } = await createMessageApp(t, {
    isGranted: async () => await new Promise<boolean>((resolve) => { answer = resolve }),
    connections: { perRoute: 3 }
  })
  const left = async () =>
    (await app.inject({ url: '/health' })).json<{ connections: number }>().connections
  for (let round = 0; round < 5; round++) {
    const early = await connectWhenFree(url)
    early.socket.terminate()
    const during = await connectWhenFree(url)
    during.send(tokenOf(app))
    await until(() => answer !== undefined)
    during.socket.terminate()
    answer!(true)
    answer = undefined
    const refused = await connectWhenFree(url)
    refused.send('broken')
    refused.socket.terminate()
  }
  const entered = await connectWhenFree(url)
  entered.send(tokenOf(app))
  await until(() => answer !== undefined)
  answer!(true)
  await entered.next()
  await entered.close()
  for (let count = 0; await left() > 0; count++) await pause(count)
  t.equal(app.socketRoutes.get('/')!.clients.size, 0)
})

t.test('it works with injectWS', async (t) => {
  const { app } = await createMessageApp(t)
  const messages: string[] = []
  const socket = await app.injectWS('/', {}, {
    onInit: (ws) => { ws.on('message', (data) => { messages.push(String(data)) }) }
  })
  socket.send(tokenOf(app))
  await until(() => messages.length > 0)
  t.strictSame(messages, ['hello alice'])
  socket.terminate()
})
