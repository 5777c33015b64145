import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import t from 'tap'
import {
  BinaryMessage,
  JsonMessage,
  TextMessage,
  type Returned,
  type WsConnection
} from '../../src/index.js'
import { connect } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen } from '../support/server.js'
import { traffic } from '../support/traffic.js'
import { turns, until } from '../support/until.js'

const bytes = Buffer.from([0, 1, 255])
const kinds: Record<string, { returned: () => Returned, sent: string | Buffer }> = {
  'a JsonMessage': {
    returned: () => new JsonMessage({ a: ['<b>', null] }),
    sent: '{"a":["<b>",null]}'
  },
  'a JsonMessage of null': { returned: () => new JsonMessage(null), sent: 'null' },
  'a TextMessage': { returned: () => new TextMessage('grüß'), sent: 'grüß' },
  'a BinaryMessage': { returned: () => new BinaryMessage(bytes), sent: bytes },
  'a string': { returned: () => 'text', sent: 'text' },
  'an empty string': { returned: () => '', sent: '' },
  'a Buffer': { returned: () => bytes, sent: bytes },
  'a Uint8Array': { returned: () => new Uint8Array([9, ...bytes, 9]).subarray(1, 4), sent: bytes },
  'a DataView': { returned: () => new DataView(new Uint8Array(bytes).buffer), sent: bytes },
  'an ArrayBuffer': { returned: () => new Uint8Array(bytes).buffer, sent: bytes },
  'a plain object': { returned: () => ({ a: 1 }), sent: '{"a":1}' },
  'an object without prototype': {
    returned: () => Object.assign(Object.create(null), { a: 1 }),
    sent: '{"a":1}'
  },
  'an array': { returned: () => [1, 'two'], sent: '[1,"two"]' },
  'a promise': { returned: async () => 'later', sent: 'later' }
}

for (const [kind, { returned, sent }] of Object.entries(kinds)) {
  // P2, P3
  t.test(`${kind} that is returned is sent, from every callback`, async (t) => {
    const app = await createApp(t)
    app.socketRoute('/', {
      onOpen: returned,
      onMessage: (connection, message) => {
        if (message.text === 'fail') throw new Error('no')
        if (message.text === 'close') connection.close(4000)
        return returned()
      },
      onError: returned,
      onClose: returned
    })
    const client = await connect(await listen(app))
    client.send('hello')
    client.send('fail')
    client.send('close')
    t.strictSame(await client.take(5), Array(5).fill(sent))
    t.equal((await client.closed).code, 4000)
  })
}

for (const [kind, nothing] of Object.entries({
  undefined,
  null: null,
  'a promise of nothing': Promise.resolve()
})) {
  t.test(`${kind} that is returned is not sent`, async (t) => {
    const app = await createApp(t)
    app.socketRoute('/', {
      onOpen: () => nothing,
      onMessage: (_connection, message) => message.text === 'nothing' ? nothing : 'something'
    })
    const client = await connect(await listen(app))
    client.send('nothing')
    client.send('more')
    t.equal(await client.next(), 'something')
  })
}

t.test('a stream that is returned is sent item by item, in the place of the message', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    async * onMessage (_connection, message) {
      for (let part = 1; part <= 3; part++) {
        await new Promise(setImmediate)
        yield `${message.text}${part}`
        yield undefined as never
      }
    }
  })
  const client = await connect(await listen(app))
  client.send('a')
  client.send('b')
  t.strictSame(await client.take(6), ['a1', 'a2', 'a3', 'b1', 'b2', 'b3'])
})

t.test('a stream from onOpen runs beside the messages', async (t) => {
  const app = await createApp(t)
  let tick: undefined | (() => void)
  app.socketRoute('/', {
    async * onOpen () {
      for (let price = 1; ; price++) {
        yield `price ${price}`
        await new Promise<void>((resolve) => { tick = resolve })
      }
    },
    onMessage: () => { tick!() }
  })
  const client = await connect(await listen(app))
  t.equal(await client.next(), 'price 1')
  client.send('tick')
  t.equal(await client.next(), 'price 2')
  client.send('tick')
  t.equal(await client.next(), 'price 3')
})

t.test('a stream is stopped when the client closes, also while it waits for ever', async (t) => {
  const app = await createApp(t)
  const returned: string[] = []
  const feed = (name: string): AsyncIterable<string> => ({
    [Symbol.asyncIterator]: () => {
      let count = 0
      return {
        next: async () => count++ === 0
          ? { done: false, value: name }
          : await new Promise<never>(() => {}),
        return: () => { returned.push(name); throw new Error('this is only logged') }
      }
    }
  })
  const closed = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      onOpen: () => feed('open'),
      onMessage: () => feed('message'),
      onClose: () => { resolve() }
    })
  })
  const client = await connect(await listen(app))
  t.equal(await client.next(), 'open')
  client.send('more')
  t.equal(await client.next(), 'message')
  await client.close()
  await closed
  t.strictSame(returned, ['open', 'message'])
})

