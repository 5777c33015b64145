import { once } from 'node:events'
import { connect as connectTcp, type AddressInfo } from 'node:net'
import t from 'tap'
import { closeCodes } from '../../src/index.js'
import { Drain } from '../../src/operate/drain.js'
import { connect, handshake, readAll, refusal, tcp } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { giveTwoAddresses } from '../support/localhost.js'
import { createApp, listen } from '../support/server.js'
import { traffic } from '../support/traffic.js'
import { turns, until } from '../support/until.js'

// P36
t.test('fastify.close() says goodbye, closes with 1012, and awaits every onClose', async (t) => {
  const app = await createApp(t)
  let closes = 0
  for (const path of ['/a', '/b']) {
    app.socketRoute(path, {
      onClose: async () => { await new Promise(setImmediate); closes++; return 'goodbye' }
    })
  }
  const url = await listen(app)
  const clients = [await connect(`${url}/a`), await connect(`${url}/a`), await connect(`${url}/b`)]
  await app.close()
  t.equal(closes, 3)
  for (const client of clients) {
    t.strictSame(await client.closed, { code: 1012, reason: 'service restart' })
    t.strictSame(client.unread, ['goodbye'])
  }
})

t.test('fastify.close() waits for running handlers, whose replies still arrive', async (t) => {
  const app = await createApp(t)
  let release: undefined | (() => void)
  app.socketRoute('/', {
    onMessage: async (_connection, message) => {
      await new Promise<void>((resolve) => { release = resolve })
      return message
    },
    onClose: () => 'goodbye'
  })
  const client = await connect(await listen(app))
  client.send('work')
  await until(() => release !== undefined)
  const closed = app.close()
  await new Promise(setImmediate)
  release!()
  await closed
  t.strictSame(client.unread, ['work', 'goodbye'])
})

// P36
t.test('fastify.close() cuts clients that never read or answer, at the deadline', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  let closes = 0
  const route = app.socketRoute('/', {
    onOpen: () => 'open',
    onClose: () => { closes++; return 'goodbye' }
  })
  const url = await listen(app)
  // A client that never answers the close, and one that never reads.
  const mute = await tcp(url)
  const deaf = await tcp(url)
  const polite = await connect(url)
  for (const socket of [mute, deaf]) {
    socket.write(handshake('/'))
    await once(socket, 'data')
  }
  deaf.pause()
  for (let count = 0; count < 100; count++) route.broadcast(Buffer.alloc(10_000))
  await clock.during(app.close())
  t.equal(closes, 3)
  t.equal((await polite.closed).code, 1012, 'a client that reads gets the close frame')
  mute.destroy()
  deaf.destroy()
})

t.test('fastify.close() waits for nothing that a stuck callback holds', async (t) => {
  const warnings: string[] = []
  const clock = new TestClock()
  const app = await createApp(t, {
    clock,
    fastify: {
      logger: {
        level: 'warn',
        stream: { write: (line) => { warnings.push(JSON.parse(line).msg) } }
      }
    }
  })
  let running = 0
  const forever = async (): Promise<void> => { running++; await new Promise<never>(() => {}) }
  let closes = 0
  app.socketRoute('/open', { onOpen: forever, onClose: () => { closes++ } })
  app.socketRoute('/message', { onMessage: forever, onClose: async () => { await null; closes++ } })
  app.socketRoute('/both', {
    onMessage: forever,
    onClose: async () => { closes++; await forever() }
  })
  app.socketRoute('/close', { onClose: async () => { closes++; await forever() } })
  const url = await listen(app)
  await connect(`${url}/open`)
  const client = await connect(`${url}/message`)
  await connect(`${url}/close`)
  const both = await connect(`${url}/both`)
  client.send('hang')
  both.send('hang')
  await until(() => running === 3)
  await clock.during(app.close())
  t.equal(closes, 4)
  t.ok(warnings.includes('connections did not close in time; terminating them'))
  t.ok(warnings.includes('onClose did not end in time'))
})

