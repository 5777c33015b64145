import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { constants, deflateRawSync } from 'node:zlib'
import t from 'tap'
import { WebSocket } from 'ws'
import { Client, connect, handshake, tcp } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { traffic } from '../support/traffic.js'
import { turns, until } from '../support/until.js'

const OFFER = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }

// A message that is deflated already, as a client's frame with a mask of zeroes (RFC 7692 section
// 7.2.1).
function deflated (payload: Buffer): Buffer {
  const bytes = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
  return rsv1(bytes)
}

function rsv1 (bytes: Buffer): Buffer {
  const head = Buffer.from([0xc2, 0x80 | 126, 0, 0, 0, 0, 0, 0])
  head.writeUInt16BE(bytes.length, 2)
  return Buffer.concat([head, bytes])
}

t.test('nothing is compressed by default, though clients offer it', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onMessage: (_connection, message) => message })
  const client = await connect(await listen(app))
  t.equal(client.socket.extensions, '')
  client.send('x'.repeat(10_000))
  t.equal(await client.next(), 'x'.repeat(10_000))
})

t.test('with compression neither side keeps a context between messages', async (t) => {
  const app = await createApp(t, { plugin: { compression: true } })
  app.socketRoute('/', { onMessage: (_connection, message) => message })
  const socket = new WebSocket(await listen(app))
  const client = new Client(socket)
  const [{ headers }] = await once(socket, 'upgrade') as [{ headers: Record<string, string> }]
  t.strictSame(headers['sec-websocket-extensions']!.split('; ').sort(), [
    'client_no_context_takeover',
    'permessage-deflate',
    'server_max_window_bits=12',
    'server_no_context_takeover'
  ])
  client.send('x'.repeat(10_000))
  t.equal(await client.next(), 'x'.repeat(10_000))
})

for (const [compression, threshold] of [
  [true, 1_024],
  [{}, 1_024],
  [{ threshold: 100 }, 100]
] as const) {
  const given = JSON.stringify(compression)
  t.test(`messages are compressed from ${threshold} bytes on, with ${given}`, async (t) => {
    const app = await createApp(t, { plugin: { compression } })
    const route = app.socketRoute('/', { onOpen: () => {} })
    const socket = await tcp(await listen(app))
    socket.write(handshake('/', OFFER))
    await once(socket, 'data')
    for (const [size, first] of [[threshold - 1, 0x82], [threshold, 0xc2]] as const) {
      route.broadcast(Buffer.alloc(size))
      const [data] = await once(socket, 'data') as [Buffer]
      t.equal(data[0], first, `${size} bytes`)
    }
    socket.destroy()
  })
}

t.test('a broadcast reaches clients with and without compression in order', async (t) => {
  const app = await createApp(t, { plugin: { compression: true } })
  const route = app.socketRoute('/', {
    onMessage: (connection) => { connection.close(4000) },
    onClose: () => 'goodbye'
  })
  const url = await listen(app)
  const clients = await Promise.all([true, false, true, false].map((perMessageDeflate) => connect(
    url,
    [],
    { perMessageDeflate }
  )))
  await until(() => route.clients.size === 4)
  // Large ones are compressed by a thread, small ones are not and must not overtake them.
  const messages = Array.from(
    { length: 200 },
    (_, n) => `${n} ${'x'.repeat(n % 3 === 0 ? 5_000 : 10)}`
  )
  for (const message of messages) route.broadcast(message)
  for (const client of clients) {
    t.strictSame(await client.take(200), messages)
    client.send('bye')
    t.equal((await client.closed).code, 4000)
    t.strictSame(client.unread, ['goodbye'])
  }
})

t.test('compressed messages are handled in order, none before onOpen has settled', async (t) => {
  const app = await createApp(t, { plugin: { compression: true } })
  const seen: string[] = []
  app.socketRoute('/', {
    onOpen: async () => { await turns(20); seen.push('open') },
    onMessage: async (_connection, message) => { await turns(1); seen.push(message.text) }
  })
  const client = await connect(await listen(app))
  const messages = Array.from(
    { length: 300 },
    (_, n) => `${n} ${'x'.repeat(n % 3 === 0 ? 4_000 : 10)}`
  )
  for (const message of messages) client.send(message)
  await until(() => seen.length > 300)
  t.strictSame(seen, ['open', ...messages])
})

