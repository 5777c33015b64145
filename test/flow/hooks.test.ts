// Hooks around messages: before each is handled, and before each is sent; enough for a rate
// limiter, a tenant check, an audit log.
import { Type } from 'typebox'
import t from 'tap'
import {
  BinaryMessage,
  JsonMessage,
  ReplyError,
  TextMessage,
  type PreMessageHook,
  type PreSendHook,
  type ReceivedMessage,
  type SentMessage,
  type SocketRouteOptions
} from '../../src/index.js'
import { connect, type Client } from '../support/client.js'
import { createApp, listen } from '../support/server.js'
import { turns, until } from '../support/until.js'

const contract = {
  schema: {
    in: {
      say: { data: Type.String() },
      add: { data: Type.Integer(), reply: Type.Integer() },
      ticks: { stream: Type.Integer() },
      ask: {}
    },
    out: { said: Type.String(), ask: { reply: Type.Integer() } }
  },
  on: {
    say () {},
    add: (_connection: unknown, number: unknown) => (number as number) + 1,
    async * ticks () { yield 1 },
    ask () {}
  }
} as const

const ask = async (client: Client, message: object): Promise<unknown> => {
  client.send(JSON.stringify(message))
  return await client.json()
}

t.test('preMessage runs before the handler, outermost scope first', async (t) => {
  const app = await createApp(t)
  const seen: Array<Omit<ReceivedMessage, 'message'> | string> = []
  await app.register(async (scope) => {
    scope.socketScope({
      preMessage: [
        async (_connection, { message, ...received }) => {
          await new Promise(setImmediate)
          seen.push(received)
          t.equal(message.text.includes('"type"'), true)
        },
        (_connection, _received, done) => { seen.push('done at once'); done() },
        (_connection, _received, done) => {
          setImmediate(() => { seen.push('done later'); done() })
        }
      ]
    })
    scope.socketRoute('/in', contract, { preMessage: () => { seen.push('of the route') } })
  })
  app.socketRoute('/out', contract)
  const url = await listen(app)
  t.same(await ask(await connect(`${url}/in`), { type: 'add', data: 1, id: 7 }), {
    type: 'reply',
    id: 7,
    data: 2
  })
  t.same(seen, [{ type: 'add', id: 7, data: 1 }, 'done at once', 'done later', 'of the route'])
  await ask(await connect(`${url}/out`), { type: 'add', data: 1, id: 7 })
  t.equal(seen.length, 4, 'and in its scope only')
})

t.test('an error of a hook is sent to the client, and no handler runs', async (t) => {
  const app = await createApp(t)
  const errors: Error[] = []
  let count = 0
  app.socketRoute('/chat', { ...contract, onError (_connection, error) { errors.push(error) } }, {
    preMessage: [
      (_connection, _received, done) => {
        done(++count === 1 ? new ReplyError('TOO_MANY', 'Wait a second') : null)
      },
      async () => { if (count === 2) throw new Error('a secret') },
      () => { if (count === 3) throw new ReplyError('NOT_YOURS', 'Another tenant') },
      (_connection, _received, done) => {
        done()
        done(new Error('too late'))
      }
    ]
  })
  const client = await connect(`${await listen(app)}/chat`)
  t.same(await ask(client, { type: 'add', data: 1, id: 1 }), {
    type: 'error',
    id: 1,
    code: 'TOO_MANY',
    message: 'Wait a second'
  })
  t.match(await ask(client, { type: 'add', data: 1, id: 1 }), {
    type: 'error',
    id: 1,
    code: 'FSR_ERR_HANDLER_FAILED'
  })
  t.match(await ask(client, { type: 'add', data: 1, id: 1 }), {
    type: 'error',
    id: 1,
    code: 'NOT_YOURS'
  })
  t.same(await ask(client, { type: 'add', data: 1, id: 1 }), { type: 'reply', id: 1, data: 2 })
  t.match(errors, [{ message: 'a secret' }])
  t.match(await ask(client, { type: 'add', data: {}, id: 1 }), { code: 'FSR_ERR_DATA_INVALID' })
  t.equal(count, 4, 'messages that the contract rejects do not reach them')
})

