import t from 'tap'
import type { CloseInfo, WsConnection } from '../../src/index.js'
import { connect } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

for (const kind of ['sync', 'async'] as const) {
  // P1
  t.test(`all four callbacks are called, ${kind}`, async (t) => {
    const app = await createApp(t)
    const called: string[] = []
    let closed: undefined | CloseInfo
    const ended = new Promise<void>((resolve) => {
      const wrap = (name: string, act: () => void = () => {}) => kind === 'sync'
        ? () => { called.push(name); act() }
        : async () => { called.push(name); await null; act() }
      const onClose = wrap('onClose', resolve)
      app.socketRoute('/', {
        onOpen: wrap('onOpen'),
        onMessage: wrap('onMessage', () => { throw new Error('no') }),
        onError: wrap('onError'),
        onClose: (_connection, info) => { closed = info; return onClose() }
      })
    })
    const client = await connect(await listen(app))
    client.send('hello')
    await client.close(4001, 'bye')
    await ended
    t.strictSame(called, ['onOpen', 'onMessage', 'onError', 'onClose'])
    t.strictSame(closed, { code: 4001, reason: 'bye', wasClean: true })
  })
}

for (const callback of ['onOpen', 'onMessage', 'onClose', 'onError'] as const) {
  // P1
  t.test(`a controller may have ${callback} alone`, async (t) => {
    const app = await createApp(t)
    const called = new Promise<void>((resolve) => {
      app.socketRoute('/', { [callback]: () => { resolve() } })
    })
    const client = await connect(await listen(app))
    if (callback === 'onError') client.socket.send('', { binary: false, mask: false })
    else client.send('hello')
    if (callback === 'onClose') await client.close()
    await called
    t.pass('was called')
  })
}

// P9
t.test('callbacks are called on their controller, whether object, instance or class', async (t) => {
  const app = await createApp(t)
  let constructed = 0
  class Greeter {
    readonly greeting = 'hello'
    readonly scope: unknown
    constructor (scope?: unknown) {
      constructed++
      this.scope = scope
    }

    onOpen () { return { greeting: this.greeting, hasScope: this.scope === app } }
  }
  app.socketRoute(
    '/object',
    {
      greeting: 'hello',
      onOpen () { return { greeting: (this as unknown as Greeter).greeting } }
    } as object as Greeter
  )
  const instance = new Greeter()
  app.socketRoute('/instance', instance)
  app.socketRoute('/again', instance)
  app.socketRoute('/class', Greeter)
  app.socketRoute('/other', Greeter)
  t.equal(constructed, 3, 'a class is constructed once per route, before any connection')
  const url = await listen(app)
  t.strictSame(await (await connect(`${url}/object`)).json(), { greeting: 'hello' })
  t.strictSame(await (await connect(`${url}/instance`)).json(), {
    greeting: 'hello',
    hasScope: false
  })
  t.strictSame(await (await connect(`${url}/again`)).json(), { greeting: 'hello', hasScope: false })
  t.strictSame(await (await connect(`${url}/class`)).json(), { greeting: 'hello', hasScope: true })
  await connect(`${url}/class`)
  t.equal(constructed, 3)
})

// P14
t.test('a connection has an id and is the same object in every callback', async (t) => {
  const app = await createApp(t)
  const seen: WsConnection[] = []
  const done = new Promise<void>((resolve) => {
    app.socketRoute('/rooms/:room', {
      onOpen (connection) { seen.push(connection) },
      onMessage (connection) { seen.push(connection); throw new Error('no') },
      onError (connection) { seen.push(connection) },
      onClose (connection) { seen.push(connection); resolve() }
    })
  })
  const client = await connect(`${await listen(app)}/rooms/a%20b?x=1&x=2&room=other`, [], {
    headers: { 'x-test': 'yes' }
  })
  client.send('hello')
  await client.close()
  await done
  const [connection] = seen
  t.equal(new Set(seen).size, 1)
  t.equal(seen.length, 4)
  t.match(connection!.id, /^[\da-f]{8}-[\da-f]{4}-4/)
  t.strictSame(
    { ...connection!.params },
    { room: 'a b' },
    'P11: the query does not override the path'
  )
  t.strictSame({ ...connection!.query }, { x: ['1', '2'], room: 'other' })
  t.equal(connection!.headers['x-test'], 'yes')
  t.equal(connection!.ip, '127.0.0.1')
  t.equal(connection!.user, null)
  t.equal(connection!.protocol, '')
  t.strictSame(connection!.data, {})
})

// P14
t.test('ids are not used again', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: ({ id }) => id })
  const url = await listen(app)
  const ids = new Set()
  for (let count = 0; count < 20; count++) {
    const client = await connect(url)
    ids.add(await client.next())
    await client.close()
  }
  t.equal(ids.size, 20)
})

t.test('signal aborts when the connection ends, also if it is read only later', async (t) => {
  const app = await createApp(t)
  const ended = new Promise<WsConnection>((resolve) => {
    app.socketRoute('/', {
      onMessage: async (connection) => await new Promise((_resolve, reject) => {
        connection.signal.addEventListener('abort', () => { reject(new Error('aborted')) })
      }),
      onError: (connection, error) => { connection.data.error = error.message },
      onClose: (connection) => { resolve(connection) }
    })
  })
  const client = await connect(await listen(app))
  client.send('wait')
  client.socket.terminate()
  const connection = await ended
  t.equal(connection.data.error, 'aborted')
  t.ok(connection.signal.aborted)

  const other = await createApp(t)
  const late = new Promise<WsConnection>((resolve) => {
    other.socketRoute('/', { onClose: resolve as (connection: WsConnection) => void })
  })
  await (await connect(await listen(other))).close()
  t.ok((await late).signal.aborted)
})

t.test('connection.data can be replaced as a whole', async (t) => {
  const app = await createApp(t)
  app.socketRoute<{ Data: { count: number } }>('/', {
    onOpen: (connection) => { connection.data = { count: 1 } },
    onMessage: (connection) => ({ count: ++connection.data.count })
  })
  const client = await connect(await listen(app))
  client.send('go')
  t.strictSame(await client.json(), { count: 2 })
  client.socket.terminate()
})
