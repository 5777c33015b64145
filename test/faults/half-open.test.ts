import t from 'tap'
import type { WsConnection } from '../../src/index.js'
import { connect, frame, handshake, readAll, tcp } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import {
  closeCodeOf,
  faultServer,
  raw,
  rawFrame,
  rawOpen,
  type FaultServer
} from '../support/faults.js'
import { traffic } from '../support/traffic.js'
import { pause, turns, until } from '../support/until.js'

const halfOpen = { allowHalfOpen: true }

t.test('a FIN before any byte ends the connection', async (t) => {
  const server = await faultServer(t)
  const client = await raw(server.url, halfOpen)
  client.socket.end()
  await client.closed
  await server.unharmed()
  await server.gone()
})

t.test('a FIN behind half a handshake is answered 400', async (t) => {
  const server = await faultServer(t)
  const client = await raw(server.url, halfOpen)
  client.socket.end(handshake('/').slice(0, 60))
  t.match(await client.closed, /^HTTP\/1\.1 400 /)
  await server.unharmed()
  await server.gone()
})

t.test('a FIN behind the handshake, during a hook: the connection opens and ends', async (t) => {
  let admit: undefined | (() => void)
  const server = await faultServer(t, {
    route: { preHandler: async () => { await new Promise<void>((resolve) => { admit = resolve }) } }
  })
  const client = await raw(server.url, halfOpen)
  client.socket.end(handshake('/'))
  await until(() => admit !== undefined)
  await turns(10)
  admit!()
  await client.closed
  await server.unharmed()
  t.equal(server.opened, server.codes.length)
  await server.gone()
})

t.test('a FIN of a client that still reads ends the connection after its messages', async (t) => {
  const seen: string[] = []
  const server = await faultServer(t, {
    controller: {
      onMessage: async (_connection, message) => { await turns(3); seen.push(message.text) },
      onClose: () => { seen.push('onClose') }
    }
  })
  const client = await rawOpen(server.url, '/', halfOpen)
  client.socket.end(Buffer.concat([frame('one'), frame('two')]))
  await client.closed
  await server.unharmed()
  t.strictSame(seen, ['one', 'two', 'onClose'])
  t.strictSame(server.codes, [1006])
  await server.gone()
})

for (const [what, bytes] of Object.entries({
  'half a frame': frame('hello').subarray(0, 8),
  'half a fragmented message': rawFrame({ payload: 'a', isFinal: false })
})) {
  t.test(`a FIN behind ${what} ends the connection, and nothing of it is handled`, async (t) => {
    let handled = 0
    const server = await faultServer(t, { controller: { onMessage: () => { handled++ } } })
    const client = await rawOpen(server.url, '/', halfOpen)
    client.socket.end(bytes)
    await client.closed
    await server.unharmed()
    t.equal(handled, 0)
    t.strictSame(server.codes, [1006])
    await server.gone()
  })
}

t.test('a FIN during onOpen ends the connection; the return value is dropped', async (t) => {
  let open: undefined | (() => void)
  const server = await faultServer(t, {
    controller: {
      onOpen: async () => {
        await new Promise<void>((resolve) => { open = resolve })
        return 'hello'
      }
    }
  })
  const client = await rawOpen(server.url, '/', halfOpen)
  client.socket.end()
  await until(() => server.route.clients.size === 0)
  open!()
  t.notMatch(await client.closed, 'hello')
  await server.unharmed()
  t.strictSame(server.codes, [1006])
  await server.gone()
})

t.test('a client that keeps its side open after it was cut is gone', async (t) => {
  const server = await faultServer(t, {
    controller: { onMessage: (connection) => { connection.terminate() } }
  })
  const client = await rawOpen(server.url, '/', halfOpen)
  client.socket.write(frame('cut'))
  await until(() => server.codes.length === 1)
  await until(() => client.socket.readableEnded || client.socket.closed)
  client.socket.destroy()
  await server.unharmed()
  await server.gone()
})

