import { AsyncLocalStorage } from 'node:async_hooks'
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { SocketPluginOptions, WsConnection } from '../../src/index.js'
import { TestClock } from '../support/clock.js'
import { connect, connectAs, type Client } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { until } from '../support/until.js'

// The store of a request, as @fastify/request-context and tracers keep one: the user's name.
const storage = new AsyncLocalStorage<string>()

// Runs a trigger outside of the connection that it concerns.
const elsewhere = <Result>(trigger: () => Result): Result => storage.run('somebody else', trigger)

interface Setup {
  readonly app: FastifyInstance
  readonly clock: TestClock
  /** Notes where something runs. */
  note (where: string): void
  /** All that has run, with the store it has found. */
  readonly seen: Array<readonly [where: string, store: undefined | string]>
}

async function setUp (t: Test, plugin: SocketPluginOptions = {}, stream?: {
  write (line: string): void
}): Promise<Setup> {
  const clock = new TestClock()
  const logger = stream && { level: 'trace', stream, mixin: () => ({ store: storage.getStore() }) }
  const app = await createApp(t, { clock, plugin, ...(logger && { fastify: { logger } }) })
  app.addHook('onRequest', (request, _reply, done) => {
    storage.run(String(request.headers['x-user']), done)
  })
  const seen: Array<readonly [string, undefined | string]> = []
  return { app, clock, seen, note: (where) => { seen.push([where, storage.getStore()]) } }
}

// The name of the user is that of the store.
async function come (url: string, user: string, options: {
  token?: string
  autoPong?: boolean
} = {}): Promise<Client> {
  const { token, ...rest } = options
  return await connect(url, [], {
    headers: { 'x-user': user, ...(token && { authorization: `Bearer ${token}` }) },
    ...rest
  })
}

const users = (seen: Setup['seen'], where: string): unknown[] =>
  seen.filter(([each]) => each === where).map(([, store]) => store)

t.test('each callback runs in the context of its own upgrade', async (t) => {
  const { app, note, seen } = await setUp(t, { concurrency: 2 })
  app.socketRoute('/', {
    async onOpen () { note('onOpen'); await null; note('onOpen, later'); return 'open' },
    async onMessage (_connection, message) {
      note('onMessage')
      await new Promise(setImmediate)
      note('onMessage, later')
      if (message.text === 'fail') throw new Error('no')
      return message
    },
    onError () { note('onError'); return 'failed' },
    onClose () { note('onClose') }
  })
  const url = await listen(app)
  const clients = await Promise.all(['alice', 'bob'].map(async (user) => await come(url, user)))
  for (const client of clients) {
    for (const text of ['a', 'b', 'c', 'd', 'fail']) client.send(text)
    await client.take(6)
    await client.close()
  }
  await until(() => users(seen, 'onClose').length === 2)
  for (const where of ['onOpen', 'onOpen, later', 'onError', 'onClose']) {
    t.strictSame(users(seen, where).sort(), ['alice', 'bob'], where)
  }
  for (const where of ['onMessage', 'onMessage, later']) {
    t.strictSame(
      users(seen, where),
      ['alice', 'alice', 'alice', 'alice', 'alice', 'bob', 'bob', 'bob', 'bob', 'bob'],
      where
    )
  }
})

t.test('shared timers act in the context of the connection they end', async (t) => {
  const lines: string[] = []
  const { app, clock, note, seen } = await setUp(
    t,
    { heartbeat: { interval: 1_000, timeout: 500 }, closeTimeout: 3_000 },
    { write: (line) => { lines.push(line) } }
  )
  const connections = new Map<unknown, WsConnection>()
  app.socketRoute('/', {
    onOpen (connection) { connections.set(storage.getStore(), connection); return 'open' },
    async onMessage (_connection, message) {
      note(message.text)
      if (message.text === 'stuck') await new Promise(() => {})
    },
    onClose (_connection, { code }) {
      note(`onClose ${code}`)
      connections.delete(storage.getStore())
    }
  }, { isGranted: () => true, rate: { messages: 1, per: 1_000 } })
  const url = await listen(app)
  const exp = Math.floor(Date.now() / 1000)
  const open = async (user: string, options: object, claims: object = {}): Promise<Client> => {
    const client = await come(url, user, { token: tokenOf(app, [], claims), ...options })
    await client.next()
    return client
  }
  const expiring = await open('expiring', {}, { exp: exp + 20 })
  const fast = await open('fast', {})
  const stuck = await open('stuck', {})
  const silent = await open('silent', { autoPong: false })
  for (const text of ['one', 'two', 'three']) fast.send(text)
  stuck.send('stuck')
  await until(() => users(seen, 'one').length + users(seen, 'stuck').length === 2)
  await elsewhere(async () => await clock.advance(1_000))
  connections.get('stuck')!.close()
  await elsewhere(async () => await clock.advance(4_000))
  await elsewhere(async () => await clock.advance(17_000))
  await Promise.all([expiring.closed, stuck.closed, silent.closed])
  await until(() => connections.size === 1)
  await elsewhere(async () => await app.close())
  await fast.closed
  t.strictSame(seen.filter(([where, store]) => where.startsWith('onClose') ||
    store !== 'fast').sort(), [
    ['onClose 1000', 'stuck'], ['onClose 1006', 'silent'], ['onClose 1012', 'fast'], [
      'onClose 4401',
      'expiring'
    ], ['stuck', 'stuck']
  ])
  t.strictSame(
    ['one', 'two', 'three'].map((where) => users(seen, where)),
    [['fast'], ['fast'], ['fast']],
    'those that had to wait for the next window too'
  )
  const told = lines.map(
    (line) => JSON.parse(line) as { connection?: string, store?: string }
  ).filter(({ connection }) => connection !== undefined)
  t.ok(told.length >= 4)
  t.notOk(told.some(({ store }) => store === 'somebody else' || store === undefined))
})

