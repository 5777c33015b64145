import { once } from 'node:events'
import t from 'tap'
import { connect, frame, handshake, readAll, tcp } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen } from '../support/server.js'
import { traffic } from '../support/traffic.js'
import { turns, until } from '../support/until.js'

// P30
t.test('messages sent right behind the handshake are handled after onOpen, in order', async (t) => {
  const app = await createApp(t)
  const seen: string[] = []
  let open: undefined | (() => void)
  app.socketRoute('/', {
    onOpen: async () => {
      await new Promise<void>((resolve) => { open = resolve })
      seen.push('open')
    },
    onMessage: async (connection, message) => {
      seen.push(message.text)
      if (message.text === 'last') connection.close()
    }
  })
  const url = await listen(app)
  const socket = await tcp(url)
  const messages = Array.from({ length: 20 }, (_item, index) => `${index}`)
  socket.write(handshake('/'))
  socket.write(Buffer.concat([...messages, 'last'].map((text) => frame(text))))
  const [head] = await once(socket, 'data')
  t.match(String(head), /^HTTP\/1\.1 101 /)
  t.strictSame(seen, [], 'nothing is handled while onOpen runs')
  open!()
  socket.on('data', () => { socket.end(frame(Buffer.from([0x03, 0xe8]), 0x8)) })
  await readAll(socket)
  t.strictSame(seen, ['open', ...messages, 'last'])
})

// Invariant 6
t.test('messages sent during onOpen by a client that left are handled after it', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  const seen: string[] = []
  let open: undefined | (() => void)
  const done = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      onOpen: async () => {
        await new Promise<void>((resolve) => { open = resolve })
        seen.push('open')
      },
      onMessage: (_connection, message) => { seen.push(message.text) },
      onClose: () => { seen.push('close'); resolve() }
    }, { concurrency: 4, heartbeat: { interval: 1_000 } })
  })
  const socket = await tcp(await listen(app))
  socket.write(handshake('/'))
  await once(socket, 'data')
  socket.write(Buffer.concat(['a', 'b', 'c', 'd'].map((text) => frame(text))))
  await traffic()
  socket.resetAndDestroy()
  // The next ping tells the server.
  await clock.advance(1_000)
  open!()
  await done
  t.strictSame(seen, ['open', 'a', 'b', 'c', 'd', 'close'])
})

t.test('messages in the same packet as the handshake are handled', async (t) => {
  const app = await createApp(t)
  const seen: string[] = []
  const done = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      onMessage: (_connection, message) => { if (seen.push(message.text) === 3) resolve() }
    })
  })
  const socket = await tcp(await listen(app))
  socket.write(Buffer.concat([Buffer.from(handshake('/')), frame('a'), frame('b'), frame('c')]))
  await done
  t.strictSame(seen, ['a', 'b', 'c'])
  socket.destroy()
})

t.test('the answers of async handlers come in the order of the messages', async (t) => {
  const app = await createApp(t)
  let running = 0
  let most = 0
  app.socketRoute('/', {
    async onMessage (_connection, message) {
      most = Math.max(most, ++running)
      // The first takes longest.
      for (let turns = 20 - Number(message.text); turns > 0; turns--) {
        await new Promise(setImmediate)
      }
      running--
      return message
    }
  })
  const client = await connect(await listen(app))
  const sent = Array.from({ length: 20 }, (_item, index) => `${index}`)
  for (const text of sent) client.send(text)
  t.strictSame(await client.take(20), sent)
  t.equal(most, 1)
})

t.test('concurrency lets messages of one connection be handled side by side', async (t) => {
  const app = await createApp(t)
  const waiting: Array<() => void> = []
  const started: string[] = []
  app.socketRoute('/', {
    async onMessage (_connection, message) {
      started.push(message.text)
      if (message.text !== '3') await new Promise<void>((resolve) => { waiting.push(resolve) })
      else await new Promise(setImmediate)
      return message
    }
  }, { concurrency: 3 })
  const client = await connect(await listen(app))
  for (const text of ['1', '2', '3', '4', '5']) client.send(text)
  t.equal(await client.next(), '3', 'the first that is ready')
  t.strictSame(
    started,
    ['1', '2', '3', '4'],
    'the fourth starts when the third is done, the fifth waits'
  )
  for (const resolve of waiting.splice(0).reverse()) resolve()
  t.strictSame((await client.take(3)).sort(), ['1', '2', '4'])
  waiting[0]!()
  t.equal(await client.next(), '5')
})

t.test('a flood at a slow handler is held by TCP, not by memory', async (t) => {
  const app = await createApp(t)
  let release: undefined | (() => void)
  let handled = 0
  app.socketRoute('/', {
    onMessage: async () => {
      handled++
      await new Promise<void>((resolve) => { release = resolve })
    }
  })
  const client = await connect(await listen(app))
  const message = Buffer.alloc(60_000)
  // More than every buffer on the way holds.
  const count = 1000
  let written = 0
  for (let index = 0; index < count; index++) client.socket.send(message, () => { written++ })
  await until(() => release !== undefined)
  // The client's own socket keeps them while they are not read.
  await turns(500)
  t.equal(handled, 1)
  t.ok(written < count / 2, `${written} of ${count} messages were taken`)
  t.ok(client.socket.bufferedAmount > 0)
  client.socket.terminate()
  release!()
})

t.test('everything that waited while a handler was busy is handled', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onMessage: async (_connection, message) => { await new Promise(setImmediate); return message }
  })
  const client = await connect(await listen(app))
  const count = 2000
  for (let index = 0; index < count; index++) client.send(`${index}${'x'.repeat(1000)}`)
  const answers = await client.take(count)
  t.ok(answers.every((answer, index) => String(answer).startsWith(`${index}x`)))
})

t.test('large messages go one by one through a sync handler', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/length', { onMessage: (_connection, message) => String(message.bytes.length) })
  const client = await connect(`${await listen(app)}/length`)
  for (let count = 0; count < 10; count++) client.send(Buffer.alloc(65_536))
  t.strictSame(await client.take(10), Array(10).fill('65536'))
})

// P15
t.test('nothing of a handled message is held', async (t) => {
  const app = await createApp(t)
  const messages: Array<WeakRef<object>> = []
  app.socketRoute('/', {
    onMessage: async (_connection, message) => { messages.push(new WeakRef(message)); return 'ok' }
  })
  const client = await connect(await listen(app))
  for (let count = 0; count < 100; count++) client.send('hello')
  await client.take(100)
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  await new Promise(setImmediate)
  runInNewContext('gc')()
  t.ok(messages.filter((message) => message.deref() !== undefined).length < 5)
})
