// The log has each exceeded limit: the size, the limit, and the option to change.
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { SocketController, SocketPluginOptions, SocketRouteOptions } from '../../src/index.js'
import { connect, frame, handshake, tcp, type Client } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen } from '../support/server.js'
import { until } from '../support/until.js'

interface Line {
  readonly level: number
  readonly msg: string
  readonly code?: number
  readonly option?: string
  readonly limit?: unknown
  readonly size?: number
  readonly err?: { readonly message: string }
}

const WARN = 40

interface Opened { readonly lines: Line[], readonly client: Client, readonly clock: TestClock }

async function open (
  t: Test,
  controller: object,
  options: SocketRouteOptions = {},
  plugin: SocketPluginOptions = {}
): Promise<Opened> {
  const lines: Line[] = []
  const clock = new TestClock()
  const app = await createApp(t, {
    plugin,
    clock,
    fastify: {
      logger: { level: 'info', stream: { write: (line) => { lines.push(JSON.parse(line)) } } }
    }
  })
  app.socketRoute('/', controller as SocketController, options)
  return { lines, client: await connect(await listen(app)), clock }
}

const errorIn = (lines: Line[]): undefined | Line => lines.find(({
  msg
}) => msg === 'limit exceeded' ||
  msg === 'protocol violation')
const closeIn = (lines: Line[]): undefined | Line => lines.find(
  ({ msg }) => msg === 'the connection is closed'
)

const tooBig: Record<string, {
  send (client: Client): void
  options?: SocketRouteOptions
  told: string
}> = {
  'one frame': {
    send: (client) => { client.send(Buffer.alloc(70_000)) },
    told: 'A message of 70000 bytes is larger than the 65536 that maxPayload allows'
  },
  'the lower limit of a route': {
    send: (client) => { client.send(Buffer.alloc(2_001)) },
    options: { maxPayload: 2_000 },
    told: 'A message of 2001 bytes is larger than the 2000 that maxPayload allows'
  },
  'fragments together': {
    send: (client) => {
      for (const fin of [false, false, true]) client.socket.send(Buffer.alloc(30_000), { fin })
    },
    told: 'A message of more than 65536 bytes is larger than the 65536 that maxPayload allows'
  }
}
for (const [name, { send, options, told }] of Object.entries(tooBig)) {
  t.test(`1009: ${name}`, async (t) => {
    const { lines, client } = await open(t, { onMessage () {} }, options)
    send(client)
    t.equal((await client.closed).code, 1009)
    const line = errorIn(lines)!
    t.match(line, { level: WARN, msg: 'limit exceeded' })
    t.ok(line.err!.message.startsWith(told), line.err!.message)
  })
}

t.test('1008: fragments', async (t) => {
  const { lines, client } = await open(t, { onMessage () {} }, {}, { maxFragments: 3 })
  for (let count = 0; count < 4; count++) client.socket.send('x', { fin: false })
  t.equal((await client.closed).code, 1008)
  t.match(errorIn(lines), { level: WARN, err: { message: /than the 3 that maxFragments allows/ } })
})

t.test('a protocol violation is not logged as a limit', async (t) => {
  const { lines, client } = await open(t, { onMessage () {} })
  client.socket.send(Buffer.from([0xff]), { binary: false })
  t.equal((await client.closed).code, 1007)
  t.match(errorIn(lines), { level: 30, msg: 'protocol violation' })
})

t.test('4429: the rate', async (t) => {
  const { lines, client, clock } = await open(t, { onMessage () {} }, {
    rate: { messages: 1, per: 1_000, tolerance: 1 }
  })
  for (let count = 0; count < 5; count++) client.send('x')
  t.equal((await clock.during(client.closed)).code, 4429)
  t.match(closeIn(lines), {
    level: WARN,
    code: 4429,
    option: 'rate',
    limit: { messages: 1, per: 1_000, tolerance: 1 }
  })
})

t.test('4429: refused messages', async (t) => {
  const { lines, client } = await open(
    t,
    { schema: { in: { say: {} } }, on: { say () {} } },
    { refusals: { max: 3 } }
  )
  for (let count = 0; count < 4; count++) client.send('{')
  t.equal((await client.closed).code, 4429)
  t.match(closeIn(lines), { level: WARN, option: 'refusals', limit: { max: 3, per: 10_000 } })
})