// P36
t.test('an upgrade while the server stops is answered 503', async (t) => {
  const app = await createApp(t)
  let release: undefined | (() => void)
  let admit: undefined | (() => void)
  let opened = 0
  app.socketRoute('/busy', {
    onClose: async () => { await new Promise<void>((resolve) => { release = resolve }) }
  })
  app.socketRoute('/slow', { onOpen: () => { opened++ } }, {
    preValidation: async () => { await new Promise<void>((resolve) => { admit = resolve }) }
  })
  const url = await listen(app)
  await connect(`${url}/busy`)
  // An upgrade that is under way when the app begins to stop.
  const early = await tcp(url)
  early.write(handshake('/slow'))
  await until(() => admit !== undefined)
  const closed = app.close()
  await until(() => release !== undefined)
  admit!()
  t.match(
    String((await once(early, 'data'))[0]),
    /^HTTP\/1\.1 503 [^]*retry-after: 5[^]*FSR_ERR_CLOSING/
  )
  release!()
  await closed
  t.equal(opened, 0)
})

t.test("an upgrade in the app's verifyClient at the beginning of a stop is rejected", async (t) => {
  let verify: undefined | ((isIn: boolean) => void)
  const app = await createApp(t, {
    // With a preClose of the app's own, ws does not refuse it.
    plugin: {
      websocket: {
        preClose: (done: () => void) => { done() },
        options: {
          verifyClient: (_info: unknown, answer: (isIn: boolean) => void) => { verify = answer }
        }
      }
    }
  })
  let closes = 0
  app.socketRoute('/', { onOpen: () => 'hello', onClose: () => { closes++ } })
  app.socketRoute('/busy', { onClose: async () => { await until(() => isRefused) } })
  let isRefused = false
  const url = await listen(app)
  const busy = connect(`${url}/busy`)
  await until(() => verify !== undefined)
  verify!(true)
  await busy
  verify = undefined
  const late = refusal(url)
  await until(() => verify !== undefined)
  const closed = app.close()
  await turns(5)
  verify!(true)
  t.match(await late, { status: 503, body: { code: 'FSR_ERR_CLOSING' } })
  isRefused = true
  await closed
  t.equal(closes, 0)
})

t.test('fastify.close() ends silent connections, half requests and pending upgrades', async (t) => {
  const app = await createApp(t)
  let asked = 0
  app.socketRoute('/', { onOpen: () => 'open' }, {
    preHandler: async () => { asked++; await new Promise<never>(() => {}) }
  })
  app.get('/slow', async () => { asked++; await until(() => isClosing); return 'done' })
  let isClosing = false
  const url = await listen(app)
  const silent = await tcp(url)
  const half = await tcp(url)
  half.write('GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: webs')
  const pending = await tcp(url)
  pending.write(handshake('/'))
  const rest = await tcp(url)
  rest.write('GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  await until(() => asked === 2)
  const ends = [silent, half, pending].map((socket) => new Promise<void>((resolve) => {
    socket.on('close', () => { resolve() }).on('error', () => {}).resume()
  }))
  const answer = readAll(rest)
  const closed = app.close()
  await turns(5)
  isClosing = true
  t.match(await answer, /done$/, 'REST that is under way is answered')
  await closed
  await Promise.all(ends)
})

t.test('fastify.close() closes connections in batches, with time between them', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { drain: { batch: 2, interval: 100 } } })
  const times: number[] = []
  app.socketRoute('/', { onClose: () => { times.push(clock.now()) } })
  const url = await listen(app)
  for (let count = 0; count < 6; count++) await connect(url)
  await clock.during(app.close())
  t.strictSame(times, [0, 0, 100, 100, 200, 200])
})

