import { IncomingMessage } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import type { WsConnection } from '../../src/index.js'
import { compactHeaders, outlines } from '../../src/socket/compact-request.js'
import { connect, connectAs } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { until } from '../support/until.js'

// Some time after the upgrade.
const isCompact = ({ raw }: FastifyRequest) => raw.constructor !== IncomingMessage

// Also in the run without it.
const plugin = { fastPath: true }

// No test runs beside another.
const clock = new TestClock()

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

declare module 'fastify' {
  interface FastifyRequest { tenant: string }
}

t.test('the request of a connection is readable in every callback, at any time', async (t) => {
  const app = await createApp(t, { plugin, clock })
  const told: unknown[] = []
  const tell = ({ params, query, headers, ip, protocol, user }: WsConnection) => {
    const { 'sec-websocket-key': key, ...others } = headers
    told.push({ params, query, headers: others, key: typeof key, ip, protocol, user })
  }
  const { promise, resolve } = withResolvers()
  let request: undefined | FastifyRequest
  app.socketRoute('/:room', {
    onOpen: (connection) => { tell(connection) },
    onMessage: (connection) => { tell(connection) },
    onClose: (connection) => { tell(connection); resolve() }
  }, { protocols: ['chat'], preHandler: async (given) => { request = given } })
  const url = await listen(app)
  const headers = {
    cookie: 'a=1; b="two"',
    'x-tenant': 'Zoë',
    'user-agent': 'a browser',
    'accept-language': 'de'
  }
  const client = await connect(`${url}/lobby?x=1&y=2&y=3`, ['chat'], {
    headers: { ...headers, 'x-tenant': Buffer.from('Zoë', 'utf8').toString('latin1') }
  })
  await clock.during(until(() => isCompact(request!)))
  client.send('x')
  await until(() => told.length === 2)
  await client.close()
  await promise
  const expected = {
    params: { room: 'lobby' },
    query: { x: '1', y: ['2', '3'] },
    headers: {
      'sec-websocket-version': '13',
      connection: 'Upgrade',
      upgrade: 'websocket',
      ...headers,
      'x-tenant': Buffer.from('Zoë', 'utf8').toString('latin1'),
      'sec-websocket-protocol': 'chat',
      'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits',
      host: url.slice('ws://'.length)
    },
    key: 'string',
    ip: '127.0.0.1',
    protocol: 'chat',
    user: null
  }
  t.strictSame(told.map((each) => JSON.parse(JSON.stringify(each))), [expected, expected, expected])
})

t.test('the raw request is a stream without a body', async (t) => {
  const app = await createApp(t, { plugin, clock })
  const { promise, resolve } = withResolvers<FastifyRequest>()
  let request: undefined | FastifyRequest
  app.socketRoute('/', { onOpen: () => { resolve(request!) } }, {
    preHandler: async (given) => { request = given }
  })
  const client = await connect(await listen(app))
  const given = await promise
  await clock.during(until(() => isCompact(given)))
  const { raw } = given
  t.strictSame(
    [raw.readable, raw.readableEnded, raw.readableLength, raw.destroyed],
    [true, false, 0, false]
  )
  t.strictSame([raw.trailers, raw.rawTrailers, raw.complete], [{}, [], true])
  for await (const chunk of raw) t.fail(String(chunk))
  t.strictSame([raw.readable, raw.readableEnded, raw.aborted], [false, true, false])
  client.send('x')
  t.equal(client.socket.readyState, client.socket.OPEN)
})

t.test('headers keep their order, and are always the same object', async (t) => {
  const app = await createApp(t, { plugin, clock })
  const { promise, resolve } = withResolvers<WsConnection>()
  let names: string[] = []
  let request: undefined | FastifyRequest
  app.socketRoute('/', { onOpen: resolve }, {
    preHandler: async (given) => { request = given; names = Object.keys(given.headers) }
  })
  await connect(await listen(app), [], {
    headers: { 'x-b': '1', accept: '*/*', 'x-a': '2', 7: 'seven' }
  })
  const connection = await promise
  await clock.during(until(() => isCompact(request!)))
  const { headers } = connection
  t.equal(connection.headers, headers)
  t.strictSame(Object.keys(headers), names)
  t.equal(headers['7'], 'seven')
})

t.test('a predicate at a renewal gets the same request as at the upgrade', async (t) => {
  const app = await createApp(t, { plugin, clock })
  app.decorateRequest('tenant', '')
  app.addHook('onRequest', async (request) => {
    request.tenant = String(request.headers['x-tenant'])
  })
  const seen: Array<[FastifyRequest, unknown]> = []
  app.socketRoute('/:room', {
    onMessage: async (connection, message) => {
      await connection.renew(message.text)
      return 'renewed'
    }
  }, (_user, request) => {
    const {
      params,
      query,
      headers,
      tenant,
      url,
      originalUrl,
      method,
      ip,
      host,
      hostname,
      protocol,
      is404,
      raw: { rawHeaders, httpVersion, socket, complete }
    } = request
    seen.push([
      request,
      JSON.parse(JSON.stringify({
        params,
        query,
        headers,
        tenant,
        url,
        originalUrl,
        method,
        ip,
        host,
        hostname,
        protocol,
        is404,
        httpVersion,
        port: socket.remotePort,
        complete,
        count: rawHeaders.length
      }))
    ])
    return request.raw instanceof IncomingMessage && request.raw.socket === request.socket
  })
  const token = tokenOf(app)
  const client = await connect(`${await listen(app)}/lobby?x=1`, [], {
    headers: { authorization: `Bearer ${token}`, 'x-tenant': 'a' }
  })
  await clock.during(until(() => isCompact(seen[0]![0])))
  client.send(tokenOf(app, ['ROLE_USER'], { jti: '2' }))
  t.equal(await client.next(), 'renewed')
  const [[first, before], [second, after]] = seen as [(typeof seen)[0], (typeof seen)[0]]
  t.equal(second, first)
  t.strictSame(after, { ...before as object, complete: true })
  t.match(after, {
    tenant: 'a',
    params: { room: 'lobby' },
    query: { x: '1' },
    headers: { authorization: `Bearer ${token}` },
    method: 'GET'
  })
})

