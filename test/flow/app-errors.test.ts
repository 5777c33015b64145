import { runInNewContext } from 'node:vm'
import t from 'tap'
import { ReplyError } from '../../src/index.js'
import { connect, connectAs } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { until } from '../support/until.js'

const looked = (): never => { throw new Error('looked at') }

t.test('onError of a contract gets an Error whose cause is the thrown value', async (t) => {
  const app = await createApp(t)
  const thrown: Record<string, unknown> = {
    text: 'no',
    nothing: undefined,
    object: { code: 5 },
    foreign: runInNewContext("new Error('no')"),
    proxy: new Proxy(new Error('no'), {})
  }
  const seen: Error[] = []
  app.socketRoute('/', {
    schema: { in: Object.fromEntries(Object.keys(thrown).map((type) => [type, {}])) },
    on: Object.fromEntries(Object.keys(thrown).map((type) => [type, () => { throw thrown[type] }])),
    onError: (_connection, error) => { seen.push(error) }
  })
  const client = await connect(await listen(app))
  for (const type of Object.keys(thrown)) {
    client.send(JSON.stringify({ type, id: 1 }))
    t.match(await client.json(), { id: 1, code: 'FSR_ERR_HANDLER_FAILED' })
  }
  t.equal(seen.length, 5)
  for (const [index, error] of seen.entries()) {
    t.ok(error instanceof Error)
    t.match(error, { code: 'FSR_ERR_NOT_AN_ERROR' })
    t.equal(error.cause, Object.values(thrown)[index])
  }
})

t.test('a ReplyError that cannot be written is answered as a failure', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    schema: { in: { getter: {}, code: {} } },
    on: {
      getter () {
        throw Object.defineProperty(new ReplyError('A', 'a'), 'message', { get: looked })
      },
      code () { throw new ReplyError(5n as never, 'a') }
    }
  })
  const client = await connect(await listen(app))
  for (const type of ['getter', 'code']) {
    client.send(JSON.stringify({ type, id: 1 }))
    t.match(await client.json(), { id: 1, code: 'FSR_ERR_HANDLER_FAILED' }, type)
  }
})

t.test('a cancelled handler may fail with an error that throws when it is read', async (t) => {
  const app = await createApp(t)
  let fail: undefined | (() => void)
  const seen: Error[] = []
  app.socketRoute('/', {
    schema: { in: { wait: {}, ping: {} } },
    on: {
      wait: async () => {
        await new Promise<void>((_resolve, reject) => {
          fail = () => { reject(Object.defineProperty(new Error('no'), 'name', { get: looked })) }
        })
      },
      ping () {}
    },
    onError: (_connection, error) => { seen.push(error) }
  }, { concurrency: 2 })
  const client = await connect(await listen(app))
  client.send('{"type":"wait","id":1}')
  await until(() => fail !== undefined)
  client.send('{"type":"cancel","id":1}')
  client.send('{"type":"ping","id":2}')
  t.match(await client.json(), { type: 'reply', id: 2 })
  fail!()
  await until(() => seen.length === 1)
  t.match(seen, [{ message: 'no' }])
})

t.test('a value that cannot be sent is named by its class, if that has a name', async (t) => {
  const app = await createApp(t)
  const nameless: unknown = Object.create(Object.create({}, { constructor: { get: looked } }))
  const values = [
    () => nameless,
    () => new (class {})(),
    () => new Map(),
    () => Promise.reject(new Error('it is not awaited'))
  ]
  app.socketRoute('/', {
    onMessage (connection, message) { connection.send(values[Number(message.text)]!() as never) },
    onError: (_connection, error) => error.message.split('.')[0]!
  })
  const client = await connect(await listen(app))
  for (const index of values.keys()) client.send(String(index))
  t.strictSame(await client.take(4), [
    'An instance of an unnamed class cannot be sent',
    'An instance of an unnamed class cannot be sent', 'An instance of Map cannot be sent',
    'An instance of Promise cannot be sent: await it first'
  ])
})

t.test('a logger that fails ends neither a connection nor the process', async (t) => {
  const log = {
    level: 'trace',
    fatal () {},
    error () {},
    warn () {},
    info () {},
    debug () {},
    trace () {},
    silent () {},
    child (bindings: object): unknown {
      return 'connection' in bindings
        ? { ...log, error: looked, warn: looked, info: looked, debug: looked }
        : log
    }
  }
  const app = await createApp(t, { fastify: { loggerInstance: log as never } })
  app.socketRoute('/', {
    onMessage: (_connection, message) => message.text === 'fail' ? looked() : message,
    onClose: looked
  })
  const url = await listen(app)
  const [client, other] = [await connect(url), await connect(url)]
  client.send('fail')
  t.equal((await client.closed).code, 1011)
  other.send('fine')
  t.equal(await other.next(), 'fine')
})

t.test('a revocation that the store rejects is logged and ends no process', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    plugin: {
      revocations: {
        revoke: async () => { throw new Error('the store is away') },
        revokedBefore: () => undefined
      }
    },
    fastify: { logger: { level: 'error', stream: { write: (line) => { lines.push(line) } } } }
  })
  app.socketRevoke({ sub: 'alice' })
  await until(() => lines.length === 1)
  t.match(JSON.parse(lines[0]!), {
    msg: /^the revocation store failed to keep a revocation/,
    err: { message: 'the store is away' }
  })
  await t.rejects(app.socketRevoke({ sub: 'alice' }), { message: 'the store is away' })
})

t.test('a failing onError is logged without the names that the client has sent', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { stream: { write: (line) => { lines.push(line) } } } }
  })
  app.socketRoute('/', {
    schema: { in: { say: { data: { type: 'integer' } } } },
    on: { say () {} },
    onError () { throw new Error('of onError') }
  })
  app.socketRoute('/:how', {
    schema: { in: { say: { data: { type: 'integer' } } } },
    on: { say () {} },
    onError (_connection, error) { throw error }
  })
  const url = await listen(app)
  for (const path of ['/', '/again']) {
    const client = await connect(`${url}${path}`)
    client.send('{"type":"say","data":"x","id":"chosen by the client"}')
    await client.closed
  }
  const [other, again] = lines.map((line) => JSON.parse(line)).filter(
    ({ err }) => err !== undefined
  )
  t.match(other, {
    callback: 'onError',
    handled: /^data does not match the contract/,
    err: { message: 'of onError' }
  })
  t.match(again, { err: { code: 'FSR_ERR_DATA_INVALID' }, handled: undefined })
  t.notOk(lines.some((line) => line.includes('chosen by the client')))
})

t.test('a renewal fails also if its predicate throws an error that cannot be read', async (t) => {
  const app = await createApp(t)
  const seen: Error[] = []
  let isFirst = true
  app.socketRoute('/', {
    schema: { in: { ping: {} } },
    on: { ping () {} },
    onError: (_connection, error) => { seen.push(error) }
  }, {
    isGranted: async () => {
      if (!isFirst) throw new Proxy(new Error('no'), { getPrototypeOf: looked, get: looked })
      isFirst = false
      return true
    }
  })
  const client = await connectAs(tokenOf(app), await listen(app))
  client.send(JSON.stringify({ type: 'renew', data: { token: tokenOf(app) }, id: 1 }))
  t.match(await client.json(), { id: 1, code: 'FSR_ERR_HANDLER_FAILED' })
  client.send('{"type":"ping","id":2}')
  t.same(await client.json(), { type: 'reply', id: 2 })
  t.match(seen, [{ code: 'FSR_ERR_NOT_AN_ERROR' }])
})