for (const fragments of [1, 4]) {
  t.test(`${fragments} fragments that inflate above maxPayload close with 1009`, async (t) => {
    const clock = new TestClock()
    const app = await createApp(t, { clock, plugin: { compression: true } })
    const seen: unknown[] = []
    const route = app.socketRoute('/', {
      onMessage: (_connection, message) => message,
      onError: (_connection, error) => { seen.push((error as { code?: string }).code) },
      onClose: (_connection, { code }) => { seen.push(code) }
    })
    const url = await listen(app)
    const other = await connect(url)
    const bombs = await Promise.all(Array.from({ length: 5 }, () => connect(url)))
    await until(() => route.clients.size === 6)
    for (const bomb of bombs) {
      for (let fragment = 1; fragment <= fragments; fragment++) {
        bomb.socket.send(Buffer.alloc(40_000_000 / fragments), {
          compress: true,
          fin: fragment === fragments
        })
      }
    }
    await until(() => seen.length === 10)
    for (const bomb of bombs) t.equal((await clock.during(bomb.closed)).code, 1009)
    other.send('still here')
    t.equal(await other.next(), 'still here')
    t.strictSame(new Set(seen), new Set(['FSR_ERR_MESSAGE_TOO_BIG', 1009]))
  })
}

t.test('the lower maxPayload of a route holds for what is inflated', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { compression: true } })
  app.socketRoute(
    '/',
    { onMessage: (_connection, message) => `${message.bytes.length}` },
    { maxPayload: 2_000 }
  )
  const client = await connect(await listen(app))
  client.send(Buffer.alloc(2_000))
  client.send(Buffer.alloc(2_001))
  t.equal((await clock.during(client.closed)).code, 1009)
  t.strictSame(client.unread, ['2000'])
})

t.test('invalid compressed data closes with 1007', async (t) => {
  const app = await createApp(t, { clock: new TestClock(), plugin: { compression: true } })
  const seen: unknown[] = []
  app.socketRoute('/', {
    onError: (_connection, error) => { seen.push((error as { code?: string }).code) },
    onClose: (_connection, { code }) => { seen.push(code) }
  })
  const socket = await tcp(await listen(app))
  socket.write(handshake('/', OFFER))
  await once(socket, 'data')
  socket.write(rsv1(Buffer.alloc(200, 0xff)))
  const [data] = await once(socket, 'data') as [Buffer]
  t.equal(data.readUInt16BE(2), 1007)
  socket.destroy()
  await until(() => seen.length === 2)
  t.strictSame(seen, ['FSR_ERR_MESSAGE_NOT_INFLATED', 1007])
})

// Without the fast path ws inflates all that it has read, whether anything may be handled or not.
const INFLATES_AHEAD = process.env['FAST_PATH'] !== undefined

for (const fastPath of [true, 'write', false] as const) {
  const ways = { true: 'the fast path', write: 'ws', false: 'ws, which writes too' }
  t.test(`inflated messages do not all wait, read by ${ways[`${fastPath}`]}`, async (t) => {
    const lines: Array<{ msg: string, count?: number }> = []
    const app = await createApp(t, {
      fastify: {
        logger: { level: 'debug', stream: { write: (line) => { lines.push(JSON.parse(line)) } } }
      },
      plugin: { compression: true, fastPath },
      clock: new TestClock()
    })
    const seen: unknown[] = []
    let release = (): void => {}
    let handled = 0
    app.socketRoute('/', {
      onMessage: async () => {
        handled++
        await new Promise<void>((resolve) => { release = resolve })
      },
      onError: (_connection, error) => { seen.push((error as { code?: string }).code); release() },
      onClose: (_connection, { code }) => { seen.push(code) }
    })
    const socket = await tcp(await listen(app))
    socket.write(handshake('/', OFFER))
    await once(socket, 'data')
    socket.resume()
    const bomb = deflated(Buffer.alloc(65_536))
    const count = Math.floor(65_536 / bomb.length)
    socket.write(Buffer.concat(Array(count).fill(bomb)))
    if (fastPath !== true) {
      await until(() => seen.length === 2)
      t.strictSame(seen, ['FSR_ERR_INBOX_FULL', 1008])
      t.equal(
        lines.find(({ msg }) => msg === 'messages were not handled')?.count,
        34,
        'these waited: 2 MiB and one message'
      )
    } else {
      await until(() => handled === 1)
      // The others wait as they came.
      await traffic()
      t.equal(handled, 1)
      release()
      await until(() => { release(); return handled === count })
      t.strictSame(seen, [])
    }
    socket.destroy()
  })
}