t.test('batches are closer where there are too many of them for the deadline', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, {
    clock,
    plugin: { drain: { batch: 1, interval: 100_000, deadline: 5_000 } }
  })
  app.socketRoute('/', { onClose: () => 'goodbye' })
  const url = await listen(app)
  const clients = []
  for (let count = 0; count < 5; count++) clients.push(await connect(url))
  await clock.during(app.close())
  for (const client of clients) t.equal((await client.closed).code, 1012)
  t.ok(clock.now() <= 5_000, `${clock.now()} ms`)
})

t.test('a stuck handler or onClose is abandoned at the deadline', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock, plugin: { closeTimeout: 1_000_000 } })
  const forever = async (): Promise<void> => { await new Promise<never>(() => {}) }
  let running = 0
  let closes = 0
  app.socketRoute('/', {
    onMessage: async () => { running++; await forever() },
    onClose: async () => { closes++; await forever() }
  })
  const client = await connect(await listen(app))
  client.send('hang')
  await until(() => running === 1)
  await clock.during(app.close())
  t.equal(closes, 1)
  t.equal((await client.closed).code, 1006)
})

t.test('a logger that throws keeps nothing of a stop from being done', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.socketRoute('/', {
    onMessage: async () => await new Promise<never>(() => {}),
    onClose: async () => await new Promise<never>(() => {})
  })
  const url = await listen(app)
  const client = await connect(url)
  client.send('hang')
  const silent = (await tcp(url)).resume()
  const ended = once(silent, 'close')
  app.log.warn = () => { throw new Error('of the logger') }
  await clock.during(app.close())
  t.equal((await client.closed).code, 1006)
  await ended
})

t.test('a TCP connection that is made while the server stops is ended', async (t) => {
  const app = await createApp(t)
  let release: undefined | (() => void)
  app.socketRoute('/', {
    onClose: async () => { await new Promise<void>((resolve) => { release = resolve }) }
  })
  const url = await listen(app)
  await connect(url)
  const closed = app.close()
  await until(() => release !== undefined)
  const late = await tcp(url)
  const ended = new Promise<void>((resolve) => {
    late.on('close', () => { resolve() }).on('error', () => {}).resume()
  })
  release!()
  await closed
  await ended
})

t.test('a TCP connection that is made when the drain is over is ended at once', async (t) => {
  const app = await createApp(t)
  // After the drain, and before Fastify stops listening.
  app.addHook('preClose', async () => {
    const late = await tcp(url)
    await new Promise<void>((resolve) => {
      late.on('close', () => { resolve() }).on('error', () => {}).resume()
    })
  })
  const url = await listen(app)
  await app.close()
})

t.test('a request on a TCP connection made while the server stops gets a response', async (t) => {
  const app = await createApp(t)
  let release: undefined | (() => void)
  app.socketRoute('/', {
    onClose: async () => { await new Promise<void>((resolve) => { release = resolve }) }
  })
  const url = await listen(app)
  await connect(url)
  const closed = app.close()
  await until(() => release !== undefined)
  const late = await tcp(url)
  late.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  t.match(await readAll(late), /^HTTP\/1\.1 503 /)
  release!()
  await closed
})

for (const return503OnClosing of [true, false]) {
  t.test(`upgrades during a stop get 503, return503OnClosing: ${return503OnClosing}`, async (t) => {
    const app = await createApp(t, { fastify: { return503OnClosing } })
    let release: undefined | (() => void)
    app.socketRoute('/', {
      onClose: async () => { await new Promise<void>((resolve) => { release = resolve }) }
    })
    const url = await listen(app)
    await connect(url)
    const closed = app.close()
    await until(() => release !== undefined)
    const { status, headers, body } = await refusal(url)
    t.equal(status, 503)
    t.equal(headers['retry-after'], '5')
    t.strictSame(body, {
      statusCode: 503,
      code: 'FSR_ERR_CLOSING',
      error: 'Service Unavailable',
      message: 'The server is stopping'
    })
    await t.rejects(app.injectWS('/'), /503/)
    const broken = await tcp(url)
    broken.write(handshake('/'))
    broken.resetAndDestroy()
    release!()
    await closed
  })
}

