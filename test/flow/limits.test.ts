import { once } from 'node:events'
import t from 'tap'
import type { SocketRouteHandle } from '../../src/index.js'
import { connect, frame, handshake, tcp } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen } from '../support/server.js'
import { turns, until } from '../support/until.js'

// P34
t.test('a message over maxPayload closes with 1009, and onError hears of it', async (t) => {
  const app = await createApp(t)
  const seen: unknown[] = []
  app.socketRoute('/', {
    onMessage: (_connection, message) => { seen.push(message.bytes.length) },
    onError: (_connection, error) => { seen.push((error as { code?: string }).code) },
    onClose: (_connection, { code }) => { seen.push(code) }
  })
  const client = await connect(await listen(app))
  client.send(Buffer.alloc(65_536))
  client.send(Buffer.alloc(65_537))
  t.equal((await client.closed).code, 1009)
  await app.close()
  t.strictSame(seen, [65_536, 'FSR_ERR_MESSAGE_TOO_BIG', 1009])
})

t.test('a rule that is broken while the server closes changes nothing any more', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'info', stream: { write: (line) => { lines.push(line) } } } }
  })
  let release: undefined | (() => void)
  let errors = 0
  app.socketRoute('/', {
    onMessage: (connection) => { connection.close(4000) },
    onError: () => { errors++ },
    onClose: async () => { await new Promise<void>((resolve) => { release = resolve }) }
  })
  const client = await connect(await listen(app))
  client.send('close')
  await until(() => release !== undefined)
  client.send(Buffer.alloc(65_537))
  await until(() => lines.some((line) => line.includes('limit exceeded')))
  release!()
  await client.closed
  t.equal(errors, 0)
})

t.test('onClose waits for an async onError about a rule that the client broke', async (t) => {
  const app = await createApp(t)
  const seen: string[] = []
  const done = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      onError: async () => { await turns(5); seen.push('onError'); return 'sorry' },
      onClose: () => { seen.push('onClose'); resolve() }
    }, { maxPayload: 10 })
  })
  const client = await connect(await listen(app))
  client.send('x'.repeat(11))
  await done
  t.strictSame(seen, ['onError', 'onClose'])
  t.equal((await client.closed).code, 1009)
  t.strictSame(client.unread, ['sorry'])
})

t.test('a route can have a lower maxPayload', async (t) => {
  const app = await createApp(t, { plugin: { maxPayload: 100 } })
  app.socketRoute(
    '/small',
    { onMessage: () => 'ok', onError: () => 'too much' },
    { maxPayload: 10 }
  )
  app.socketRoute('/large', { onMessage: () => 'ok' })
  const url = await listen(app)
  const small = await connect(`${url}/small`)
  small.send('x'.repeat(10))
  small.send('x'.repeat(11))
  t.strictSame(await small.closed, { code: 1009, reason: 'message too big' })
  t.strictSame(small.unread, ['ok', 'too much'])
  const large = await connect(`${url}/large`)
  large.send('x'.repeat(100))
  t.equal(await large.next(), 'ok')
  large.send('x'.repeat(101))
  t.equal((await large.closed).code, 1009)
})

// P35
t.test('a client that does not read is closed above outbox.limit, others not', async (t) => {
  const app = await createApp(t, { clock: new TestClock() })
  const ended = new Promise<{ code: number, dropped: number }>((resolve) => {
    app.socketRoute('/', {
      onOpen: (connection) => { connection.data.name = connection.query.name; return 'open' },
      onClose: (connection, { code }) => {
        if (connection.data.name === 'deaf') {
          setImmediate(() => { resolve({ code, dropped: connection.dropped }) })
        }
      }
    })
  })
  const url = await listen(app)
  const deaf = await tcp(url)
  deaf.write(handshake('/?name=deaf'))
  await once(deaf, 'data')
  deaf.pause()
  const client = await connect(url)
  await client.next()
  const route = app.socketRoutes.get<SocketRouteHandle>('/')!
  const message = Buffer.alloc(60_000)
  let sent = 0
  for (; route.clients.size === 2; sent++) {
    route.broadcast(message)
    await client.next()
  }
  const { code, dropped } = await ended
  t.equal(code, 1013)
  t.equal(dropped, 1)
  t.ok(
    sent * message.length < 20_000_000,
    'the kernel has its share, this process has one mebibyte'
  )
  route.broadcast('still here')
  t.equal(await client.next(), 'still here')
  deaf.destroy()
})

