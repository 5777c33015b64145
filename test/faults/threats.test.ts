import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { deflateRawSync } from 'node:zlib'
import t from 'tap'
import type { SocketController, WsConnection } from '../../src/index.js'
import { defaults } from '../../src/options/resolve-options.js'
import { connect, connectAs, frame, handshake, refusal } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { closeCodeOf, faultServer, raw, rawFrame, rawOpen } from '../support/faults.js'
import { SECRET, tokenOf } from '../support/server.js'
import { traffic } from '../support/traffic.js'
import { turns, until } from '../support/until.js'

// Each test is named by a threat, and fails without what protects from it. The variations are in
// test/flow.

for (const [what, fail] of Object.entries<() => unknown>({
  throws: () => { throw new Error('no') },
  rejects: async () => { await null; throw new Error('no') },
  'meets bad JSON': () => JSON.parse('{')
})) {
  t.test(`a handler ${what}: the process lives, others are unaffected`, async (t) => {
    const server = await faultServer(t, {
      logsErrors: true,
      controller: {
        onMessage: (_connection, message) => (message.text === 'fail' ? fail() : message) as string
      }
    })
    const [client, other] = [await connect(server.url), await connect(server.url)]
    client.send('fail')
    t.strictSame(await client.closed, { code: 1011, reason: 'internal error' })
    other.send('fine')
    t.equal(await other.next(), 'fine')
    await other.close()
    await server.unharmed()
  })
}

t.test('messages while an async onOpen runs: 20 of 20 arrive, in order', async (t) => {
  const seen: string[] = []
  let open: undefined | (() => void)
  const server = await faultServer(t, {
    controller: {
      onOpen: async () => {
        await new Promise<void>((resolve) => { open = resolve })
        seen.push('open')
      },
      onMessage: (_connection, message) => { seen.push(message.text) }
    }
  })
  const client = await connect(server.url)
  const sent = Array.from({ length: 20 }, (_item, index) => `${index}`)
  for (const text of sent) client.send(text)
  await traffic()
  t.strictSame(seen, [])
  open!()
  await until(() => seen.length === 21)
  t.strictSame(seen, ['open', ...sent])
  await client.close()
  await server.unharmed()
})

t.test('replies of async handlers: in order per connection', async (t) => {
  const server = await faultServer(t, {
    controller: {
      onMessage: async (_connection, message) => {
        await turns(20 - Number(message.text))
        return message
      }
    }
  })
  const client = await connect(server.url)
  const sent = Array.from({ length: 20 }, (_item, index) => `${index}`)
  for (const text of sent) client.send(text)
  t.strictSame(await client.take(20), sent)
  await client.close()
  await server.unharmed()
})

t.test('a client that reads none of 128 MB is cut; others get everything', async (t) => {
  const connections: WsConnection[] = []
  const server = await faultServer(t, {
    controller: { onOpen: (connection) => { connections.push(connection) } }
  })
  const deaf = await rawOpen(server.url)
  deaf.socket.pause()
  const healthy = await connect(server.url)
  await until(() => connections.length === 2)
  const message = Buffer.alloc(256 * 1024)
  let most = 0
  for (let count = 0; count < 512; count++) {
    server.route.broadcast(message)
    most = Math.max(most, connections[0]!.bufferedAmount)
    if ((await healthy.next()).length !== message.length) t.fail('another message')
  }
  t.ok(most < 2 * 1024 * 1024, `${most} bytes waited`)
  t.strictSame(server.codes, [1013])
  deaf.socket.destroy()
  await healthy.close()
  await server.unharmed()
})

// Sends until nothing is taken for a while, and returns the number of handled messages.
async function stalled (handled: () => number): Promise<number> {
  for (let before = -1; handled() > before;) {
    before = handled()
    await turns(500)
  }
  return handled()
}