t.test('fastify.close() ends half a request that follows an answered one', async (t) => {
  const app = await createApp(t)
  app.get('/', async () => 'done')
  const url = await listen(app)
  const socket = await tcp(url)
  socket.on('error', () => {})
  // Two at once, which are answered one after the other.
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(2))
  let text = ''
  socket.on('data', (chunk) => { text += String(chunk) })
  await until(() => text.split('done').length === 3)
  socket.write('GET / HTTP/1.1\r\nHo')
  const ended = new Promise<void>((resolve) => { socket.on('close', () => { resolve() }) })
  await traffic()
  await app.close()
  await ended
})

t.test('fastify.close() ends silent connections also without app.listen()', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onMessage () {} })
  await app.ready()
  await once(app.server.listen(0, '127.0.0.1'), 'listening')
  const url = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const silent = await tcp(url)
  const client = await connect(url)
  const ended = new Promise<void>((resolve) => {
    silent.on('close', () => { resolve() }).on('error', () => {}).resume()
  })
  await app.close()
  await ended
  t.equal((await client.closed).code, 1012)
})

t.test('fastify.close() ends silent connections to the second address of localhost', async (t) => {
  const app = await createApp(t)
  giveTwoAddresses(t)
  await app.listen({ port: 0, host: 'localhost' })
  const { port } = app.server.address() as AddressInfo
  const silent = connectTcp(port, '127.0.0.2')
  await once(silent, 'connect')
  // The server has seen it when it has answered a later one.
  const other = connectTcp(port, '127.0.0.2')
  other.end('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  t.match(await readAll(other), /404/)
  const ended = new Promise<void>((resolve) => {
    silent.on('close', () => { resolve() }).on('error', () => {}).resume()
  })
  await app.close()
  await ended
})

t.test('a connection with a pending response ends after it when the drain is over', async (t) => {
  const app = await createApp(t)
  let isAsked = false
  let finish: undefined | (() => void)
  app.get('/fast', async () => 'first')
  app.get('/', async () => {
    isAsked = true
    await new Promise<void>((resolve) => { finish = resolve })
    return 'done'
  })
  // After the drain, and before Fastify goes on.
  app.addHook('preClose', async () => { finish!() })
  const url = await listen(app)
  const socket = await tcp(url)
  socket.write(
    'GET /fast HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
  )
  await until(() => isAsked)
  const answer = readAll(socket)
  await app.close()
  t.match(await answer, /first[^]*done$/)
})

t.test('an app without connections closes at once, also before listening', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'hi' })
  await app.ready()
  await app.close()
  t.pass()
})

t.test('an upgrade behind an unanswered request is ended, also during a stop', async (t) => {
  let release: undefined | (() => void)
  const app = await createApp(t)
  app.socketRoute('/', {
    onOpen: () => 'in',
    onClose: async () => { await new Promise<void>((resolve) => { release = resolve }) }
  })
  app.get('/slow', async () => await new Promise(() => {}))
  const url = await listen(app)
  const pipelined = async () => {
    const socket = await tcp(url)
    const closed = once(socket.resume(), 'close')
    socket.write(`GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n${handshake('/')}`)
    await closed
  }
  await pipelined()
  const idle = (await tcp(url)).resume()
  const client = await connect(url)
  const closed = app.close()
  await until(() => release !== undefined)
  idle.write(`GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n${handshake('/')}`)
  await once(idle, 'close')
  release!()
  await closed
  t.equal((await client.closed).code, 1012)
})

t.test('fastify.close() ends requests of which half the body has come', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.post('/', async () => 'done')
  const url = await listen(app)
  const sockets = []
  for (const path of ['/', '/nowhere']) {
    const socket = await tcp(url)
    socket.on('error', () => {})
    const asked = once(app.server, 'request')
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a": `
    )
    await asked
    sockets.push(once(socket.resume(), 'close'))
  }
  await clock.during(app.close())
  await Promise.all(sockets)
  t.pass('none of them holds it up')
})