t.test('send() says whether the client keeps up, and drained() waits until it does', async (t) => {
  const app = await createApp(t)
  const answers: boolean[] = []
  const done = new Promise<number>((resolve) => {
    app.socketRoute('/', {
      onMessage: async (connection) => {
        const message = Buffer.alloc(50_000)
        let keepsUp = true
        while (keepsUp) {
          keepsUp = connection.send(message)
          answers.push(keepsUp)
        }
        t.ok(connection.bufferedAmount > 65_536)
        connection.send('one more')
        await connection.drained()
        resolve(connection.bufferedAmount)
        await connection.drained()
      }
    })
  })
  const client = await connect(await listen(app))
  client.send('go')
  // Only now, so that the kernel's buffers fill up.
  client.socket.pause()
  await until(() => answers.includes(false))
  client.socket.resume()
  t.ok(await done <= 65_536)
  t.equal((await client.take(answers.length + 1)).at(-1), 'one more')
})

t.test('drained() resolves after a message of any size that filled the outbox', async (t) => {
  const app = await createApp(t)
  const sizes = [65_520, 65_526, 65_527, 65_530, 65_535, 65_536, 65_537]
  const done = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      onMessage: async (connection) => {
        for (let round = 0; round < 100; round++) {
          for (const size of sizes) {
            connection.send(Buffer.alloc(size))
            await connection.drained()
          }
        }
        resolve()
      }
    })
  })
  const client = await connect(await listen(app))
  client.socket.pause()
  client.send('go')
  await turns(200)
  client.socket.resume()
  await done
  t.equal((await client.take(700)).length, 700)
})

t.test('a burst of small messages in one turn reaches a client that reads', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onOpen: (connection) => {
      for (let count = 0; count < 5_000; count++) connection.send(`${count}`)
    }
  })
  const client = await connect(await listen(app))
  const received = await client.take(5_000)
  t.equal(received.at(-1), '4999')
  t.equal(client.socket.readyState, 1)
})

t.test('waiting small messages count with their overhead, and close the connection', async (t) => {
  const app = await createApp(t, { clock: new TestClock() })
  const route = app.socketRoute('/', { onOpen: () => 'open' })
  const deaf = await tcp(await listen(app))
  deaf.write(handshake('/'))
  await once(deaf, 'data')
  deaf.pause()
  let sent = 0
  // The kernel's buffers take a few millions of them.
  for (; route.clients.size === 1 && sent < 5_000_000; sent++) {
    route.broadcast('x')
    if (sent % 1000 === 0) await turns(1)
  }
  const connection = route.clients.size
  t.equal(connection, 0, `closed after ${sent}`)
  deaf.destroy()
})

t.test('who waits for drained() is released when the connection ends', async (t) => {
  const app = await createApp(t)
  const released = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      onOpen: async (connection) => {
        while (connection.send(Buffer.alloc(50_000)));
        connection.drained().then(resolve)
        connection.terminate()
      }
    })
  })
  const client = await connect(await listen(app))
  client.socket.pause()
  await released
  client.socket.terminate()
  t.pass()
})

t.test('a message may come in maxFragments fragments, and in no more', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { maxFragments: 3 } })
  const seen: unknown[] = []
  app.socketRoute('/', {
    onMessage: (_connection, message) => { seen.push(message.text) },
    onError: (_connection, error) => { seen.push((error as { code?: string }).code) }
  })
  const client = await connect(await listen(app))
  for (const fragments of ['abc', 'abcd']) {
    for (const [index, fragment] of [...fragments].entries()) {
      client.socket.send(fragment, { fin: index === fragments.length - 1 })
    }
  }
  t.equal((await clock.during(client.closed)).code, 1008)
  t.strictSame(seen, ['abc', 'FSR_ERR_FRAGMENTS_TOO_MANY'])
})

t.test('a message may have 128 fragments by default, and more if it may be larger', async (t) => {
  for (const [maxPayload, most] of [[undefined, 128], [131_072, 256]] as const) {
    const clock = new TestClock()
    const app = await createApp(t, { clock, plugin: { maxPayload } })
    const lengths: number[] = []
    app.socketRoute('/', {
      onMessage: (_connection, message) => { lengths.push(message.text.length) }
    })
    const client = await connect(await listen(app))
    for (const count of [most, most + 1]) {
      for (let index = 0; index < count; index++) {
        client.socket.send('x', { fin: index === count - 1 })
      }
      if (count === most) await until(() => lengths.length === 1)
    }
    t.equal((await clock.during(client.closed)).code, 1008)
    t.strictSame(lengths, [most])
  }
})