t.test('a client that does not read its own replies (256 MB) is not read from', async (t) => {
  let handled = 0
  let connection: undefined | WsConnection
  const server = await faultServer(t, {
    controller: {
      onMessage: (given) => { handled++; connection = given; return Buffer.alloc(64 * 1024) }
    }
  })
  const client = await rawOpen(server.url)
  client.socket.pause()
  client.socket.write(Buffer.concat(Array(4_096).fill(frame('more'))))
  await until(() => handled > 0)
  t.ok(await stalled(() => handled) < 1_000, `${handled} of 4096 replies`)
  t.ok(connection!.bufferedAmount < 256 * 1024, `${connection!.bufferedAmount} bytes wait`)
  client.socket.resetAndDestroy()
  await server.close()
  await server.gone()
})

t.test('a flood at a slow handler has bounded work, and TCP slows the client down', async (t) => {
  let running = 0
  let release: () => void
  const released = new Promise<void>((resolve) => { release = resolve })
  const server = await faultServer(t, {
    controller: { onMessage: async () => { running++; await released } }
  })
  const client = await rawOpen(server.url)
  const flood = rawFrame({ opcode: 0x2, payload: Buffer.alloc(60_000) })
  let written = 0
  // 240 MB.
  for (let count = 0; count < 4_000; count++) client.socket.write(flood, () => { written++ })
  await until(() => running > 0)
  t.ok(await stalled(() => written) < 1_000, `${written} of 4000 messages were taken`)
  t.equal(running, 1)
  client.socket.resetAndDestroy()
  release!()
  await server.close()
  await server.gone()
})

t.test('a dead peer: it is pinged at most every 25 seconds, and cut', async (t) => {
  t.strictSame(defaults.heartbeat, { interval: 25_000, timeout: 10_000 }, 'by default')
  const server = await faultServer(t)
  const dead = await rawOpen(server.url)
  await server.clock.during(dead.closed)
  t.ok(dead.received().includes(Buffer.of(0x89, 0x00)), 'it was pinged')
  await server.unharmed()
  t.strictSame(server.codes, [1006])
})

t.test('a stop with a client that never reads or answers: 1012, a deadline, the end', async (t) => {
  const server = await faultServer(t, {
    plugin: { drain: { deadline: 5_000 }, outbox: { limit: 100_000_000 }, closeTimeout: 1_000_000 }
  })
  const deaf = await rawOpen(server.url)
  deaf.socket.pause()
  server.route.broadcast(Buffer.alloc(20_000_000))
  const mute = await rawOpen(server.url)
  await server.close()
  t.strictSame(server.codes, [1012, 1012])
  await mute.closed
  t.equal(closeCodeOf(mute.received()), 1012)
  deaf.socket.destroy()
  await server.gone()
})

t.test('a stop with a silent TCP connection, or half a handshake: closed too', async (t) => {
  const server = await faultServer(t)
  const [silent, half] = [await raw(server.url), await raw(server.url)]
  half.socket.write(handshake('/').slice(0, 60))
  await traffic()
  await server.close()
  await Promise.all([silent.closed, half.closed])
  await server.gone()
})

t.test('cross-site hijack: 403 by default, before the upgrade', async (t) => {
  let opened = 0
  const server = await faultServer(t, {
    setUp: (app) => {
      app.socketRoute('/good', { onOpen: () => { opened++ } }, {
        origins: /https:\/\/good\.example/
      })
    }
  })
  const own = server.url.replace('ws', 'http')
  for (const origin of ['https://evil.example', 'null', `${own}.evil.example`]) {
    t.equal((await refusal(server.url, [], { headers: { origin } })).status, 403, origin)
  }
  t.equal(
    (await refusal(`${server.url}/good`, [], {
      headers: { origin: 'https://good.example.evil.example' }
    })).status,
    403
  )
  t.equal(server.opened + opened, 0)
  await server.unharmed()
})

t.test('an unknown sub-protocol: none is selected, and no token is echoed', async (t) => {
  const server = await faultServer(t)
  for (const [offered, answered] of [
    ['unknown, other', undefined],
    ['unknown, a-secret-token', undefined],
    ['bearer, a-secret-token', 'bearer']
  ] as const) {
    const client = await raw(server.url)
    client.socket.write(handshake('/', { 'Sec-WebSocket-Protocol': offered }))
    const head = await client.until('\r\n\r\n')
    t.match(head, /^HTTP\/1\.1 101 /)
    t.equal(/sec-websocket-protocol: (.*)\r\n/i.exec(head)?.[1], answered)
    t.notMatch(head, 'a-secret-token')
    client.socket.destroy()
  }
  await server.unharmed()
})

