import t from 'tap'
import { connect } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

const failures = {
  throws: () => { throw new Error('no') },
  rejects: async () => { await null; throw new Error('no') },
  'throws what is no Error': () => { throw 'no' }, // eslint-disable-line no-throw-literal
  'returns what cannot be sent': () => 5,
  'promises what cannot be sent': async () => Symbol('no'),
  'returns what JSON cannot hold': () => ({ big: 5n }),
  'returns a thenable that throws': () => ({ then () { throw new Error('no') } }),
  'streams and throws': async function * () { yield 'one'; throw new Error('no') },
  'streams what cannot be sent': async function * () { yield 5 },
  'throws what throws when it is looked at': () => {
    throw Object.defineProperty(new Error('no'), 'code', {
      enumerable: true,
      get () { throw new Error('looked at') }
    })
  },
  'throws a revoked proxy': async () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    throw proxy
  },
  'throws what looks like an error of this plugin': () => {
    throw Object.assign(new Error('no'), { code: 'FSR_ERR_NOT_SENDABLE', close: { code: 1005 } })
  },
  'returns an object with a throwing getter': () => ({ get then () { throw new Error('no') } })
} as unknown as Record<string, () => string>

// With a log, as that looks at errors too.
const fastify = { logger: { level: 'trace', stream: { write: () => {} } } }

for (const [what, fail] of Object.entries(failures)) {
  // P31
  t.test(`a handler that ${what} reaches onError, and the connection goes on`, async (t) => {
    const app = await createApp(t, { fastify })
    app.socketRoute('/', {
      onMessage: (_connection, message) => message.text === 'fail' ? fail() : message,
      onError: (_connection, error) => `onError: ${error instanceof Error}`
    })
    const client = await connect(await listen(app))
    client.send('fail')
    client.send('after')
    const streams = what === 'streams and throws'
    t.strictSame(await client.take(streams ? 3 : 2), [
      ...streams ? ['one'] : [],
      'onError: true',
      'after'
    ])
  })

  // P31
  t.test(`without onError a handler that ${what} closes its client with 1011`, async (t) => {
    const app = await createApp(t, { fastify })
    const seen: string[] = []
    app.socketRoute('/', {
      onMessage: (_connection, message) => {
        seen.push(message.text)
        return message.text === 'fail' ? fail() : message
      }
    })
    const url = await listen(app)
    const [client, other] = [await connect(url), await connect(url)]
    client.send('fail')
    client.send('after')
    t.strictSame(await client.closed, { code: 1011, reason: 'internal error' })
    other.send('fine')
    t.equal(await other.next(), 'fine')
    t.strictSame(seen, ['fail', 'fine'], 'messages after the failure are not handled')
  })

  // P31
  t.test(`an onError that ${what} closes with 1011`, async (t) => {
    const app = await createApp(t, { fastify })
    let closes = 0
    app.socketRoute('/', {
      onMessage: () => { throw new Error('first') },
      onError: () => fail(),
      onClose: () => { closes++ }
    })
    const client = await connect(await listen(app))
    client.send('fail')
    t.equal((await client.closed).code, 1011)
    await app.close()
    t.equal(closes, 1)
  })

  // P31
  t.test(`an onOpen that ${what} closes with 1011, and onClose still runs`, async (t) => {
    const app = await createApp(t, { fastify })
    let closes = 0
    app.socketRoute('/', { onOpen: () => fail(), onClose: () => { closes++ } })
    const client = await connect(await listen(app))
    t.equal((await client.closed).code, 1011)
    await app.close()
    t.equal(closes, 1)
  })

  // P31
  t.test(`an onClose that ${what} is harmless`, async (t) => {
    const app = await createApp(t, { fastify })
    let errors = 0
    app.socketRoute('/', {
      onMessage: (_connection, message) => message,
      onClose: () => fail(),
      onError: () => { errors++ }
    })
    const url = await listen(app)
    const other = await connect(url)
    await (await connect(url)).close()
    other.send('fine')
    t.equal(await other.next(), 'fine')
    await app.close()
    // A stream is not even started for a client that has closed.
    t.equal(errors, what.startsWith('streams') ? 1 : 2)
  })
}

t.test('the cause of a failed onError is not lost', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'error', stream: { write: (line) => { lines.push(line) } } } }
  })
  app.socketRoute('/', {
    onOpen: async () => { throw new Error('the first') },
    onError: async () => { throw new Error('the second') }
  })
  await (await connect(await listen(app))).closed
  const line = JSON.parse(lines[0]!)
  t.equal(line.err.message, 'the second')
  t.match(line.handled, /^Error: the first\n/)
  t.equal(line.callback, 'onError')
  t.equal(line.route, '/')
})

t.test('onClose waits for the onError of a stream of onOpen', async (t) => {
  const app = await createApp(t)
  const seen: string[] = []
  let fail: undefined | (() => void)
  const done = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      async * onOpen () {
        yield 'open'
        await new Promise<void>((resolve) => { fail = resolve })
        throw new Error('no')
      },
      async onError (connection) {
        seen.push('onError')
        connection.close()
        await new Promise(setImmediate)
        seen.push('onError ends')
      },
      onClose () { seen.push('onClose'); resolve() }
    })
  })
  const client = await connect(await listen(app))
  await client.next()
  fail!()
  await done
  t.strictSame(seen, ['onError', 'onError ends', 'onClose'])
})

t.test('an onOpen that fails is dealt with by onError, and messages are handled', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onOpen: () => { throw new Error('no') },
    onError: () => 'sorry',
    onMessage: (_connection, message) => message
  })
  const client = await connect(await listen(app))
  client.send('hello')
  t.strictSame(await client.take(2), ['sorry', 'hello'])
})

t.test('onError gets an Error also when something else was thrown', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onOpen: () => { throw null }, // eslint-disable-line no-throw-literal
    onError: (_connection, error) => ({
      code: (error as { code?: string }).code,
      cause: error.cause
    })
  })
  t.strictSame(await (await connect(await listen(app))).json(), {
    code: 'FSR_ERR_NOT_AN_ERROR',
    cause: null
  })
})

t.test('a thrown text is in the log beside the error that it became', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { stream: { write: (line) => { lines.push(line) } } } }
  })
  app.socketRoute('/', { onOpen: () => { throw 'a text' } }) // eslint-disable-line no-throw-literal
  t.equal((await (await connect(await listen(app))).closed).code, 1011)
  t.match(
    JSON.parse(lines.find((line) => line.includes('connection closed after an error'))!),
    { err: { code: 'FSR_ERR_NOT_AN_ERROR' }, thrown: 'a text', callback: 'onOpen' }
  )
})

t.test('an error of this plugin that says nothing of closing closes with 1011', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onMessage: (_connection, message, clients) => {
      clients.broadcast(message, { expect: 1 } as object)
    }
  })
  const client = await connect(await listen(app))
  client.send('x')
  t.equal((await client.closed).code, 1011)
})

t.test('bad JSON closes with 1007 unless onError deals with it', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onMessage: (_connection, message) => message.json() as object })
  app.socketRoute('/kind', {
    onMessage: (_connection, message) => message.json() as object,
    onError: (_connection, error) => error.message
  })
  const url = await listen(app)
  const client = await connect(url)
  client.send('{ not json')
  t.strictSame(await client.closed, { code: 1007, reason: 'invalid payload' })
  const other = await connect(`${url}/kind`)
  other.send('{ not json')
  t.equal(await other.next(), 'The message is not JSON', 'without a piece of the payload')
})