for (const [option, plugin] of Object.entries({
  'outbox.limit': { outbox: { limit: 200_000 } },
  outboxBudget: { outboxBudget: 100_000 }
})) {
  t.test(`1013: ${option}`, async (t) => {
    const { lines, client } = await open(t, {
      async onMessage (connection: { send (message: Buffer): boolean, signal: AbortSignal }) {
        while (!connection.signal.aborted) {
          connection.send(Buffer.alloc(60_000))
          await new Promise(setImmediate)
        }
      }
    }, {}, plugin)
    client.socket.pause()
    client.send('now')
    await until(() => closeIn(lines) !== undefined)
    const line = closeIn(lines)!
    t.match(line, {
      level: WARN,
      code: 1013,
      option,
      limit: option === 'outboxBudget' ? 100_000 : 200_000
    })
    t.ok(line.size! > (line.limit as number))
    client.socket.terminate()
  })
}

t.test('a frame that comes byte by byte waits in one piece, or ends its connection', async (t) => {
  const app = await createApp(t)
  const accepted: Socket[] = []
  app.server.on('connection', (socket) => { accepted.push(socket) })
  const seen: unknown[] = []
  app.socketRoute('/', {
    onMessage: (_connection, { text }) => { seen.push(text) },
    onClose: (_connection, { code }) => { seen.push(code) }
  })
  const socket = (await tcp(await listen(app))).setNoDelay()
  socket.on('error', () => {}).write(handshake('/'))
  await once(socket, 'data')
  socket.resume()
  // A fragment of 1,500 bytes, and the last one.
  const bytes = Buffer.concat([
    Buffer.from([0x01, 0xfe, 5, 220, 0, 0, 0, 0]),
    Buffer.alloc(1_500, 'a'),
    Buffer.from([0x80, 0x80, 0, 0, 0, 0])
  ])
  const { bytesRead } = accepted[0]!
  for (let index = 0; index < bytes.length && seen.length === 0; index++) {
    socket.write(bytes.subarray(index, index + 1))
    await until(() => seen.length > 0 || accepted[0]!.bytesRead > bytesRead + index)
  }
  await until(() => seen.length > 0)
  // ws keeps each piece apart.
  t.strictSame(seen[0], process.env['FAST_PATH'] !== undefined ? 1008 : 'a'.repeat(1_500))
  socket.destroy()
})

t.test('data before a token is bounded, and the limit is logged', async (t) => {
  const lines: Array<{ msg: string, err?: { message: string } }> = []
  const app = await createApp(t, {
    fastify: {
      logger: { level: 'info', stream: { write: (line) => { lines.push(JSON.parse(line)) } } }
    }
  })
  app.socketRoute('/', { onMessage () {} }, { isGranted: 'ROLE_USER', tokenFrom: ['message'] })
  const socket = await tcp(await listen(app))
  socket.write(handshake('/'))
  await once(socket, 'data')
  socket.write(Buffer.concat(Array.from({ length: 300 }, () => frame('', 0xa))))
  const [close] = await once(socket, 'data') as [Buffer]
  t.equal(close.readUInt16BE(2), 1008)
  t.match(
    lines.find(({ err }) => err !== undefined)?.err?.message,
    /257 of 256 pings, pongs and fragments/
  )
  socket.destroy()
})

for (const [size, maxPayload] of [[70_000, 65_536], [2_001, 2_000]] as const) {
  t.test(`1009 before a token: ${size} bytes`, async (t) => {
    const lines: Line[] = []
    const app = await createApp(t, {
      fastify: {
        logger: { level: 'info', stream: { write: (line) => { lines.push(JSON.parse(line)) } } }
      }
    })
    app.socketRoute('/', { onMessage () {} }, {
      isGranted: 'ROLE_USER',
      tokenFrom: ['message'],
      maxPayload
    })
    const client = await connect(await listen(app))
    client.send('x'.repeat(size))
    t.equal((await client.closed).code, 1009)
    const told = `A message of ${size} bytes is larger than the ${maxPayload} that maxPayload allows`
    t.match(lines.find(({ err }) => err !== undefined), {
      level: WARN,
      err: { message: new RegExp(told) }
    })
  })
}
