import t from 'tap'
import { Type } from 'typebox'
import { JsonMessage, type SocketRouteHandle, type WsConnection } from '../../src/index.js'
import { connect } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

for (const level of ['silent', 'trace'] as const) {
  // P5, P40
  t.test(`clients are iterated and compared, with the log at ${level}`, async (t) => {
    const app = await createApp(t, { fastify: { logger: { level, stream: { write: () => {} } } } })
    app.socketRoute('/chat', {
      onMessage (connection, message, clients) {
        for (const client of clients) if (client !== connection) client.send(message)
        return `${clients.size} ${clients.has(connection)} ${clients.get(connection.id) === connection} ${clients.has({})}`
      }
    })
    const url = `${await listen(app)}/chat`
    const [alice, bob, carol] = [await connect(url), await connect(url), await connect(url)]
    alice.send('hello')
    t.equal(await bob.next(), 'hello')
    t.equal(await carol.next(), 'hello')
    t.equal(await alice.next(), '3 true true false')
  })
}

// P5
t.test('a broadcast does not reach another route', async (t) => {
  const app = await createApp(t)
  for (const path of ['/chat', '/admin']) {
    app.socketRoute(path, {
      onMessage: (_connection, message, clients) => { clients.broadcast(message) }
    })
  }
  const url = await listen(app)
  const [chat, admin] = [await connect(`${url}/chat`), await connect(`${url}/admin`)]
  admin.send('secret')
  t.equal(await admin.next(), 'secret')
  chat.send('own')
  t.equal(await chat.next(), 'own')
})

// P5, P12
t.test('a route has one set of clients for all its parameters and slashes', async (t) => {
  const app = await createApp(t)
  const route = app.socketRoute('/chat/:room', { onOpen: () => 'welcome' })
  const url = await listen(app)
  for (const path of ['a', 'a/', 'b']) await (await connect(`${url}/chat/${path}`)).next()
  t.equal(route.clients.size, 3)
})

// P6
t.test('the same set of clients is handed to every callback', async (t) => {
  const app = await createApp(t)
  const seen: unknown[] = []
  const done = new Promise<void>((resolve) => {
    app.socketRoute('/', {
      onOpen: (_connection, clients) => { seen.push(clients) },
      onMessage: (_connection, _message, clients) => { seen.push(clients); throw new Error('no') },
      onError: (_connection, _error, clients) => { seen.push(clients) },
      onClose: (_connection, _closed, clients) => { seen.push(clients); resolve() }
    })
  })
  const client = await connect(await listen(app))
  client.send('x')
  await client.close()
  await done
  t.strictSame(seen, Array(4).fill(app.socketRoutes.get('/')!.clients))
  t.equal(new Set(seen).size, 1)
})

// P6
t.test('clients are reached from callbacks and REST routes, by handle and by name', async (t) => {
  const app = await createApp(t)
  const chat = app.socketRoute('/chat', {
    onOpen: (): JsonMessage => new JsonMessage(chat.clients.size),
    onMessage (_connection, _message, clients) { t.equal(clients, chat.clients) }
  }, { name: 'chat' })
  app.post('/announce', async (request) => {
    chat.broadcast(request.body as object)
    app.socketRoutes.get<SocketRouteHandle>('chat')!.clients.broadcast('by name')
    return { reached: chat.clients.size }
  })
  const url = await listen(app)
  const client = await connect(`${url}/chat`)
  t.equal(await client.next(), '1')
  const response = await app.inject({
    method: 'POST',
    url: '/announce',
    payload: { text: 'hello' }
  })
  t.strictSame(response.json(), { reached: 1 })
  t.strictSame(await client.take(2), ['{"text":"hello"}', 'by name'])
})

t.test('a broadcast leaves out one connection, or several', async (t) => {
  const app = await createApp(t)
  const connections: WsConnection[] = []
  const chat = app.socketRoute('/', {
    onOpen: (connection) => { connections.push(connection); return 'welcome' }
  })
  const url = await listen(app)
  const clients = [await connect(url), await connect(url), await connect(url)]
  for (const client of clients) await client.next()
  chat.broadcast('to two', { except: connections[0] })
  chat.broadcast('to one', { except: new Set(connections.slice(0, 2)) })
  chat.broadcast('to all', { except: [] })
  t.strictSame(await clients[0]!.take(1), ['to all'])
  t.strictSame(await clients[1]!.take(2), ['to two', 'to all'])
  t.strictSame(await clients[2]!.take(3), ['to two', 'to one', 'to all'])
})