// Node times these by its own clock. Clients that are in time have the default, so that a slow
// machine cuts none of them.
const checked = { http: { connectionsCheckingInterval: 50 } }
function setPatience ({ app }: FaultServer, milliseconds: number): void {
  app.server.headersTimeout = milliseconds
  app.server.requestTimeout = milliseconds
}

t.test('a handshake that drips in is cut with 408 after headersTimeout', async (t) => {
  const server = await faultServer(t, { fastify: checked })
  const client = await raw(server.url)
  setPatience(server, 300)
  client.socket.write(handshake('/').slice(0, 40))
  while (!client.socket.closed && !client.socket.readableEnded) {
    client.socket.write('a')
    await pause(Infinity)
  }
  t.match(await client.closed, /^HTTP\/1\.1 408 /)
  t.equal(server.opened, 0)
  setPatience(server, 60_000)
  await server.unharmed()
  await server.gone()
})

t.test('a TCP connection that says nothing is cut after headersTimeout', async (t) => {
  const server = await faultServer(t, { fastify: checked })
  setPatience(server, 300)
  t.match(await (await raw(server.url)).closed, /^HTTP\/1\.1 408 /)
  setPatience(server, 60_000)
  await server.unharmed()
  await server.gone()
})

t.test('an upgrade that no hook answers is cut after handshakeTimeout', async (t) => {
  const server = await faultServer(t, {
    setUp: (app) => {
      app.socketRoute('/never', { onOpen: () => 'in' }, {
        preHandler: async () => { await new Promise<never>(() => {}) }
      })
    }
  })
  const client = await raw(server.url)
  client.socket.write(handshake('/never'))
  t.equal(await server.clock.during(client.closed), '')
  await server.unharmed()
  await server.gone()
})

t.test('a message that drips in delays no other, and is handled when complete', async (t) => {
  const server = await faultServer(t)
  const client = await rawOpen(server.url)
  client.socket.setNoDelay()
  const other = await connect(server.url)
  for (const byte of rawFrame({ payload: 'slow as can be' })) {
    client.socket.write(Buffer.of(byte))
    other.send('fast')
    t.equal(await other.next(), 'fast')
    await server.clock.advance(5_000)
  }
  t.match(await client.until('slow as can be'), /slow as can be/)
  client.socket.destroy()
  await other.close()
  await server.unharmed()
  await server.gone()
})

t.test('a message of which the rest never comes is cut by the heartbeat', async (t) => {
  const server = await faultServer(t)
  const client = await rawOpen(server.url)
  client.socket.write(rawFrame({ opcode: 0x2, payload: Buffer.alloc(60_000) }).subarray(0, 30_000))
  await server.clock.during(client.closed)
  await server.unharmed()
  t.strictSame(server.codes, [1006])
  await server.gone()
})

t.test('a client that never answers the close frame is cut after closeTimeout', async (t) => {
  const server = await faultServer(t, {
    controller: { onMessage: (connection) => { connection.close(4000) } }
  })
  const client = await rawOpen(server.url, '/', halfOpen)
  client.socket.write(frame('close'))
  await server.clock.during(until(() => client.socket.readableEnded || client.socket.closed))
  t.equal(closeCodeOf(client.received()), 4000)
  client.socket.destroy()
  await server.unharmed()
  t.strictSame(server.codes, [4000])
  await server.gone()
})

t.test('a client that answers the close frame otherwise is cut after closeTimeout', async (t) => {
  let handled = 0
  const server = await faultServer(t, {
    controller: { onMessage: (connection) => { handled++; connection.close(4000) } }
  })
  const client = await rawOpen(server.url)
  client.socket.write(frame('close'))
  await client.until('\x88')
  while (!client.socket.closed) {
    client.socket.write(frame('more'))
    await server.clock.advance(1_000)
  }
  t.equal(handled, 1)
  await server.unharmed()
  await server.gone()
})

t.test('a client that closes but keeps TCP open is cut after closeTimeout', async (t) => {
  const server = await faultServer(t)
  const client = await rawOpen(server.url, '/', halfOpen)
  client.socket.write(rawFrame({ opcode: 0x8, payload: Buffer.from([0x03, 0xe8]) }))
  await until(() => server.codes.length === 1)
  await until(() => client.socket.readableEnded)
  await server.close()
  client.socket.destroy()
  t.strictSame(server.codes, [1000])
  await server.gone()
})