const breaches: Record<string, { bytes: Buffer, code: number, error: string }> = {
  'a frame that is not masked': {
    bytes: Buffer.from([0x81, 0x01, 0x61]),
    code: 1002,
    error: 'FSR_ERR_PROTOCOL_VIOLATED'
  },
  'an unknown opcode': { bytes: frame('', 0x3), code: 1002, error: 'FSR_ERR_PROTOCOL_VIOLATED' },
  'text that is not UTF-8': {
    bytes: Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff]),
    code: 1007,
    error: 'FSR_ERR_MESSAGE_NOT_UTF8'
  },
  'a frame of 2^63 bytes': {
    bytes: Buffer.from([0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    code: 1009,
    error: 'FSR_ERR_MESSAGE_TOO_BIG'
  },
  'a message in too many fragments': {
    bytes: Buffer.concat([
      Buffer.from([0x01, 0x81, 0, 0, 0, 0, 0x61]),
      ...Array(16_385).fill(Buffer.from([0x00, 0x81, 0, 0, 0, 0, 0x61]))
    ]),
    code: 1008,
    error: 'FSR_ERR_FRAGMENTS_TOO_MANY'
  }
}
for (const [what, { bytes, code, error }] of Object.entries(breaches)) {
  t.test(`${what} closes with ${code}`, async (t) => {
    const app = await createApp(t, { clock: new TestClock() })
    let errorCode: unknown
    const ended = new Promise<number>((resolve) => {
      app.socketRoute('/', {
        onError: async (_connection, error) => {
          await null
          errorCode = (error as { code?: string }).code
        },
        onClose: (_connection, { code }) => { resolve(code) }
      })
    })
    const socket = await tcp(await listen(app))
    socket.write(handshake('/'))
    await once(socket, 'data')
    socket.write(bytes)
    const [data] = await once(socket, 'data') as [Buffer]
    t.equal(data[0], 0x88, 'a close frame')
    t.equal(data.readUInt16BE(2), code)
    t.equal(await ended, code)
    t.equal(errorCode, error)
    socket.destroy()
  })
}

t.test('a route keeps 64 KiB of a message, or its own larger maxPayload, at most', async (t) => {
  const app = await createApp(t, { plugin: { maxPayload: 10_000_000 } })
  const codes: unknown[] = []
  const closed = {
    onError: (_connection: unknown, error: Error) => {
      codes.push((error as { code?: string }).code)
    }
  }
  app.socketRoute('/small', closed, { maxPayload: 1_000 })
  app.socketRoute('/middle', closed, { maxPayload: 100_000 })
  app.socketRoute('/first', closed, {
    maxPayload: 1_000,
    isGranted: () => true,
    tokenFrom: ['message']
  })
  app.socketRoute('/large', { onMessage: (_connection, message) => String(message.bytes.length) })
  const url = await listen(app)
  const announce = (first: number, size: number) => Buffer.concat([
    Buffer.from([first, 0xff]),
    Buffer.from(BigUint64Array.of(BigInt(size)).buffer).reverse(),
    Buffer.alloc(4)
  ])
  const part = (first: number, size: number) => Buffer.concat([
    announce(first, size),
    Buffer.alloc(size)
  ])
  const tooLarge: Record<string, Buffer> = {
    'a frame that has only begun': announce(0x82, 100_001),
    'fragments that are not all there': Buffer.concat([part(0x02, 60_000), part(0x00, 60_000)])
  }
  for (const [name, bytes] of Object.entries(tooLarge)) {
    for (const path of ['/small', '/middle', '/first']) {
      const socket = await tcp(url)
      socket.write(handshake(path))
      await once(socket, 'data')
      socket.write(bytes)
      const [data] = await once(socket, 'data')
      t.equal((data as Buffer).readUInt16BE(2), 1009, `${name}: ${path}`)
      socket.destroy()
    }
  }
  t.strictSame(codes, Array(4).fill('FSR_ERR_MESSAGE_TOO_BIG'))
  const middle = await connect(`${url}/middle`)
  middle.send(Buffer.alloc(100_000))
  t.equal((await middle.close(1000)).code, 1000)
  const large = await connect(`${url}/large`)
  large.send(Buffer.alloc(1_000_000))
  t.equal(await large.next(), '1000000')
})

t.test('so it is with the fragments that a message may come in', async (t) => {
  const app = await createApp(t, { plugin: { maxPayload: 10_000_000 } })
  app.socketRoute('/small', { onMessage: () => 'ok' }, { maxPayload: 1_000 })
  app.socketRoute('/large', { onMessage: () => 'ok' })
  const url = await listen(app)
  const [small, large] = [await connect(`${url}/small`), await connect(`${url}/large`)]
  for (const { socket } of [small, large]) {
    for (let count = 0; count < 200; count++) socket.send('x', { fin: false })
    socket.send('x')
  }
  t.equal((await small.closed).code, 1008)
  t.equal(await large.next(), 'ok')
})
