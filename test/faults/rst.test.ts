import { Readable } from 'node:stream'
import t from 'tap'
import type { WsConnection } from '../../src/index.js'
import { connect, frame, handshake } from '../support/client.js'
import { faultServer, raw, rawFrame, rawOpen, type FaultServer } from '../support/faults.js'
import { turns, until } from '../support/until.js'

// Something to wait for that the test lets go.
function gate () {
  let open: () => void
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { pass: async () => { await opened }, open: () => { open() } }
}

// A peer that is gone is only noticed when something is written to it, as nothing is read while
// callbacks run: the pings need time.
const noticed = async ({ clock, route }: FaultServer): Promise<void> => {
  await clock.during(until(() => route.clients.size === 0))
}

t.test('a reset before any byte leaves nothing', async (t) => {
  const server = await faultServer(t)
  for (let count = 0; count < 20; count++) (await raw(server.url)).socket.resetAndDestroy()
  await server.unharmed()
  await server.gone()
})

t.test('a reset after every part of a handshake leaves nothing', async (t) => {
  const server = await faultServer(t)
  const request = handshake('/')
  for (let length = 1; length < request.length; length += 10) {
    const { socket } = await raw(server.url)
    socket.write(request.slice(0, length))
    await turns(2)
    socket.resetAndDestroy()
  }
  t.equal(server.opened, 0)
  await server.unharmed()
  await server.gone()
})

for (const isRefused of [false, true]) {
  for (const hook of ['onRequest', 'preValidation', 'preHandler'] as const) {
    t.test(`a reset in ${hook} that ${isRefused ? 'rejects' : 'admits'} leaves nothing`, async (t) => {
      const { pass, open } = gate()
      let asked = 0
      const server = await faultServer(t, {
        plugin: { connections: { perIp: 100 } },
        route: {
          [hook]: async () => {
            asked++
            await pass()
            if (isRefused) throw Object.assign(new Error('no'), { statusCode: 403 })
          }
        }
      })
      const clients = [await raw(server.url), await raw(server.url)]
      for (const { socket } of clients) socket.write(handshake('/'))
      await until(() => asked === 2)
      for (const { socket } of clients) socket.resetAndDestroy()
      await turns(10)
      open()
      await server.unharmed()
      t.equal(server.opened, 0)
      await server.gone()
    })
  }
}

t.test('a reset behind the handshake leaves nothing: each onOpen has its onClose', async (t) => {
  const server = await faultServer(t, {
    controller: { onOpen: () => 'hello', onMessage: (_connection, message) => message }
  })
  for (let count = 0; count < 50; count++) {
    const { socket } = await raw(server.url)
    socket.write(Buffer.concat([Buffer.from(handshake('/')), frame('hello')]))
    await turns(count % 5)
    socket.resetAndDestroy()
  }
  await server.unharmed()
  await server.gone()
})

t.test('a reset during onOpen is noticed by the ping; the return value is dropped', async (t) => {
  const { pass, open } = gate()
  const server = await faultServer(t, {
    controller: {
      onOpen: async (connection) => {
        await connection.join('room')
        await pass()
        await connection.join('late')
        return 'hello'
      }
    }
  })
  const { socket } = await rawOpen(server.url)
  await until(() => server.opened === 1)
  socket.resetAndDestroy()
  await noticed(server)
  t.equal(server.route.to('room').local.size, 0)
  t.strictSame(server.codes, [], 'onClose waits for onOpen')
  open()
  await server.unharmed()
  t.equal(server.route.to('late').local.size, 0)
  t.strictSame(server.codes, [1006])
  await server.gone()
})

for (const what of ['returns', 'sends', 'throws', 'streams'] as const) {
  t.test(`a reset while a handler is pending that ${what} afterwards leaves nothing`, async (t) => {
    const { pass, open } = gate()
    let connection: undefined | WsConnection
    let returned = 0
    const server = await faultServer(t, {
      // Without onError, so that the failure is logged.
      logsErrors: what === 'throws',
      controller: {
        async onMessage (given) {
          connection = given
          await pass()
          if (what === 'sends') t.equal(given.send('late'), false)
          if (what === 'throws') throw new Error('late')
          if (what === 'streams') {
            return (async function * () {
              try { while (true) yield 'late' } finally { returned++ }
            })()
          }
          return 'late'
        }
      }
    })
    const client = await rawOpen(server.url)
    client.socket.write(Buffer.concat([frame('one'), frame('two')]))
    await until(() => connection !== undefined)
    client.socket.resetAndDestroy()
    await noticed(server)
    t.ok(connection!.signal.aborted)
    open()
    await server.unharmed()
    t.strictSame(server.codes, [1006])
    if (what === 'streams') t.equal(returned, 0, 'a stream that never began has nothing to end')
    else t.ok(connection!.dropped >= (what === 'throws' ? 0 : 1))
    await server.gone()
  })
}