t.test('an upgrade on a REST route; HTTP/1.0; no Host: refused', async (t) => {
  let handled = 0
  const server = await faultServer(t, {
    setUp: (app) => { app.get('/rest', async () => { handled++ }) }
  })
  for (const [request, status] of [
    [handshake('/rest'), 404], [
      handshake('/', {}, 'GET / HTTP/1.0'),
      400
    ], [handshake('/', { Host: undefined }), 400]
  ] as const) {
    const client = await raw(server.url)
    client.socket.write(request)
    t.match(await client.closed, new RegExp(`^HTTP/1\\.1 ${status} `))
  }
  t.equal(handled + server.opened, 0)
  await server.unharmed()
})

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const sign = (header: object, payload: unknown, secret = SECRET) => {
  const data = `${encode(header)}.${encode(payload)}`
  return `${data}.${createHmac('sha256', secret).update(data).digest('base64url')}`
}
const HS256 = { alg: 'HS256', typ: 'JWT' }
const payload = { sub: 'alice', roles: ['ROLE_USER'] }
const guarded = { route: { isGranted: 'ROLE_USER' } }

t.test('forged, expired, premature, unsigned and malformed tokens: 401 for each', async (t) => {
  const server = await faultServer(t, guarded)
  const now = Math.floor(Date.now() / 1000)
  for (const [what, token] of Object.entries({
    forged: sign(HS256, payload, 'another secret of thirty-two bytes or more'),
    expired: sign(HS256, { ...payload, exp: now - 10 }),
    'not yet valid': sign(HS256, { ...payload, nbf: now + 1_000 }),
    unsigned: `${encode({ alg: 'none' })}.${encode(payload)}.`,
    'of a wrong algorithm': sign({ alg: 'RS256' }, payload),
    'with an unknown crit': sign({ ...HS256, crit: ['x'], x: 1 }, payload),
    'with claims of wrong types': sign(HS256, { ...payload, exp: 'soon' }),
    'with a payload that is no object': sign(HS256, 'x'),
    malformed: 'a.b.c'
  })) {
    t.equal((await refusal(server.url, ['bearer', token])).status, 401, what)
  }
  t.equal(server.opened, 0)
  await (await connect(server.url, ['bearer', sign(HS256, payload)])).close()
  await server.unharmed()
})

t.test('roles: "xadminx", a string where a list belongs: 403', async (t) => {
  const server = await faultServer(t, { route: { isGranted: 'admin' } })
  for (const roles of [
    'xadminx',
    'admin,other',
    ['xadminx'],
    [['admin']],
    { admin: true },
    'ADMIN'
  ]) {
    t.equal(
      (await refusal(server.url, ['bearer', tokenOf(server.app, roles)])).status,
      403,
      JSON.stringify(roles)
    )
  }
  for (const roles of [['admin'], 'other admin']) {
    await (await connectAs(tokenOf(server.app, roles), server.url)).close()
  }
  await server.unharmed()
})

t.test('a token without exp is a 401 with requireExpiry; the query is not read', async (t) => {
  const server = await faultServer(t, {
    fastify: { disableRequestLogging: true },
    route: { isGranted: 'ROLE_USER', requireExpiry: true }
  })
  t.equal((await refusal(server.url, ['bearer', tokenOf(server.app)])).status, 401)
  const token = tokenOf(server.app, undefined, { exp: Math.floor(Date.now() / 1000) + 1_000 })
  for (const name of ['token', 'access_token', 'jwt', 'authorization']) {
    t.equal((await refusal(`${server.url}/?${name}=${token}`)).status, 401, name)
  }
  await (await connectAs(token, server.url)).close()
  await server.unharmed()
})