t.test('who has left before is not made smaller', async (t) => {
  const app = await createApp(t, { plugin, clock })
  const requests: FastifyRequest[] = []
  const { promise, resolve } = withResolvers()
  app.socketRoute('/', { onClose: () => { resolve() } }, {
    preHandler: async (request) => { requests.push(request) }
  })
  const url = await listen(app)
  const first = await connect(url)
  first.socket.terminate()
  await promise
  await connect(url)
  await clock.during(until(() => isCompact(requests[1]!)))
  t.equal(isCompact(requests[0]!), false)
})

for (const [what, hook] of Object.entries({
  'has a listener': (request: FastifyRequest) => { request.raw.on('close', () => {}) },
  'has a property of the app': (request: FastifyRequest) => {
    Object.assign(request.raw, { visitor: 'alice' })
  },
  'has a property of the app named by a symbol': (request: FastifyRequest) => {
    Object.assign(request.raw, { [Symbol('visitor')]: 'alice' })
  },
  'has a header that a schema has made a number': (request: FastifyRequest) => {
    Object.assign(request.raw.headers, { 'x-count': 3 })
  }
})) {
  t.test(`a raw request that ${what} stays what it was`, async (t) => {
    const app = await createApp(t, { plugin, clock })
    const requests: Array<{ request: FastifyRequest, raw: IncomingMessage }> = []
    app.addHook('onRequest', async (request) => { requests.push({ request, raw: request.raw }) })
    app.socketRoute('/kept', { onOpen () {} }, { onRequest: async (request) => { hook(request) } })
    app.socketRoute('/', { onOpen () {} })
    const url = await listen(app)
    await connect(`${url}/kept`)
    await connect(url)
    await clock.during(until(() => isCompact(requests[1]!.request)))
    t.equal(requests[0]!.request.raw, requests[0]!.raw)
  })
}

t.test('while connected nothing keeps the raw request and its response', async (t) => {
  const app = await createApp(t, { plugin, clock })
  const kept: Array<WeakRef<object>> = []
  app.addHook('onRequest', async (request, reply) => {
    kept.push(new WeakRef(request.raw), new WeakRef(reply.raw), new WeakRef(reply))
  })
  app.socketRoute('/', { onMessage: (_connection, message) => message }, 'ROLE_USER')
  const client = await connectAs(tokenOf(app), await listen(app))
  await clock.during(until(() => {
    collect()
    return kept.every((each) => each.deref() === undefined)
  }))
  t.equal(kept.length, 3)
  client.send('still here')
  t.equal(await client.next(), 'still here')
})

t.test('listeners on the raw response of an upgrade hear the end of the connection', async (t) => {
  const app = await createApp(t, { plugin, clock })
  const { promise, resolve } = withResolvers()
  app.addHook('onRequest', async (_request, reply) => { reply.raw.on('close', resolve) })
  app.socketRoute('/', { onMessage: (_connection, message) => message })
  const client = await connect(await listen(app))
  client.send('x')
  t.equal(await client.next(), 'x')
  client.socket.terminate()
  await promise
})

function withResolvers<T = void> (): { promise: Promise<T>, resolve: (value: T) => void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((_resolve) => { resolve = _resolve })
  return { promise, resolve }
}

t.test('headers come back as they were, in their order', async (t) => {
  const headers = { 'x-own': 'Zoë', host: 'example.com', cookie: '', accept: '*/*' }
  const restored = compactHeaders(headers)!.restore()
  t.strictSame(restored, headers)
  t.strictSame(Object.keys(restored), Object.keys(headers))
})

t.test('the largest number of kinds of headers is told apart', async (t) => {
  const given = Array.from({ length: 1_050 }, (_, index) => ({
    'user-agent': `a browser ${index}`,
    cookie: `n=${index}`
  }))
  t.strictSame(
    given.map((headers) => compactHeaders(headers)!).map((kept) => kept.restore()),
    given
  )
  const long = { 'user-agent': 'a'.repeat(4_000) }
  t.strictSame(compactHeaders(long)!.restore(), long)
})

t.test('only so many outlines are shared, and none that is long', async (t) => {
  outlines.clear()
  for (let index = 0; index < 1_000; index++) compactHeaders({ 'user-agent': `a browser ${index}` })
  t.equal(outlines.size, 1_000)
  compactHeaders({ 'user-agent': 'a'.repeat(2_048) })
  t.equal(outlines.size, 1_000)
  compactHeaders({ 'user-agent': 'one more' })
  t.equal(outlines.size, 1)
  compactHeaders({ 'user-agent': 'one more', cookie: 'n=1' })
  compactHeaders({ 'user-agent': 'one more', cookie: 'n=2' })
  t.equal(outlines.size, 2, 'the values of one connection are not part of them')
  const frame = JSON.stringify({ accept: '' }).length
  compactHeaders({ accept: 'a'.repeat(2_048 - frame) })
  t.equal(outlines.size, 3)
  compactHeaders({ accept: 'a'.repeat(2_049 - frame) })
  t.equal(outlines.size, 3)
})

t.test('headers that are not text are not kept', async (t) => {
  t.equal(compactHeaders({ 'x-count': 3 } as never), undefined)
  t.equal(compactHeaders({ 'set-cookie': ['a=1'] }), undefined)
})