t.test('a connection that comes when the drain has begun is closed at once', async (t) => {
  const drain = new Drain(new TestClock())
  const closed: unknown[] = []
  drain.begin()
  drain.add({
    identity: undefined,
    closeWith (reason) { closed.push(reason); return true },
    onCloseTimeout () {}
  })
  t.strictSame(closed, [closeCodes.restart])
})

t.test('many small batches do not take longer than the deadline allows', async (t) => {
  const clock = new TestClock()
  const drain = new Drain(clock)
  const live = Array.from({ length: 3_000 }, () => ({
    identity: undefined,
    closeWith () { drain.delete(this); return true },
    onCloseTimeout () {}
  }))
  for (const each of live) drain.add(each)
  await clock.during(drain.run({ deadline: 1_000, batch: 1, interval: 100 }, await createApp(t)))
  t.ok(clock.now() < 500, `${clock.now()} ms`)
  t.equal(drain.size, 0)
})

for (const body of ['chunked', 'of a length']) {
  t.test(`fastify.close() waits for a body, ${body}, until the deadline`, async (t) => {
    const clock = new TestClock()
    const app = await createApp(t, { clock })
    app.addContentTypeParser('*', async (_request: unknown, payload: AsyncIterable<Buffer>) => {
      let text = ''
      for await (const chunk of payload) text += String(chunk)
      return text
    })
    // Does not take what has come: its client is not silent.
    app.post(
      '/slow',
      {
        preParsing: async (_request, _reply, payload) => {
          await new Promise<never>(() => {})
          return payload
        }
      },
      async () => 'never'
    )
    app.post('/', async (request) => request.body)
    const url = await listen(app)
    const begin = async (path: string) => {
      const socket = await tcp(url)
      const asked = once(app.server, 'request')
      const length = body === 'chunked' ? 'Transfer-Encoding: chunked' : 'Content-Length: 9'
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: x/y\r\n${length}\r\n\r\n`
      )
      await asked
      let text = ''
      let isEnded = false
      socket.on('data', (chunk) => { text += String(chunk) }).on('error', () => {}).on(
        'close',
        () => { isEnded = true }
      )
      return {
        send: (part: string) => {
          socket.write(body === 'chunked' ? `${part.length}\r\n${part}\r\n` : part)
        },
        finish: () => { if (body === 'chunked') socket.write('0\r\n\r\n') },
        text: () => text,
        isEnded: () => isEnded
      }
    }
    const [good, silent, endless, slow] = [
      await begin('/'),
      await begin('/'),
      await begin('/'),
      await begin('/slow')
    ]
    slow.send('abc')
    await traffic()
    const closed = app.close()
    for (let second = 1; second <= 3; second++) {
      good.send('abc')
      endless.send('x')
      await clock.advance(1_001)
      if (second === 1) await until(silent.isEnded)
    }
    good.finish()
    await until(good.isEnded)
    t.match(good.text(), /^HTTP\/1\.1 200 [^]*abcabcabc/)
    t.notOk(endless.isEnded())
    t.notOk(slow.isEnded(), 'nor is one whose handler takes its time')
    endless.send('x')
    await clock.during(closed)
    await until(() => endless.isEnded() && slow.isEnded())
    t.equal(endless.text() + silent.text() + slow.text(), '')
  })
}

t.test('fastify.close() waits no longer than for the last upload', async (t) => {
  // No time passes.
  const app = await createApp(t, { clock: new TestClock() })
  app.post('/', async (request) => request.body)
  const socket = await tcp(await listen(app))
  const asked = once(app.server, 'request')
  socket.write(
    'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nabc'
  )
  await asked
  const closed = app.close()
  await traffic()
  const answer = readAll(socket)
  socket.write('def')
  t.match(await answer, /^HTTP\/1\.1 200 [^]*abcdef$/)
  await closed
})