t.test('a broadcast with an invalid option fails and reaches no client', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onMessage: (connection, message, clients) => {
      const slips: unknown[] = [
        connection,
        { expect: connection },
        { except: connection.id },
        { except: [connection.id] },
        { except: null },
        null,
        'x'
      ]
      const { to, ...call } = message.json<{ to?: string, slip: number }>()
      const slip = slips[call.slip] as object
      if (to === 'send') clients.to('all').send('no', slip)
      else if (to === 'to') clients.to('all', slip).send('no')
      else if (to === 'behind') clients.broadcast(...['no', undefined, slip] as unknown as ['no'])
      else if (to === 'behind a room') {
        clients.to('all').send(
          ...['no', undefined, slip] as unknown as ['no']
        )
      } else clients.broadcast('no', slip)
    },
    onError: (_connection, error) => error.message
  })
  const client = await connect(await listen(app))
  for (const [to, call] of [
    [undefined, /broadcast\(\)/],
    ['send', /send\(\) of a room/],
    ['to', /to\(\)/],
    ['behind', /broadcast\(\)/],
    ['behind a room', /send\(\) of a room/]
  ] as const) {
    for (let slip = 0; slip < 7; slip++) client.send(JSON.stringify({ to, slip }))
    for (const text of await client.take(7)) {
      t.match(
        text,
        new RegExp(`The last argument of ${call.source} is not \\{ except: connection \\}`)
      )
    }
  }
})

t.test('a connection in a message is its id, and nothing of its user', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: (connection) => new JsonMessage({ from: connection }) })
  const client = await connect(await listen(app))
  t.match(await client.next(), /^{"from":{"id":"[^"]+"}}$/)
})

// P3
t.test('a message is encoded once, however many receive it', async (t) => {
  const app = await createApp(t)
  let encoded = 0
  const data = { toJSON () { return ++encoded } }
  app.socketRoute('/', { onOpen: () => 'welcome' })
  const url = await listen(app)
  const clients = [await connect(url), await connect(url), await connect(url)]
  for (const client of clients) await client.next()
  const chat = app.socketRoutes.get<SocketRouteHandle>('/')!
  chat.broadcast(data)
  for (const client of clients) t.equal(await client.next(), '1')
  const message = new JsonMessage(data)
  chat.broadcast(message)
  chat.broadcast(message)
  for (const client of clients) t.strictSame(await client.take(2), ['2', '2'])
  t.equal(encoded, 2)
})

t.test('a client is among the clients from onOpen until it begins to close', async (t) => {
  const app = await createApp(t)
  const sizes: number[] = []
  const done = new Promise<void>((resolve) => {
    const route = app.socketRoute('/', {
      onOpen: () => { sizes.push(route.clients.size) },
      onClose: () => { sizes.push(route.clients.size); resolve() }
    })
  })
  await (await connect(await listen(app))).close()
  await done
  t.strictSame(sizes, [1, 0])
})

t.test('clients.to(room) reaches every member of the room, the sender too', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/raw/:room', {
    onOpen: async (connection) => { await connection.join(connection.params.room) },
    onMessage ({ params }, message, clients) { clients.to(params.room).send(message.text) }
  })
  app.socketRoute('/contract/:room', {
    schema: { in: { say: { data: Type.String() } }, out: { said: Type.String() } },
    onOpen: async (connection) => { await connection.join(connection.params.room) },
    on: {
      say ({ params }, text, { clients }) { clients.to(params.room).send('said', String(text)) }
    }
  })
  const url = await listen(app)
  for (const [path, sent, received] of [
    ['/raw', 'hi', 'hi'],
    ['/contract', '{"type":"say","data":"hi"}', '{"type":"said","data":"hi"}']
  ] as const) {
    const [one, other, elsewhere] = await Promise.all(
      ['a', 'a', 'b'].map(async (room) => await connect(`${url}${path}/${room}`))
    )
    one!.send(sent)
    t.equal(await one!.next(), received, path)
    t.equal(await other!.next(), received, path)
    elsewhere!.send(sent.replace('hi', 'b'))
    t.equal(await elsewhere!.next(), received.replace('hi', 'b'), path)
  }
})