for (const compression of [false, true]) {
  const how = compression ? 'with' : 'without'
  t.test(`a client that outruns a busy handler stays open, ${how} compression`, async (t) => {
    const app = await createApp(t, { plugin: { compression, maxPayload: 4_100_000 } })
    const seen: number[] = []
    let release = (): void => {}
    app.socketRoute('/', {
      onMessage: async (_connection, message) => {
        await new Promise<void>((resolve) => { release = resolve })
        seen.push(message.bytes.length)
      }
    })
    const client = await connect(await listen(app))
    // Random bytes, which deflate makes no smaller.
    const sizes = [3_000_000, 10, 3_000_000, 10, 10, 4_000_000, 10]
    for (const size of sizes) client.send(randomBytes(size))
    // Only when all that the buffers on the way take has come.
    await traffic()
    while (seen.length < sizes.length) {
      release()
      await turns(1)
    }
    t.strictSame(seen, sizes)
  })
}

t.test('messages read together with a token as the first message are bounded too', async (t) => {
  const app = await createApp(t, { plugin: { compression: true } })
  let opened = 0
  app.socketRoute('/', { onOpen: () => { opened++ } }, {
    tokenFrom: ['message'],
    isGranted: async () => await new Promise<boolean>(() => {})
  })
  const socket = await tcp(await listen(app))
  socket.write(handshake('/', OFFER))
  await once(socket, 'data')
  const token = deflated(Buffer.from(tokenOf(app)))
  token[0] = 0xc1
  socket.write(Buffer.concat([token, ...Array<Buffer>(200).fill(deflated(Buffer.alloc(65_536)))]))
  if (INFLATES_AHEAD) {
    const [close] = await once(socket, 'data') as [Buffer]
    t.equal(close.readUInt16BE(2), 1008)
  } else {
    await traffic()
    t.equal(socket.readableLength, 0, 'they wait as they came')
  }
  t.equal(opened, 0)
  socket.destroy()
})

t.test('a protocol violation behind a message being inflated ends that connection', async (t) => {
  const app = await createApp(t, { plugin: { compression: true } })
  const codes: unknown[] = []
  let read: undefined | Socket
  app.socketRoute(
    '/',
    {
      onMessage () {},
      onError: (_connection, error) => { codes.push((error as { code?: unknown }).code) }
    },
    { preHandler: async (request) => { read = request.raw.socket } }
  )
  const url = await listen(app)
  for (let count = 0; count < 10; count++) {
    const socket = await tcp(url)
    socket.on('error', () => {})
    socket.write(handshake('/', OFFER))
    await once(socket, 'data')
    socket.resume()
    // Each in a read of its own.
    const write = async (bytes: Buffer) => {
      const before = read!.bytesRead
      socket.write(bytes)
      // At the very turn, as what is being inflated is soon done; or it has failed by then, and
      // nothing more is read.
      while (read!.bytesRead < before + bytes.length && codes.length === count) await turns(1)
    }
    await write(Buffer.concat(Array.from({ length: 100 }, () => deflated(Buffer.alloc(
      65_000,
      'ab'
    )))))
    // Not UTF-8; and as many bytes as that.
    await write(Buffer.from([0x81, 0x84, 0, 0, 0, 0, 0xff, 0xfe, 0x61, 0x61]))
    await write(Buffer.from([
      0x81, 0x88, 0, 0, 0, 0, 0x61, 0x61, 0x61, 0x61, 0x61, 0x61, 0x61, 0x61
    ]))
    await until(() => codes.length === count + 1)
    socket.destroy()
  }
  t.equal(new Set(codes).size, 1)
})

// With the fast path it waits as it came.
t.test('data that ws inflates behind a first message is bounded', async (t) => {
  const app = await createApp(t, { plugin: { compression: true, fastPath: false } })
  app.socketRoute('/', { onMessage () {} }, {
    tokenFrom: ['message'],
    isGranted: async () => await new Promise(() => {})
  })
  const socket = await tcp(await listen(app))
  socket.write(handshake('/', OFFER))
  await once(socket, 'data')
  const token = Buffer.from(tokenOf(app))
  const head = Buffer.from([0x81, 0x80 | 126, 0, 0, 0, 0, 0, 0])
  head.writeUInt16BE(token.length, 2)
  socket.write(Buffer.concat([
    head,
    token,
    ...Array.from({ length: 5 }, () => deflated(Buffer.alloc(60_000)))
  ]))
  const [close] = await once(socket, 'data') as [Buffer]
  t.equal(close.readUInt16BE(2), 1008)
  socket.destroy()
})