t.test('a stream returned after the connection has begun to close is not started', async (t) => {
  const app = await createApp(t)
  let pulled = 0
  let release: undefined | (() => void)
  const ended = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      async onMessage (connection, message) {
        await new Promise<void>((resolve) => { release = resolve })
        if (message.text === 'close') connection.close()
        return (async function * () { for (;;) { pulled++; yield 'forever' } })()
      },
      onClose: () => { resolve() }
    })
  })
  const url = await listen(app)
  const leaving = await connect(url)
  leaving.send('leave')
  await until(() => release !== undefined)
  await leaving.close()
  release!()
  await ended
  release = undefined
  const closing = await connect(url)
  closing.send('close')
  await until(() => release !== undefined)
  release!()
  t.equal((await closing.closed).code, 1000)
  t.equal(pulled, 0)
})

t.test('a stream that onClose returns is sent before the close frame', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onMessage: (connection) => { connection.close(4000) },
    async * onClose () { yield 'good'; await null; yield 'bye' }
  })
  const client = await connect(await listen(app))
  client.send('close')
  t.equal((await client.closed).code, 4000)
  t.strictSame(client.unread, ['good', 'bye'])
})

t.test('a file stream whose client has left is released, started or not', async (t) => {
  const app = await createApp(t)
  const streams: Readable[] = []
  let release: undefined | (() => void)
  let closes = 0
  app.socketRoute('/late', {
    async onMessage (_connection, message) {
      await new Promise<void>((resolve) => { release = resolve })
      streams.push(createReadStream(message.text))
      return streams.at(-1)
    },
    onClose: () => { closes++ }
  })
  app.socketRoute('/silent', {
    onOpen: () => { streams.push(new Readable({ read () {} })); return streams.at(-1) },
    onClose: () => { closes++ }
  })
  const url = await listen(app)
  for (const path of ['package.json', 'no/such/file']) {
    const client = await connect(`${url}/late`)
    client.send(path)
    await until(() => release !== undefined)
    await client.close()
    release!()
    release = undefined
  }
  await (await connect(`${url}/silent`)).close()
  await until(() => closes === 3 && streams.length === 3 &&
    streams.every(({ destroyed }) => destroyed))
  t.pass('all are destroyed, and the process lives')
})

t.test('a stream that throws when it is released is logged at debug, as no failure', async (t) => {
  const lines: Array<{ level: number, msg: string, err?: { message: string } }> = []
  const app = await createApp(t, {
    fastify: {
      logger: {
        level: 'debug',
        stream: { write: (line: string) => { lines.push(JSON.parse(line)) } }
      }
    }
  })
  class Feed extends Readable {
    override _read (): void { setImmediate(() => { this.push('item') }) }
    override destroy (): never { throw new Error('already released') }
  }
  const generator = async function * () {
    try {
      for (;;) {
        yield 'item'
        await new Promise(setImmediate)
      }
    } finally {
      // eslint-disable-next-line no-unsafe-finally
      throw new Error('already released')
    }
  }
  const errors: Error[] = []
  const onError = (_connection: WsConnection, error: Error) => { errors.push(error) }
  app.socketRoute('/node', { onMessage: () => new Feed({ objectMode: true }), onError })
  app.socketRoute('/generator', { onMessage: generator, onError })
  const url = await listen(app)
  for (const path of ['/node', '/generator']) {
    lines.length = 0
    const client = await connect(url + path)
    client.send('begin')
    t.equal(await client.next(), 'item')
    await client.close()
    const told = () => lines.filter(({ err }) => err !== undefined)
    await until(() => told().length > 0)
    t.match(
      told(),
      [{
        level: 20,
        msg: 'a stream failed when it was stopped',
        err: { message: 'already released' }
      }],
      path
    )
  }
  t.strictSame(errors, [])
})

t.test('a stream returned long after its connection has ended is not started', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  let pulled = 0
  let release: undefined | (() => void)
  const ended = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      async onMessage () {
        await new Promise<void>((resolve) => { release = resolve })
        return (async function * () { for (;;) { pulled++; yield 'forever' } })()
      },
      onClose () {
        resolve()
        return (async function * () { for (;;) { pulled++; yield 'forever' } })()
      }
    })
  })
  const client = await connect(await listen(app))
  client.send('wait')
  await until(() => release !== undefined)
  client.socket.terminate()
  await clock.during(ended)
  release!()
  await turns(10)
  t.equal(pulled, 0, 'nor is one from onClose for a client that is gone')
})

