import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import t from 'tap'
import type { CloseInfo, WsConnection } from '../../src/index.js'
import { connect, frame, handshake, readAll, tcp } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen } from '../support/server.js'
import { traffic } from '../support/traffic.js'
import { until } from '../support/until.js'

interface Ended extends CloseInfo { readonly count: number }

// A route that records how, and how often, its connections ended.
function endings (): {
  onClose: (connection: WsConnection, info: CloseInfo) => string
  ended: Promise<Ended>
} {
  let resolve: (ended: Ended) => void
  let count = 0
  const ended = new Promise<Ended>((_resolve) => { resolve = _resolve })
  return {
    onClose: (_connection, info) => { resolve({ ...info, count: ++count }); return 'bye' },
    ended
  }
}

// P32
t.test('onClose has the code and the reason of the client', async (t) => {
  const app = await createApp(t)
  const { onClose, ended } = endings()
  app.socketRoute('/', { onClose })
  const client = await connect(await listen(app))
  t.strictSame(await client.close(4123, 'grüß'), { code: 4123, reason: 'grüß' })
  t.strictSame(await ended, { code: 4123, reason: 'grüß', wasClean: true, count: 1 })
})

t.test('onClose has 1005 for a close without a code', async (t) => {
  const app = await createApp(t)
  const { onClose, ended } = endings()
  app.socketRoute('/', { onClose })
  await (await connect(await listen(app))).close()
  t.strictSame(await ended, { code: 1005, reason: '', wasClean: true, count: 1 })
})

for (const cut of ['terminate', 'reset'] as const) {
  t.test(`onClose has 1006 when the client is gone by ${cut}`, async (t) => {
    const app = await createApp(t)
    const { onClose, ended } = endings()
    app.socketRoute('/', { onClose, onOpen: () => 'open' })
    const socket = await tcp(await listen(app))
    socket.write(handshake('/'))
    await once(socket, 'data')
    if (cut === 'reset') socket.resetAndDestroy()
    else socket.destroy()
    t.strictSame(await ended, { code: 1006, reason: '', wasClean: false, count: 1 })
  })
}

// P2, P32
t.test('a close by the server says goodbye before the close frame, with its code', async (t) => {
  const app = await createApp(t)
  const { onClose, ended } = endings()
  app.socketRoute('/', {
    onMessage: (connection) => { connection.close(4000, 'enough'); return 'answer' },
    onClose
  })
  const client = await connect(await listen(app))
  client.send('close')
  t.strictSame(await client.closed, { code: 4000, reason: 'enough' })
  t.strictSame(client.unread, ['answer', 'bye'], 'the return value of the handler comes first')
  t.strictSame(await ended, { code: 4000, reason: 'enough', wasClean: true, count: 1 })
})

t.test('close() without arguments is 1000, and further calls do nothing', async (t) => {
  const app = await createApp(t)
  const { onClose, ended } = endings()
  app.socketRoute('/', {
    onOpen: (connection) => {
      connection.close()
      connection.close(4000)
    },
    onClose: (connection, info) => {
      connection.close(4001)
      return onClose(connection, info)
    }
  })
  const client = await connect(await listen(app))
  t.strictSame(await client.closed, { code: 1000, reason: '' })
  t.strictSame(await ended, { code: 1000, reason: '', wasClean: true, count: 1 })
})

t.test('after close() nothing more is handled, and nothing more is sent by others', async (t) => {
  const app = await createApp(t)
  const seen: string[] = []
  const route = app.socketRoute('/', {
    onMessage: async (connection, message) => {
      seen.push(message.text)
      if (message.text !== 'close') return
      await new Promise(setImmediate)
      connection.close()
      route.broadcast('not for those who leave')
      await new Promise(setImmediate)
      return 'the last answer'
    }
  })
  const client = await connect(await listen(app))
  for (const text of ['before', 'close', 'after', 'later']) client.send(text)
  t.equal((await client.closed).code, 1000)
  t.strictSame(seen, ['before', 'close'])
  t.strictSame(client.unread, ['the last answer'], 'a handler that is running is waited for')
})

t.test('a message that comes while the server closes is dropped, which the log says', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'debug', stream: { write: (line) => { lines.push(line) } } } }
  })
  let release: undefined | (() => void)
  const seen: string[] = []
  app.socketRoute('/', {
    onMessage: (connection, message) => { seen.push(message.text); connection.close(4000) },
    onClose: async () => { await new Promise<void>((resolve) => { release = resolve }) }
  })
  const client = await connect(await listen(app))
  client.send('close')
  await until(() => release !== undefined)
  client.send('late')
  await until(() => lines.some((line) => line.includes('messages were not handled')))
  release!()
  t.equal((await client.closed).code, 4000)
  t.strictSame(seen, ['close'])
})

