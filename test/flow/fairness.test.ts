// The messages of one connection are handled turn by turn of the event loop, with those of others
// in between.
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import type { SocketController, SocketPluginOptions } from '../../src/index.js'
import { connect, frame, handshake } from '../support/client.js'
import { createApp, listen } from '../support/server.js'
import { tls } from '../support/tls.js'
import { until } from '../support/until.js'

const FRAMES = 12_000

// The most of something that happens between two turns of the event loop, in which others are read:
// however late what they have sent comes on a busy machine, it waits for no more than that.
function mostInTurn (count: () => number): () => number {
  let most = 0
  let before = count()
  let isWatching = true
  const look = (): void => {
    most = Math.max(most, count() - before)
    before = count()
    if (isWatching) setImmediate(look)
  }
  setImmediate(look)
  return () => {
    isWatching = false
    return Math.max(most, count() - before)
  }
}

interface Flood {
  /** The server's side of it. */
  readonly accepted: WebSocket
  /** Sends everything, before any of it is handled. */
  readonly socket: Socket
  /** Lets the flood in. */
  readonly begin: () => void
  /** Has the other client send something; resolves when it has been handled. */
  readonly other: () => Promise<void>
}

// Everything of one client is there before the first of it is handled.
async function flood (
  t: Test,
  controller: object,
  bytes: Buffer | Buffer[],
  plugin: SocketPluginOptions = {},
  { isTls = false, onLine = (_line: string) => {} } = {}
): Promise<Flood> {
  const logger = { level: 'debug', stream: { write: onLine } }
  const app = await createApp(t, {
    // All is handled, also what is refused.
    plugin: { refusals: false, ...plugin },
    fastify: { logger, ...(isTls ? { https: tls } : {}) } as object
  })
  const accepted: Socket[] = []
  const sockets: WebSocket[] = []
  app.websocketServer.on('connection', (socket) => { sockets.push(socket) })
  app.server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
    accepted.push(socket)
  })
  let begin = () => {}
  const begun = new Promise<void>((resolve) => { begin = resolve })
  app.socketRoute('/flood', { onOpen: () => begun, ...controller } as SocketController)
  let handled = () => {}
  app.socketRoute('/other', { onMessage: () => { handled() } })
  const url = await listen(app)
  const client = await connect(`${url}/other`, [], { ca: tls.cert })
  const port = Number(new URL(url).port)
  const socket = isTls
    ? connectTls({ port, host: '127.0.0.1', ca: tls.cert })
    : connectTcp(port, '127.0.0.1')
  socket.write(handshake('/flood'))
  await once(socket, 'data')
  socket.resume()
  // Over TLS each of several is a record of its own.
  for (const each of [bytes].flat()) socket.write(each)
  // As much as the server reads of a socket that is paused: the rest is in the kernel.
  await until(() => accepted.at(-1)!.bytesRead > 16_384)
  t.teardown(() => { client.socket.terminate(); socket.destroy() })
  return {
    accepted: sockets.at(-1)!,
    socket,
    begin,
    other: () => new Promise((resolve) => { handled = resolve; client.send('now') })
  }
}

const messages = Buffer.concat(Array.from({ length: FRAMES }, () => frame('{')))

const handlers: Record<string, (handled: () => void) => object> = {
  'a handler that is done at once': (handled) => ({ onMessage: handled }),
  'an async handler that waits for nothing': (handled) => ({
    onMessage: async () => { handled() }
  }),
  echoes: (handled) => ({
    onMessage: (_connection: unknown, message: unknown) => { handled(); return message }
  }),
  'messages that a contract refuses': (handled) => ({
    schema: { in: { say: {} } },
    on: { say () {} },
    onError: handled
  })
}

for (const [name, controllerOf] of Object.entries(handlers)) {
  t.test(`another client does not wait for all that one has sent: ${name}`, async (t) => {
    let count = 0
    const { begin, other } = await flood(t, controllerOf(() => { count++ }), messages)
    const most = mostInTurn(() => count)
    begin()
    await until(() => count > 0)
    await other()
    await until(() => count === FRAMES)
    t.ok(most() < FRAMES / 4, `${most()} of ${FRAMES}`)
  })
}

t.test('a flood read by ws delays no other client', async (t) => {
  let count = 0
  const { begin, other } = await flood(t, { onMessage () { count++ } }, messages, {
    fastPath: false
  })
  const most = mostInTurn(() => count)
  begin()
  await until(() => count > 0)
  await other()
  await until(() => count === FRAMES)
  t.ok(most() < FRAMES / 4, `${most()} of ${FRAMES}`)
})