t.test('an endless stream of an onClose that was forced to run ends with the socket', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  const ended = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      onMessage: async (connection) => {
        connection.close(4000)
        await new Promise<never>(() => {})
      },
      async * onClose () { try { for (;;) yield 'forever' } finally { resolve() } }
    })
  })
  const client = await connect(await listen(app))
  client.send('close')
  await clock.during(ended)
  t.equal((await clock.during(client.closed)).code, 1006)
})

t.test('a stream from onClose is pulled only as fast as the client reads', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  let pulled = 0
  const ended = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      onMessage: (connection) => { connection.close(4000) },
      async * onClose () {
        try {
          for (; pulled < 2000; pulled++) yield Buffer.alloc(100_000)
        } finally {
          resolve()
        }
      }
    })
  })
  const client = await connect(await listen(app))
  client.send('close')
  client.socket.pause()
  await until(() => pulled > 0)
  await clock.during(ended)
  t.ok(pulled < 500, `${pulled} of 2000 were pulled`)
  client.socket.terminate()
})

t.test('a generator runs its finally block when the client closes', async (t) => {
  const app = await createApp(t)
  const cleaned = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      async * onOpen () {
        try {
          for (;;) {
            yield 'tick'
            await new Promise(setImmediate)
          }
        } finally {
          resolve()
        }
      }
    })
  })
  const client = await connect(await listen(app))
  await client.next()
  client.socket.terminate()
  await cleaned
  t.pass('it ended')
})

t.test('a stream is pulled only as fast as the client reads', async (t) => {
  const app = await createApp(t)
  let pulled = 0
  const total = 400
  app.socketRoute('/', {
    async * onOpen () {
      for (; pulled < total; pulled++) yield Buffer.alloc(100_000)
    }
  })
  const client = await connect(await listen(app))
  client.socket.pause()
  // Until no more is taken.
  for (let before = -1; before !== pulled;) {
    before = pulled
    await turns(300)
  }
  t.ok(pulled < total, `${pulled} of ${total} were pulled`)
  client.socket.resume()
  t.equal((await client.take(total)).length, total)
})

t.test('return values of any size are sent, and the next message waits until read', async (t) => {
  const app = await createApp(t)
  let handled = 0
  app.socketRoute(
    '/',
    { onMessage: () => { handled++; return Buffer.alloc(5_000_000) } },
    { outbox: { limit: 1000 } }
  )
  const client = await connect(await listen(app))
  client.socket.pause()
  for (let count = 0; count < 20; count++) client.send('more')
  await until(() => handled > 0)
  await traffic()
  // The kernel takes some megabytes for a client that does not read.
  t.ok(handled < 10, `${handled} of 20 were handled`)
  client.socket.resume()
  t.strictSame((await client.take(20)).map(({ length }) => length), Array(20).fill(5_000_000))
})

// P2
t.test('the return value of onClose is dropped and counted if the client has closed', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'debug', stream: { write: (line) => { lines.push(line) } } } }
  })
  const ended = new Promise<{ dropped: () => number }>((resolve) => {
    app.socketRoute('/', {
      onClose: (connection) => { resolve({ dropped: () => connection.dropped }); return 'bye' }
    })
  })
  const client = await connect(await listen(app))
  await client.close()
  const { dropped } = await ended
  t.equal(dropped(), 1)
  t.strictSame(client.unread, [])
  t.ok(lines.some((line) => line.includes('a returned message was dropped')))
})

t.test('the error for what cannot be sent lists what can', async (t) => {
  const app = await createApp(t)
  class Thing {}
  app.socketRoute('/', {
    onMessage: (connection, message) => {
      const things: unknown[] = [
        1, true, null, undefined, () => {}, new Thing(), new Map(), new Date(), Symbol('s')
      ]
      connection.send(things[Number(message.text)] as never)
    },
    onError: (_connection, error) => error.message
  })
  const client = await connect(await listen(app))
  for (let index = 0; index < 9; index++) client.send(String(index))
  const answers = await client.take(9)
  t.ok(answers.every((answer) => String(answer).includes(
    'a JsonMessage, TextMessage or BinaryMessage'
  )))
  t.strictSame(answers.map((answer) => String(answer).split(' cannot')[0]), [
    'A value of type number', 'A value of type boolean', 'null', 'A value of type undefined',
    'A value of type function', 'An instance of Thing', 'An instance of Map', 'An instance of Date',
    'A value of type symbol'
  ])
})