// Invariant 6
t.test('messages sent before a close by the client are handled before onClose', async (t) => {
  const app = await createApp(t)
  const seen: string[] = []
  const done = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      onMessage: async (_connection, message) => {
        await new Promise(setImmediate)
        seen.push(message.text)
      },
      onClose: () => { seen.push('onClose'); resolve() }
    })
  })
  const client = await connect(await listen(app))
  for (let index = 0; index < 50; index++) client.send(`${index}`)
  client.socket.close()
  await done
  t.strictSame(seen, [...Array.from({ length: 50 }, (_item, index) => `${index}`), 'onClose'])
})

t.test('terminate() cuts the connection, and onClose has 1006', async (t) => {
  const app = await createApp(t)
  const { onClose, ended } = endings()
  app.socketRoute('/', { onMessage: (connection) => { connection.terminate() }, onClose })
  const client = await connect(await listen(app))
  client.send('cut')
  t.equal((await client.closed).code, 1006)
  t.strictSame(await ended, { code: 1006, reason: '', wasClean: false, count: 1 })
})

t.test('nothing is handled after terminate(), not even what has come already', async (t) => {
  const app = await createApp(t)
  const seen: string[] = []
  const ended = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      onMessage: async (connection, message) => {
        seen.push(message.text)
        await null
        connection.terminate()
      },
      onClose: () => { resolve() }
    })
  })
  const socket = await tcp(await listen(app))
  socket.write(handshake('/'))
  await once(socket, 'data')
  socket.write(Buffer.concat(Array.from({ length: 50 }, (_item, index) => frame(`${index}`))))
  await ended
  await app.close()
  t.strictSame(seen, ['0'])
  socket.destroy()
})

t.test('the goodbye is sent if the server closes, unless the protocol was violated', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onMessage: (connection, message) => {
      if (message.text === 'close') connection.close()
      else throw new Error('of the handler')
    },
    onClose: () => 'goodbye'
  }, { maxPayload: 100 })
  const url = await listen(app)
  for (const [sent, isSent] of [
    [frame('close'), true],
    [frame('fail'), true],
    [frame('x'.repeat(101)), true],
    [frame('', 0x8), false],
    [frame(Buffer.from([0xff])), false],
    [frame('', 0xb), false]
  ] as const) {
    const socket = await tcp(url)
    socket.write(handshake('/'))
    await once(socket, 'data')
    socket.write(sent)
    t.equal((await readAll(socket)).includes('goodbye'), isSent, sent.toString('hex', 0, 8))
    socket.destroy()
  }
})

t.test('a close code or reason that must not be sent is refused', async (t) => {
  const app = await createApp(t)
  const cases: Array<[number, string]> = [
    [1005, ''],
    [1006, ''],
    [1002, ''],
    [1015, ''],
    [999, ''],
    [2000, ''],
    [5000, ''],
    [1.5, ''],
    [NaN, ''],
    [1000, 'ü'.repeat(62)],
    [1000, 5 as never]
  ]
  app.socketRoute('/', {
    onMessage: (connection, message) => { connection.close(...cases[Number(message.text)]!) },
    onError: (_connection, error) => (error as { code?: string }).code
  })
  const client = await connect(await listen(app))
  for (const index of cases.keys()) client.send(`${index}`)
  t.strictSame(await client.take(cases.length), cases.map(() => 'FSR_ERR_CLOSE_INVALID'))
})

t.test('send() on a closed connection answers false, and is counted', async (t) => {
  const app = await createApp(t)
  const closed = new Promise<WsConnection>((resolve) => {
    app.socketRoute('/', { onClose: (connection) => { setImmediate(resolve, connection) } })
  })
  await (await connect(await listen(app))).close()
  const connection = await closed
  t.equal(connection.send('late'), false)
  t.equal(connection.dropped, 1)
  await connection.drained()
  connection.close()
  connection.terminate()
})

t.test('a handler that does not end is abandoned after closeTimeout', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  const { onClose, ended } = endings()
  app.socketRoute(
    '/',
    { onMessage: async () => { await new Promise<never>(() => {}) }, onClose },
    { closeTimeout: 3_000 }
  )
  const client = await connect(await listen(app))
  client.send('hang')
  client.send('never handled')
  client.socket.close()
  t.strictSame(await clock.during(ended), { code: 1005, reason: '', wasClean: true, count: 1 })
})

t.test('a client that does not answer the close frame is cut after closeTimeout', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.socketRoute(
    '/',
    { onMessage: (connection) => { connection.close(4000) } },
    { closeTimeout: 3_000 }
  )
  const socket = await tcp(await listen(app))
  socket.write(handshake('/'))
  await once(socket, 'data')
  socket.write(frame('close'))
  const rest = await clock.during(readAll(socket))
  t.ok(rest.length > 0, 'the close frame has come, and then the end')
})