const pieces: Record<string, Buffer> = {
  'the first byte of a frame': frame('hello').subarray(0, 1),
  'half a mask': frame('hello').subarray(0, 4),
  'half a payload': frame('hello').subarray(0, 8),
  'half a large message': rawFrame({ opcode: 0x2, payload: Buffer.alloc(60_000) }).subarray(
    0,
    30_000
  ),
  'a fragment': rawFrame({ payload: 'a', isFinal: false }),
  'half a fragmented message': Buffer.concat([
    rawFrame({ payload: 'a', isFinal: false }),
    ...Array(100).fill(rawFrame({ opcode: 0x0, payload: 'b', isFinal: false }))
  ]),
  'half a ping inside a fragmented message': Buffer.concat([
    rawFrame({ payload: 'a', isFinal: false }),
    rawFrame({ opcode: 0x9, payload: 'ping' }).subarray(0, 8)
  ]),
  'half a close frame': rawFrame({ opcode: 0x8, payload: Buffer.from([0x03, 0xe8]) }).subarray(
    0,
    7
  ),
  'a close frame': rawFrame({ opcode: 0x8, payload: Buffer.from([0x03, 0xe8]) })
}
for (const [what, bytes] of Object.entries(pieces)) {
  t.test(`a reset behind ${what} leaves nothing`, async (t) => {
    const server = await faultServer(t)
    const client = await rawOpen(server.url)
    client.socket.write(frame('first'))
    await client.until('first')
    client.socket.write(bytes)
    await turns(5)
    client.socket.resetAndDestroy()
    await server.unharmed()
    t.strictSame(server.codes, [what === 'a close frame' ? 1000 : 1006])
    await server.gone()
  })
}

for (const overflow of [
  'close',
  'drop-oldest',
  'drop-newest',
  { latestBy: () => undefined }
] as const) {
  const name = typeof overflow === 'string' ? overflow : 'latestBy'
  t.test(`resets with waiting broadcasts leave nothing of the budget, ${name}`, async (t) => {
    const connections: WsConnection[] = []
    const server = await faultServer(t, {
      plugin: { outbox: { overflow, limit: 1_000_000 }, outboxBudget: 2_000_000 },
      controller: { onOpen: (connection) => { connections.push(connection) } }
    })
    const message = Buffer.alloc(50_000)
    // The share of the budget that this many would hold, if it were not returned, exceeds the
    // budget.
    for (let round = 0; round < 10; round++) {
      const client = await rawOpen(server.url)
      client.socket.pause()
      while (connections[round]!.bufferedAmount < 500_000 && connections[round]!.dropped === 0) {
        server.route.broadcast(message)
        await turns(1)
      }
      client.socket.resetAndDestroy()
      server.route.broadcast(message)
      await until(() => server.route.clients.size === 0)
      server.route.broadcast(message)
    }
    const slow = await rawOpen(server.url)
    slow.socket.pause()
    const connection = connections.at(-1)!
    while (connection.bufferedAmount < 500_000 && connection.dropped === 0) {
      server.route.broadcast(message)
      await turns(1)
    }
    t.equal(connection.dropped, 0, 'the budget is not used up')
    slow.socket.resetAndDestroy()
    await server.unharmed()
    await server.gone()
  })
}

t.test('a reset during a large reply releases the waiting handler', async (t) => {
  const events: string[] = []
  const server = await faultServer(t, {
    controller: {
      async onMessage (connection) {
        while (connection.send(Buffer.alloc(60_000)));
        await connection.drained()
        events.push('released')
        return Buffer.alloc(60_000)
      },
      onClose: () => { events.push('onClose') }
    }
  })
  const client = await rawOpen(server.url)
  client.socket.write(frame('go'))
  await client.until(/\x82/)
  client.socket.pause()
  await turns(10)
  client.socket.resetAndDestroy()
  await server.unharmed()
  t.strictSame(events, ['released', 'onClose'])
  await server.gone()
})