t.test('effects of a request or of another connection run in their own context', async (t) => {
  const { app, note, seen } = await setUp(t, { outbox: { limit: 100_000 } })
  const connections = new Map<unknown, WsConnection>()
  class Feed extends Readable {
    override _read (): void { this.push('item') }
    override _destroy (_error: unknown, callback: () => void): void { note('destroy'); callback() }
  }
  const route = app.socketRoute('/', {
    onOpen (connection) {
      connections.set(storage.getStore(), connection)
      connection.signal.addEventListener('abort', () => { note('abort') })
      return (async function * () {
        try { yield 'open'; await new Promise(() => {}) } finally { note('return') }
      })()
    },
    onMessage: () => new Feed({ objectMode: true }),
    onClose () { note('onClose') }
  }, { isGranted: () => true })
  const url = await listen(app)
  const users = ['closed', 'cut', 'revoked', 'slow', 'drained']
  const clients = new Map<string, Client>()
  for (const sub of users) {
    const client = await come(url, sub, { token: tokenOf(app, [], { sub }) })
    await client.next()
    clients.set(sub, client)
  }
  clients.get('cut')!.send('feed')
  await clients.get('cut')!.next()
  elsewhere(() => { connections.get('closed')!.close() })
  elsewhere(() => { connections.get('cut')!.terminate() })
  await elsewhere(async () => await app.socketRevoke({ sub: 'revoked' }))
  clients.get('slow')!.socket.pause()
  const slow = connections.get('slow')!
  await elsewhere(async () => {
    while (!slow.signal.aborted) {
      route.broadcast(Buffer.alloc(50_000))
      await new Promise(setImmediate)
    }
  })
  clients.get('slow')!.socket.terminate()
  await elsewhere(async () => await app.close())
  for (const where of ['abort', 'onClose']) {
    t.strictSame(
      seen.filter(([each]) => each === where).map(([, store]) => store).sort(),
      [...users].sort(),
      where
    )
  }
  t.strictSame(seen.filter(([where]) => where === 'destroy'), [['destroy', 'cut']])
})

t.test('effects on another connection run in the context of that connection', async (t) => {
  const lines: string[] = []
  const { app, note, seen } = await setUp(t, {}, { write: (line) => { lines.push(line) } })
  app.socketRoute('/', {
    onOpen: () => 'open',
    onMessage () {
      app.socketRevoke({ sub: 'bob' })
      note('onMessage, behind it')
      return 'revoked'
    }
  }, { isGranted: () => true })
  const url = await listen(app)
  const [alice, bob] = await Promise.all(['alice', 'bob'].map(async (sub) => await come(url, sub, {
    token: tokenOf(app, [], { sub })
  })))
  for (const client of [alice!, bob!]) await client.next()
  alice!.send('revoke bob')
  await alice!.next()
  t.equal((await bob!.closed).code, 4403)
  t.strictSame(users(seen, 'onMessage, behind it'), ['alice'])
  const closes = lines.map((line) => JSON.parse(line) as { code?: number, store?: string }).filter(
    ({ code }) => code === 4403
  )
  t.strictSame(closes.map(({ store }) => store), ['bob'])
})

t.test('a notice of missed messages is created in the context of its client', async (t) => {
  const { app, note, seen } = await setUp(t, {
    outbox: {
      limit: 100_000,
      overflow: 'drop-oldest',
      notice: (dropped) => { note('notice'); return { dropped } }
    }
  })
  let connection: undefined | WsConnection
  const route = app.socketRoute('/', { onOpen: (opened) => { connection ??= opened } })
  const url = await listen(app)
  const client = await come(url, 'alice')
  await until(() => connection !== undefined)
  client.socket.pause()
  elsewhere(() => {
    while (connection!.send(Buffer.alloc(50_000)));
    for (let n = 0; n < 20; n++) route.broadcast(Buffer.alloc(50_000))
  })
  await new Promise(setImmediate)
  client.socket.resume()
  await until(() => seen.length > 0)
  t.strictSame(seen, [['notice', 'alice']])
})