t.test('the event loop goes round meanwhile', async (t) => {
  let count = 0
  let seen = Infinity
  const { begin } = await flood(
    t,
    {
      onMessage () {
        if (++count === 1) setImmediate(() => { setImmediate(() => { seen = count }) })
      }
    },
    messages
  )
  begin()
  await until(() => seen < Infinity)
  t.ok(seen < FRAMES / 4, `${seen}`)
})

t.test('a flood delays no other client as long as its handlers run', async (t) => {
  let count = 0
  const { begin, other } = await flood(
    t,
    {
      onMessage () {
        count++
        const start = performance.now()
        while (performance.now() - start < 3);
      }
    },
    messages.subarray(0, 7 * 3_000)
  )
  const most = mostInTurn(() => count)
  begin()
  await until(() => count > 0)
  await other()
  await until(() => count > 64)
  t.ok(most() <= 32, `${most()}`)
})

for (const plugin of [{}, { fastPath: 'write' }, { fastPath: false }] as const) {
  const path = 'fastPath' in plugin
    ? `, where ws ${plugin.fastPath === 'write' ? 'reads' : 'reads and writes'}`
    : ''
  t.test(`a flood delays no other client as long as its reads take${path}`, async (t) => {
    const large = Buffer.concat([
      Buffer.from([0x82, 0xfe, 60_000 >> 8, 60_000 & 255, 0, 0, 0, 0]),
      Buffer.alloc(60_000)
    ])
    let count = 0
    const { begin } = await flood(
      t,
      {
        onMessage () {
          count++
          const start = performance.now()
          while (performance.now() - start < 3);
        }
      },
      Buffer.concat(Array(40).fill(large)),
      plugin
    )
    const most = mostInTurn(() => count)
    begin()
    await until(() => count === 40)
    t.ok(most() <= 8, `${most()}`)
  })

  t.test(`a flood in many records of TLS delays no other client${path}`, async (t) => {
    let count = 0
    const records = Array.from({ length: 3_000 }, () => frame('{'))
    const { begin } = await flood(t, { onMessage () { count++ } }, records, plugin, { isTls: true })
    const most = mostInTurn(() => count)
    begin()
    await until(() => count === 3_000)
    t.ok(most() < 600, `${most()}`)
  })
}

t.test('a flood of frames that are no messages delays no other client', async (t) => {
  const events: string[] = []
  // More than one read brings.
  const pongs = Array.from({ length: 3 * FRAMES }, () => frame('', 0xa))
  const { accepted, begin, other } = await flood(
    t,
    { onMessage (_connection: unknown, message: { text: string }) { events.push(message.text) } },
    Buffer.concat([...pongs, frame('last')])
  )
  let count = 0
  accepted.on('pong', () => { count++ })
  const most = mostInTurn(() => count)
  begin()
  await other()
  await until(() => events.length === 1)
  t.equal(count, pongs.length)
  // If ws reads: all messages of one read.
  t.ok(most() < pongs.length / 2, `${most()}`)
})

t.test('a flood is handled in order after its client has left; onClose runs last', async (t) => {
  const events: string[] = []
  const bytes = Buffer.concat([
    ...Array.from({ length: FRAMES }, (_, index) => frame(String(index))),
    frame(Buffer.from([0x03, 0xe8]), 0x8)
  ])
  const { socket, begin, other } = await flood(
    t,
    {
      onMessage (_connection: unknown, message: { text: string }) { events.push(message.text) },
      onClose () { events.push('closed') }
    },
    bytes
  )
  socket.end()
  const most = mostInTurn(() => events.length)
  begin()
  await until(() => events.length > 0)
  await other()
  await until(() => events.at(-1) === 'closed')
  t.strictSame(events, [...Array.from({ length: FRAMES }, (_, index) => String(index)), 'closed'])
  t.ok(most() < FRAMES / 4, `${most()}`)
})

t.test('messages after a close by the server are dropped, and the close is answered', async (t) => {
  const events: unknown[] = []
  const bytes = Buffer.concat([messages, frame(Buffer.from([0x03, 0xe8]), 0x8)])
  let dropped = 0
  const controller = {
    onMessage (connection: { close (): void }) { events.push('message'); connection.close() },
    onClose (_connection: unknown, closed: { code: number }) { events.push(closed.code) }
  }
  const { socket, begin, other } = await flood(t, controller, bytes, {}, {
    onLine (line) {
      if (line.includes('were not handled')) {
        dropped += (JSON.parse(line) as { count: number }).count
      }
    }
  })
  const ended = once(socket, 'close')
  const most = mostInTurn(() => dropped)
  begin()
  await until(() => events.length > 0)
  await other()
  await ended
  t.strictSame(events, ['message', 1000])
  t.equal(dropped, FRAMES - 1)
  const turn = most()
  // If ws reads: all messages of one read, and those that Node has read meanwhile.
  t.ok(turn < FRAMES / 4 || process.env['FAST_PATH'] !== undefined, `${turn} of ${FRAMES}`)
})