t.test('a client that stops reading is closed with 1013, or cut', async (t) => {
  let deaf: undefined | WsConnection
  const server = await faultServer(t, {
    controller: { onOpen: (connection) => { deaf = connection } }
  })
  const client = await rawOpen(server.url)
  client.socket.pause()
  while (server.route.clients.size > 0) {
    server.route.broadcast(Buffer.alloc(50_000))
    await turns(1)
  }
  t.ok(deaf!.bufferedAmount < 1_200_000, `${deaf!.bufferedAmount}`)
  await server.clock.during(until(() => deaf!.bufferedAmount === 0))
  client.socket.destroy()
  await server.unharmed()
  t.strictSame(server.codes, [1013])
  await server.gone()
})

t.test('a client that stops reading its replies is not read from; a stop cuts it', async (t) => {
  let handled = 0
  const server = await faultServer(t, {
    plugin: { drain: { deadline: 5_000 } },
    controller: { onMessage: () => { handled++; return Buffer.alloc(60_000) } }
  })
  const client = await rawOpen(server.url)
  client.socket.pause()
  const requests = Buffer.concat(Array(2_000).fill(frame('more')))
  client.socket.write(requests)
  let before = -1
  while (handled > before) {
    before = handled
    await turns(300)
  }
  t.ok(handled < 1_000, `${handled} of 2000 were handled`)
  await server.close()
  client.socket.destroy()
  t.strictSame(server.codes, [1012])
  await server.gone()
})

t.test('peers without pongs are cut, others stay, and no timer is left', async (t) => {
  const clock = new TestClock()
  const server = await faultServer(t, { clock })
  const silent = []
  for (let count = 0; count < 20; count++) silent.push(await rawOpen(server.url))
  const client = await connect(server.url)
  await clock.advance(100_000)
  await Promise.all(silent.map(({ closed }) => closed))
  await until(() => server.route.clients.size === 1)
  client.send('alive')
  t.equal(await client.next(), 'alive')
  await client.close()
  await server.unharmed()
  t.strictSame(server.codes.toSorted(), [1005, ...Array(20).fill(1006)])
  await clock.advance(60_000)
  t.equal(clock.timers, 0)
  await server.gone()
})

for (const [what, request] of Object.entries({
  nothing: '',
  'half a handshake': handshake('/').slice(0, 60)
})) {
  t.test(`a kept-alive REST connection that has sent ${what} does not delay a stop`, async (t) => {
    const server = await faultServer(t, {
      setUp: (app) => { app.get('/rest', async () => 'rest') }
    })
    const client = await raw(server.url)
    client.socket.write('GET /rest HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/rest$/)
    client.socket.write(request)
    await traffic()
    await server.close()
    await client.closed
    await server.gone()
  })
}

t.test('a REST request that outlasts the drain gets a response, then the end', async (t) => {
  const answers: Array<() => void> = []
  const server = await faultServer(t, {
    setUp: (app) => {
      app.get('/slow', async () => {
        await new Promise<void>((resolve) => { answers.push(resolve) })
        return 'done'
      })
    }
  })
  const slow = 'GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const [one, two, gone] = [await tcp(server.url), await tcp(server.url), await tcp(server.url)]
  one.write(slow)
  // The second of these is answered behind the first, and both are under way.
  two.write(slow + slow)
  gone.write(slow)
  await until(() => answers.length === 4)
  one.write(handshake('/').slice(0, 60))
  gone.destroy()
  let isClosed = false
  const closed = server.app.close().then(() => { isClosed = true })
  await until(() => !server.app.server.listening)
  await turns(10)
  t.notOk(isClosed)
  for (const answer of answers) answer()
  t.match(await readAll(one), /done$/)
  t.match(await readAll(two), /done[^]*done$/)
  await closed
  await server.gone()
})