t.test('however a hook fails, nothing is handled and the process goes on', async (t) => {
  const app = await createApp(t)
  let handled = 0
  const on = { ...contract.on, add: () => ++handled }
  const hooks: Record<string, PreMessageHook> = {
    'returns a promise though it takes done': (_connection, _received, _done) =>
      Promise.reject(new Error('no')),
    'calls done and rejects': (_connection, _received, done) => {
      done()
      return Promise.reject(new Error('no'))
    },
    'takes done without naming it': (...args) => { args[2](new Error('no')) },
    'takes done without naming it, and returns a promise': async (...args) => {
      args[2](new Error('no'))
    }
  }
  for (const [index, preMessage] of Object.values(hooks).entries()) {
    app.socketRoute(`/${index}`, { ...contract, on }, { preMessage })
  }
  app.socketRoute('/fine', { ...contract, on }, {
    preMessage: (_connection, _received, done) => new Promise<void>((resolve) => {
      setImmediate(() => { done(); resolve() })
    })
  })
  const url = await listen(app)
  for (const [index, how] of Object.keys(hooks).entries()) {
    t.match(
      await ask(await connect(`${url}/${index}`), { type: 'add', data: 1, id: 1 }),
      { type: 'error', id: 1, code: 'FSR_ERR_HANDLER_FAILED' },
      how
    )
  }
  t.equal(handled, 0)
  t.match(await ask(await connect(`${url}/fine`), { type: 'add', data: 1, id: 1 }), {
    type: 'reply',
    id: 1,
    data: 1
  })
})

t.test('a hook that rejects after the message was cancelled ends the connection', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: {
      logger: { level: 'error', stream: { write: (line: string) => { lines.push(line) } } }
    }
  })
  const late = (done: (error?: null | Error) => void): void => {
    setImmediate(() => { done(new ReplyError('NO', 'no')) })
  }
  app.socketRoute('/rest', contract, { preMessage: (...args) => { late(args[2]) } })
  app.socketRoute('/async', contract, { preMessage: async (...args) => { late(args[2]) } })
  app.socketRoute('/twice', contract, {
    preMessage: (_connection, _received, done) => { done(); late(done) }
  })
  const url = await listen(app)
  for (const path of ['/rest', '/async']) {
    const client = await connect(url + path)
    client.send('{"type":"say","data":"x"}')
    t.same(await client.closed, { code: 1011, reason: 'internal error' }, path)
    t.match(lines.pop(), 'FSR_ERR_HOOK_INVALID')
  }
  const client = await connect(`${url}/twice`)
  t.match(
    await ask(client, { type: 'say', data: 'x', id: 1 }),
    { type: 'reply' },
    'what it says first counts'
  )
  await turns(3)
  t.match(await ask(client, { type: 'say', data: 'x', id: 1 }), { type: 'reply' })
  t.same(lines, [])
})