t.test('a reset while a stream is sent ends the stream', async (t) => {
  let ended = 0
  const server = await faultServer(t, {
    controller: {
      async * onOpen () { try { while (true) yield Buffer.alloc(30_000) } finally { ended++ } }
    }
  })
  const client = await rawOpen(server.url)
  await client.until(/\x82/)
  client.socket.resetAndDestroy()
  await server.unharmed()
  await until(() => ended === 1)
  await server.gone()
})

t.test('a reset while a stream has nothing to give ends the stream', async (t) => {
  const streams: Readable[] = []
  const server = await faultServer(t, {
    controller: {
      onOpen: () => {
        const stream = new Readable({ read () {} })
        streams.push(stream)
        return stream
      }
    }
  })
  const client = await rawOpen(server.url)
  await until(() => streams.length === 1)
  client.socket.resetAndDestroy()
  await server.unharmed()
  await until(() => streams[0]!.destroyed)
  await server.gone()
})

t.test('a reset during a handler that hangs: onClose runs after closeTimeout', async (t) => {
  let handled = 0
  const server = await faultServer(t, {
    controller: { onMessage: async () => { handled++; await new Promise<never>(() => {}) } }
  })
  const client = await rawOpen(server.url)
  client.socket.write(frame('hang'))
  await until(() => handled === 1)
  client.socket.resetAndDestroy()
  await server.unharmed()
  t.strictSame(server.codes, [1006])
  await server.gone()
})

t.test('a reset in answer to the close frame leaves nothing', async (t) => {
  const server = await faultServer(t, {
    controller: {
      onMessage: (connection) => { connection.close(4000, 'enough') },
      onClose: () => 'goodbye'
    }
  })
  const client = await rawOpen(server.url)
  client.socket.write(frame('close'))
  await client.until('enough')
  client.socket.resetAndDestroy()
  await server.unharmed()
  t.strictSame(server.codes, [4000])
  await server.gone()
})

t.test('a reset while an async onClose is pending leaves nothing', async (t) => {
  const { pass, open } = gate()
  let isClosing = false
  const server = await faultServer(t, {
    controller: {
      onMessage: (connection) => { connection.close(4000) },
      onClose: async () => { isClosing = true; await pass(); return 'goodbye' }
    }
  })
  const client = await rawOpen(server.url)
  client.socket.write(frame('close'))
  await until(() => isClosing)
  client.socket.resetAndDestroy()
  await turns(10)
  open()
  await server.unharmed()
  t.strictSame(server.codes, [4000])
  await server.gone()
})

t.test('resets during the drain, at every stage of a connection, do not hold it up', async (t) => {
  const { pass, open } = gate()
  let waiting = 0
  const wait = async () => { waiting++; await pass() }
  const server = await faultServer(t, {
    plugin: { drain: { batch: 2 } },
    controller: {
      onOpen: (connection) => connection.query.stage === 'open' ? wait() : undefined,
      onMessage: wait,
      onClose: async (connection) => {
        if (connection.query.stage === 'close') await wait()
        return 'goodbye'
      }
    },
    setUp: (app) => { app.socketRoute('/hook', { onOpen: () => 'in' }, { preHandler: wait }) }
  })
  const silent = await raw(server.url)
  const half = await raw(server.url)
  half.socket.write('GET / HTTP/1.1\r\n')
  const hooked = await raw(server.url)
  hooked.socket.write(handshake('/hook'))
  const clients = []
  for (const stage of ['open', 'message', 'close', 'idle', 'idle', 'idle']) {
    const client = await rawOpen(server.url, `/?stage=${stage}`)
    if (stage === 'message') client.socket.write(frame('work'))
    clients.push(client)
  }
  await until(() => waiting === 3)
  const polite = await connect(`${server.url}/echo`)
  const closed = server.app.close()
  // For the batches, and no more: what is not let go would be seen.
  await server.clock.advance(400)
  await until(() => waiting === 4)
  for (const { socket } of [silent, half, hooked, ...clients]) socket.resetAndDestroy()
  await turns(20)
  open()
  await closed
  t.equal((await polite.closed).code, 1012)
  t.equal(server.codes.length, 6)
  await server.gone()
})