t.test('all that a contract calls runs in the context of the connection', async (t) => {
  const { app, note, seen } = await setUp(t, {
    preMessage: async () => { note('preMessage') },
    preSend: (sent) => { if (sent.type === 'reply') note('preSend of a reply') }
  })
  app.setValidatorCompiler(() => (data) => { note('validator'); return { value: data } })
  app.socketRoute('/', {
    schema: {
      in: {
        ask: {
          data: { type: 'object' },
          reply: { type: 'object', additionalProperties: true },
          isGranted: () => { note('isGranted'); return true }
        },
        count: { stream: { type: 'integer' } }
      },
      out: { sure: { reply: { type: 'boolean' } } }
    },
    on: {
      async ask (connection, _data, { signal }) {
        note('handler')
        signal.addEventListener('abort', () => { note('abort of an answer') })
        await connection.request('sure')
        note('handler, later')
        return {}
      },
      async * count (_connection, _data, { signal }) {
        signal.addEventListener('abort', () => { note('abort of a stream') })
        try {
          for (let n = 0; n < 2; n++) { note('item'); yield n }
          await new Promise((resolve) => { signal.addEventListener('abort', resolve) })
        } finally { note('return of a stream') }
      }
    },
    onError () { note('onError') }
  })
  const client = await come(await listen(app), 'alice')
  client.send('{"type":"ask","data":{},"id":1}')
  t.match(await client.json(), { type: 'sure' })
  client.send('{"type":"reply","id":1,"data":true}')
  t.match(await client.json(), { type: 'reply', id: 1 })
  client.send('{"type":"count","id":2}')
  await client.take(2)
  client.send('{"type":"cancel","id":2}')
  client.send('{"type":"unknown"}')
  await client.next()
  await until(() => users(seen, 'return of a stream').length === 1)
  t.strictSame([...new Set(seen.map(([, store]) => store))], ['alice'])
  t.strictSame([...new Set(seen.map(([where]) => where))].sort(), [
    'abort of a stream', 'abort of an answer', 'handler', 'handler, later', 'isGranted', 'item',
    'onError', 'preMessage', 'preSend of a reply', 'return of a stream', 'validator'
  ])
})

t.test('a renewal that others ask for is judged in the context of the connection', async (t) => {
  const { app, note, seen } = await setUp(t)
  let connection: undefined | WsConnection
  app.socketRoute('/', {
    schema: {
      in: {
        feed: {
          stream: { type: 'integer' },
          isGranted: () => { note('isGranted of a stream'); return true }
        }
      }
    },
    on: {
      async * feed (_connection, _data, { signal }) {
        yield 1
        await new Promise((resolve) => { signal.addEventListener('abort', resolve) })
      }
    },
    onOpen (opened) { connection = opened as unknown as WsConnection }
  }, { isGranted: async () => { note('isGranted'); return true } })
  const client = await come(await listen(app), 'alice', { token: tokenOf(app) })
  client.send('{"type":"feed","id":1}')
  await client.next()
  await elsewhere(async () => { await connection!.renew(tokenOf(app)) })
  await until(() => users(seen, 'isGranted of a stream').length === 2)
  t.strictSame([...new Set(seen.map(([, store]) => store))], ['alice'])
  t.equal(users(seen, 'isGranted').length, 2)
})

t.test('a token as the first message keeps the context of the upgrade', async (t) => {
  const { app, clock, note, seen } = await setUp(t, { handshakeTimeout: 1_000 })
  app.socketRoute('/', {
    onOpen () { note('onOpen'); return 'open' },
    onMessage (_connection, message) { note('onMessage'); return message },
    onClose () { note('onClose') }
  }, { tokenFrom: ['message'], isGranted: async () => { note('isGranted'); return true } })
  const url = await listen(app)
  const late = await come(url, 'late')
  const client = await come(url, 'alice')
  client.send(tokenOf(app))
  client.send('early')
  await client.take(2)
  await elsewhere(async () => await clock.advance(2_000))
  t.equal((await late.closed).code, 4401)
  await client.close()
  await until(() => users(seen, 'onClose').length === 1)
  t.strictSame(seen, [
    ['isGranted', 'alice'],
    ['onOpen', 'alice'],
    ['onMessage', 'alice'],
    ['onClose', 'alice']
  ])
})

t.test('a context that a handler enters is not that of the connection', async (t) => {
  const { app, note, seen } = await setUp(t)
  let first: undefined | WsConnection
  app.socketRoute('/', {
    onOpen: (connection) => { first ??= connection; return 'open' },
    onMessage: () => { storage.run('within', () => { first!.close() }) },
    onClose: () => { note('onClose') }
  })
  const url = await listen(app)
  const [alice, bob] = [await connectAs('none', url), await come(url, 'bob')]
  await Promise.all([alice.next(), bob.next()])
  bob.send('close the other')
  await alice.closed
  t.strictSame(seen, [['onClose', 'undefined']], 'the store of its request, which has no name')
})