t.test('on a route without a contract they run as well', async (t) => {
  const app = await createApp(t)
  class Echo {
    readonly #suffix = '!'
    onOpen (): string { return `open${this.#suffix}` }
    onMessage (_connection: unknown, message: { text: string }): string {
      return message.text + this.#suffix
    }

    onError (_connection: unknown, error: Error): string { return error.message + this.#suffix }
    onClose (): string { return `bye${this.#suffix}` }
  }
  const sent: SentMessage[] = []
  const route = app.socketRoute('/raw', Echo, {
    preMessage: async (connection, { message, type }) => {
      if (message.text === 'close') connection.close()
      if (message.text === 'no') throw new Error(`refused ${String(type)}`)
    },
    preSend: (to, data) => {
      sent.push(to)
      return typeof data === 'string' ? data.toUpperCase() : undefined
    }
  })
  const client = await connect(`${await listen(app)}/raw`)
  t.equal(await client.next(), 'OPEN!')
  client.send('a')
  client.send('no')
  t.same(await client.take(2), ['A!', 'REFUSED UNDEFINED!'])
  await [...route.clients][0]!.join('room')
  route.broadcast('all')
  route.to('room').send({ in: 'room' })
  t.same(await client.take(2), ['ALL', '{"in":"room"}'])
  client.send('close')
  t.equal(await client.next(), 'BYE!', 'a message that closes the connection is not handled')
  t.match(sent.map(({ connection, room }) => connection === undefined ? room : 'one'), [
    'one',
    'one',
    'one',
    undefined,
    'room',
    'one'
  ])
  t.same(client.unread, [])
})

t.test('a message cancelled or closed during hooks and guards is not handled', async (t) => {
  const app = await createApp(t)
  let handled = 0
  let asked = 0
  let goOn = (): void => {}
  const wait = async (): Promise<void> => {
    asked++
    await new Promise<void>((resolve) => { goOn = resolve })
  }
  const controller = {
    schema: {
      in: {
        hooked: { reply: Type.Integer() },
        streamed: { stream: Type.Integer() },
        guarded: { reply: Type.Integer(), isGranted: async () => { await wait(); return true } }
      }
    },
    on: {
      hooked: () => ++handled,
      streamed: async function * () { yield ++handled },
      guarded: () => ++handled
    }
  } as const
  const hooks: SocketRouteOptions = {
    preMessage: async (_connection, { type }) => { if (type !== 'guarded') await wait() }
  }
  const chat = app.socketRoute('/chat', controller, { ...hooks, streamsPerConnection: 1 })
  const raw = app.socketRoute('/raw', { onMessage: () => { handled++ } }, hooks)
  app.socketRoute('/closing', { onMessage: () => { handled++ } }, {
    preMessage: (connection) => { connection.close(4000) }
  })
  const url = await listen(app)
  const client = await connect(`${url}/chat`)
  const tell = (message: object): void => { client.send(JSON.stringify(message)) }
  for (const type of ['hooked', 'streamed', 'streamed', 'streamed', 'guarded']) {
    const before = asked
    tell({ type, id: 1 })
    await until(() => asked > before)
    tell({ type: 'cancel', id: 1 })
    const [connection] = [...chat.clients]
    await until(() => connection!.inboundRequests!.byId.size === 0)
    goOn()
    await turns(3)
  }
  tell({ type: 'guarded', id: 2 })
  await until(() => asked === 6)
  for (const connection of chat.clients) connection.close(4000)
  goOn()
  t.match(await client.closed, { code: 4000 })
  const other = await connect(`${url}/raw`)
  other.send('a')
  await until(() => asked === 7)
  for (const connection of raw.clients) connection.close(4000)
  goOn()
  t.match(await other.closed, { code: 4000 })
  const third = await connect(`${url}/closing`)
  third.send('a')
  t.match(await third.closed, { code: 4000 })
  t.equal(handled, 0)
  t.same(client.unread, [])
})

t.test('preSend sees all that leaves, once for all receivers, and can change it', async (t) => {
  const app = await createApp(t)
  const seen: unknown[] = []
  const chat = app.socketRoute('/chat', contract, {
    preSend: [
      ({ connection, room, type, id }, data, done) => {
        seen.push([connection !== undefined, room, type, id, data])
        done(null, typeof data === 'string' ? `${data}!` : data)
      },
      (_sent, data) => typeof data === 'number' ? data + 10 : undefined
    ]
  })
  const url = `${await listen(app)}/chat`
  const [one, other] = [await connect(url), await connect(url)]
  for (const connection of chat.clients) await connection.join('room')
  chat.to('room').send('said', 'room')
  chat.broadcast('said', 'all');
  [...chat.clients][0]!.send('said', 'one')
  t.same((await one.take(3)).map((text) => JSON.parse(String(text)).data), [
    'room!',
    'all!',
    'one!'
  ])
  t.same((await other.take(2)).map((text) => JSON.parse(String(text)).data), ['room!', 'all!'])
  t.same(await ask(one, { type: 'add', data: 1, id: 7 }), { type: 'reply', id: 7, data: 12 })
  t.same(await ask(one, { type: 'ticks', id: 8 }), { type: 'reply', id: 8, data: 11, more: true })
  const asked = [...chat.clients][0]!.request('ask')
  await one.json()
  one.send(JSON.stringify({ type: 'reply', id: (await one.json() as { id: number }).id, data: 1 }))
  t.equal(await asked, 1)
  t.same(seen, [
    [false, 'room', 'said', undefined, 'room'], [
      false,
      undefined,
      'said',
      undefined,
      'all'
    ], [true, undefined, 'said', undefined, 'one'],
    [true, undefined, 'reply', 7, 2], [true, undefined, 'reply', 8, 1], [
      true,
      undefined,
      'ask',
      undefined,
      undefined
    ]
  ])
})

t.test('preSend is given the value of a message of a class; JSON stays JSON', async (t) => {
  const app = await createApp(t)
  const seen: unknown[] = []
  const feed = app.socketRoute('/feed', { onOpen: () => new JsonMessage('hello') }, {
    preSend: [
      (_sent, data) => { seen.push(data); return data },
      (_sent, data) => data === 'replaced' ? new JsonMessage('by a message') : undefined,
      (_sent, data) => {
        seen.push(data)
        return typeof data === 'string' ? data.toUpperCase() : undefined
      }
    ]
  })
  const client = await connect(`${await listen(app)}/feed`)
  t.equal(await client.next(), '"HELLO"')
  let encoded = 0
  const counted = new JsonMessage({ toJSON () { return ++encoded } })
  const messages = [
    counted,
    counted,
    new JsonMessage(null),
    new TextMessage('text'),
    new JsonMessage('replaced'),
    new TextMessage('replaced'),
    new BinaryMessage(Buffer.from('bytes'))
  ]
  for (const message of messages) feed.broadcast(message)
  t.strictSame((await client.take(7)).map(String), [
    '1',
    '2',
    'null',
    'TEXT',
    '"BY A MESSAGE"',
    '"BY A MESSAGE"',
    'bytes'
  ])
  t.equal(encoded, 2, 'a message is encoded again, as a hook may have changed its value')
  t.strictSame(seen.slice(0, 2), ['hello', 'hello'])
  t.strictSame(seen.slice(6, 12), [null, null, 'text', 'text', 'replaced', 'by a message'])
})

t.test('preSend may change the data of a message that another route has sent', async (t) => {
  const app = await createApp(t)
  const onOpen = () => 'in'
  const staff = app.socketRoute('/staff', { onOpen })
  const open = app.socketRoute('/open', { onOpen }, {
    preSend: (_sent, data) => { if (typeof data === 'object') delete (data as Data).secret }
  })
  interface Data { secret?: string, n: number }
  const url = await listen(app)
  const clients = [await connect(`${url}/staff`), await connect(`${url}/open`)] as const
  for (const client of clients) t.equal(await client.next(), 'in')
  const message = new JsonMessage({ n: 1, secret: 'x' })
  staff.broadcast(message)
  t.same(await clients[0].json(), { n: 1, secret: 'x' })
  open.broadcast(message)
  t.same(await clients[1].json(), { n: 1 })
})

t.test('preSend can take data away', async (t) => {
  const app = await createApp(t)
  for (const [path, preSend] of Object.entries({
    '/return': () => null,
    '/done': (_sent: SentMessage, _data: unknown, done: (error: null, data: unknown) => void) => {
      done(null, null)
    }
  })) {
    app.socketRoute(
      path,
      {
        schema: { in: { get: { reply: Type.Union([Type.String(), Type.Null()]) } } },
        on: { get: () => 'secret' }
      },
      { preSend }
    )
  }
  const url = await listen(app)
  for (const path of ['/return', '/done']) {
    t.same(await ask(await connect(url + path), { type: 'get', id: 1 }), {
      type: 'reply',
      id: 1,
      data: null
    })
  }
})

t.test('preSend of an outer scope runs first', async (t) => {
  const app = await createApp(t)
  const mark = (mark: string) => ({
    preSend: (_sent: SentMessage, data: unknown) => `${String(data)} ${mark}`
  })
  app.socketScope(mark('scope'))
  const chat = app.socketRoute('/chat', contract, mark('route'))
  const client = await connect(`${await listen(app)}/chat`)
  chat.broadcast('said', 'sent')
  t.same(await client.json(), { type: 'said', data: 'sent scope route' })
})

t.test('an error of preSend is thrown to the sender', async (t) => {
  const app = await createApp(t)
  const chat = app.socketRoute('/chat', contract, {
    preSend: (_sent, data, done) => {
      if (data === 'never') return
      if (data === 'thrown') throw new Error('thrown')
      done(data === 'refused' ? new Error('refused') : null)
    }
  })
  t.throws(() => { chat.broadcast('said', 'refused') }, { message: 'refused' })
  t.throws(() => { chat.broadcast('said', 'thrown') }, { message: 'thrown' })
  t.throws(
    () => { chat.broadcast('said', 'never') },
    { code: 'FSR_ERR_HOOK_INVALID' },
    'it cannot wait'
  )
  const late = app.socketRoute('/late', contract, { preSend: () => Promise.resolve('later') })
  t.throws(() => { late.broadcast('said', 'a') }, { code: 'FSR_ERR_HOOK_INVALID' })
  const wrong: PreSendHook[] = [
    () => Promise.reject(new Error('rejected')),
    (_sent, _data, done) => { setImmediate(() => { done(new Error('too late')) }) }
  ]
  for (const [index, preSend] of wrong.entries()) {
    const chat = app.socketRoute(`/wrong/${index}`, contract, { preSend })
    t.throws(() => { chat.broadcast('said', 'a') }, { code: 'FSR_ERR_HOOK_INVALID' })
  }
  await new Promise(setImmediate)
  t.pass('its later calls are harmless')
})

t.test('a hook that is not a function is rejected at registration', async (t) => {
  const app = await createApp(t)
  t.throws(
    () => app.socketRoute('/a', contract, { preMessage: 'hook' as never }),
    { code: 'FSR_ERR_HOOK_INVALID', message: /preMessage is not a function/ }
  )
  t.throws(
    () => app.socketRoute('/a', contract, {
      preMessage: [async (_connection, _received, _done) => {}]
    }),
    { code: 'FSR_ERR_HOOK_INVALID', message: /takes done/ }
  )
  t.throws(
    () => app.socketRoute('/a', contract, { preSend: async () => {} }),
    { code: 'FSR_ERR_HOOK_INVALID', message: /is async/ }
  )
})