t.test('a client that closes but keeps the TCP connection is cut after closeTimeout', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { closeTimeout: 3_000 } })
  const { onClose, ended } = endings()
  const route = app.socketRoute('/', { onClose })
  const { port } = new URL(await listen(app))
  const socket = connectTcp({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
  socket.write(handshake('/'))
  await once(socket, 'data')
  socket.write(frame(Buffer.from([0x03, 0xe8]), 0x8))
  t.strictSame(await clock.during(ended), { code: 1000, reason: '', wasClean: true, count: 1 })
  t.equal(route.clients.size, 0)
  socket.destroy()
})

t.test('an onClose that does not end delays the close by closeTimeout at most', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { closeTimeout: 3_000 } })
  const { onClose, ended } = endings()
  app.socketRoute('/', {
    onMessage: (connection) => { connection.close(4000) },
    async * onClose (connection, info) {
      onClose(connection, info)
      yield 'bye'
      await new Promise<never>(() => {})
    }
  })
  const client = await connect(await listen(app))
  client.send('close')
  t.equal((await clock.during(client.closed)).code, 1006, 'the close frame was never sent')
  t.strictSame(client.unread, ['bye'])
  t.equal((await ended).count, 1)
})

// P32
t.test('every onOpen has exactly one onClose, however connections end', async (t) => {
  const app = await createApp(t, { plugin: { closeTimeout: 30_000 } })
  const counts = new Map<string, number>()
  let opened = 0
  let closed = 0
  app.socketRoute('/', {
    onOpen: async ({ id }) => { opened++; counts.set(id, 0); await null },
    onMessage: async (connection, message) => {
      await null
      if (message.text === 'close') connection.close()
      if (message.text === 'throw') throw new Error('no')
      if (message.text === 'terminate') connection.terminate()
    },
    onClose: async ({ id }) => { await null; closed++; counts.set(id, counts.get(id)! + 1) }
  })
  const url = await listen(app)
  const ways = ['close', 'throw', 'terminate', 'client', 'cut', 'stay']
  await Promise.all(Array.from({ length: 60 }, async (_item, index) => {
    const client = await connect(url)
    const way = ways[index % ways.length]!
    if (way === 'client') client.socket.close()
    else if (way === 'cut') client.socket.terminate()
    else client.send(way)
    if (way !== 'stay') await client.closed
  }))
  await app.close()
  t.equal(opened, 60)
  t.equal(closed, 60)
  t.ok([...counts.values()].every((count) => count === 1))
})

t.test('a flood during the close does not hide the close frame of the client', async (t) => {
  // ws has a timer of its own for that, of the machine's time.
  const app = await createApp(t, { clock: new TestClock(), plugin: { closeTimeout: 600_000 } })
  const codes: number[] = []
  app.socketRoute('/', {
    onMessage: (connection) => { connection.close(4000) },
    onClose: (_connection, { code }) => { codes.push(code) }
  })
  const socket = await tcp(await listen(app))
  socket.write(handshake('/'))
  await once(socket, 'data')
  socket.resume()
  const ended = once(socket, 'close')
  // More than one read and turn, and the answer behind it.
  socket.write(Buffer.concat([
    ...Array.from({ length: 60_000 }, () => frame('x')),
    frame(Buffer.from([0x0f, 0xa0]), 0x8)
  ]))
  await ended
  t.strictSame(codes, [4000])
})

t.test('signal has aborted before onClose runs, after every kind of end', async (t) => {
  const app = await createApp(t)
  const aborted = new Map<string, boolean>()
  app.socketRoute('/:how', {
    onOpen (connection) { if (connection.params.how === 'onOpen') connection.close() },
    onMessage (connection, message) { if (message.text === 'close') connection.close() },
    onClose ({ params, signal }) { aborted.set(params.how, signal.aborted) }
  }, { maxPayload: 10 })
  const url = await listen(app)
  const sent = { onOpen: 'x', onMessage: 'close', limit: 'more than ten bytes', client: 'x' }
  for (const [how, text] of Object.entries(sent)) {
    const client = await connect(`${url}/${how}`)
    client.send(text)
    if (how === 'client') client.socket.close()
    await client.closed
  }
  await until(() => aborted.size === 4)
  t.strictSame([...aborted], Object.keys(sent).map((how) => [how, true]))
})

t.test('destroying a TCP connection with unread messages ends no process', async (t) => {
  const app = await createApp(t)
  const sockets: Socket[] = []
  let handled = 0
  app.socketRoute('/', {
    schema: { in: { wait: {} } },
    on: {
      wait: async (_connection, _data, { signal }) => { handled++; await once(signal, 'abort') }
    }
  }, { onRequest: async (request) => { sockets.push(request.raw.socket) } })
  const url = await listen(app)
  const client = await connect(url)
  // More than wait for a handler, and behind them what is answered when it is read.
  for (let count = 0; count < 300; count++) client.send('{"type":"wait"}')
  client.send('{"type":"alive","id":1}')
  await until(() => handled === 1)
  await traffic()
  sockets[0]!.destroy()
  t.equal((await client.closed).code, 1006)
  const next = await connect(url)
  next.send('{"type":"alive","id":2}')
  t.same(await next.json(), { type: 'reply', id: 2 })
})