t.test('messages over a rate: slowed down, then 4429', async (t) => {
  let handled = 0
  const clock = new TestClock()
  const server = await faultServer(t, {
    clock,
    route: { rate: { messages: 2, tolerance: 3 } },
    controller: { onMessage: () => { handled++ } }
  })
  const client = await connect(server.url)
  for (let count = 0; count < 100; count++) client.send('x')
  await until(() => handled === 2)
  await clock.advance(3_000)
  t.equal((await client.closed).code, 4429)
  t.equal(handled, 8)
  await server.unharmed()
})

t.test('connections over a cap: 503 or 429 before the upgrade', async (t) => {
  const server = await faultServer(t, {
    logsErrors: true,
    route: { connections: { perRoute: 1 } },
    setUp: (app) => {
      app.socketRoute('/user', { onOpen: () => 'in' }, {
        isGranted: 'ROLE_USER',
        connections: { perUser: 1 }
      })
    }
  })
  const clients = [
    await connect(server.url),
    await connectAs(tokenOf(server.app), `${server.url}/user`)
  ]
  t.equal((await refusal(server.url)).status, 503)
  t.equal((await refusal(`${server.url}/user`, ['bearer', tokenOf(server.app)])).status, 429)
  t.equal(server.opened, 1)
  for (const client of clients) await client.close()
  await server.unharmed()
})

t.test('many zip bombs with compression are closed with 1009 at maxPayload', async (t) => {
  let handled = 0
  const controller: SocketController = { onMessage: () => { handled++ } }
  const server = await faultServer(t, { plugin: { compression: true }, controller })
  // 128 MB in 130 KB, more than maxPayload before and after; 32 MB in 32 KB.
  const bombs = [128, 32].map(
    (size) => deflateRawSync(Buffer.alloc(size * 1024 * 1024), { level: 9 }).subarray(0, -1)
  )
  await Promise.all(Array.from({ length: 40 }, async (_item, index) => {
    const client = await raw(server.url)
    client.socket.write(handshake('/', { 'Sec-WebSocket-Extensions': 'permessage-deflate' }))
    t.match(await client.until('\r\n\r\n'), /permessage-deflate/)
    client.socket.write(rawFrame({ opcode: 0x2, reserved: 0b100, payload: bombs[index % 2]! }))
    await client.until(/\r\n\r\n\x88[^][^][^]/)
    t.equal(closeCodeOf(client.received()), 1009)
    client.socket.end()
    await client.closed
  }))
  t.equal(handled, 0)
  t.strictSame(server.codes, Array(40).fill(1009))
  await server.unharmed()
  await server.gone()
})

t.test('compression is off by default', async (t) => {
  const server = await faultServer(t)
  const client = await raw(server.url)
  client.socket.write(handshake('/', { 'Sec-WebSocket-Extensions': 'permessage-deflate' }))
  t.notMatch(await client.until('\r\n\r\n'), /sec-websocket-extensions/i)
  client.socket.destroy()
  await server.unharmed()
})

t.test('floods of fragments, pings and headers are bounded, by a new enough ws', async (t) => {
  const { dependencies } = JSON.parse(readFileSync(
    'package.json',
    'utf8'
  )) as { dependencies: { ws: string } }
  const [, major, minor] = /^\^(\d+)\.(\d+)\./.exec(dependencies.ws)!
  t.ok(Number(major) > 8 || (major === '8' && Number(minor) >= 23), dependencies.ws)
  // More of each is in malformed.test.ts.
  const server = await faultServer(t)
  for (const payload of ['a', '']) {
    const client = await rawOpen(server.url)
    client.socket.write(Buffer.concat([
      rawFrame({ payload, isFinal: false }),
      ...Array(20_000).fill(rawFrame({ opcode: 0x0, payload, isFinal: false }))
    ]))
    await client.until(/\r\n\r\n\x88[^][^][^]/)
    t.equal(closeCodeOf(client.received()), 1008)
    client.socket.destroy()
  }
  const flood = await raw(server.url)
  flood.socket.write(handshake('/', { 'X-A': 'a'.repeat(100_000) }))
  t.match(await flood.closed, /^HTTP\/1\.1 431 /)
  await server.unharmed()
})
