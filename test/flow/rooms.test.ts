import t from 'tap'
import type { SocketRouteHandle, WsConnection } from '../../src/index.js'
import { connect } from '../support/client.js'
import { createApp, listen } from '../support/server.js'
import { until } from '../support/until.js'

t.test('a message to a room reaches all members, or all but the connection itself', async (t) => {
  const app = await createApp(t)
  const route = app.socketRoute('/:room', {
    async onOpen (connection) { await connection.join(connection.params.room); return 'joined' },
    onMessage (connection, message) { connection.to(connection.params.room).send(message) }
  })
  const url = await listen(app)
  const [alice, bob, carol] = [
    await connect(`${url}/a`),
    await connect(`${url}/a`),
    await connect(`${url}/b`)
  ]
  for (const client of [alice, bob, carol]) t.equal(await client.next(), 'joined')
  alice.send('hello')
  t.equal(await bob.next(), 'hello')
  route.to('a').send({ to: 'a' })
  route.to('b').send({ to: 'b' })
  route.to('nobody').send('nothing')
  t.equal(await alice.next(), '{"to":"a"}')
  t.equal(await bob.next(), '{"to":"a"}')
  t.equal(await carol.next(), '{"to":"b"}')
})

t.test('a room knows its members and the excluded connections', async (t) => {
  const app = await createApp(t)
  const connections: WsConnection[] = []
  const route = app.socketRoute('/', {
    onOpen: async (connection) => {
      connections.push(connection)
      await connection.join('a')
      return 'ok'
    }
  })
  const url = await listen(app)
  await (await connect(url)).next()
  await (await connect(url)).next()
  const [first, second] = connections as [WsConnection, WsConnection]
  t.equal(route.to('a').name, 'a')
  t.equal(route.to('a').local.size, 2)
  t.strictSame(new Set(route.to('a').local), new Set(connections))
  t.equal(first.to('a').local.size, 1)
  t.strictSame([...first.to('a').local], [second])
  t.equal(first.to('b').local.size, 0)
  t.strictSame([...route.to('b').local], [])
  t.strictSame([...first.rooms], ['a'])

  await first.join('a')
  await first.leave('a')
  await first.leave('never entered')
  t.strictSame([...first.rooms], [])
  t.equal(route.to('a').local.size, 1)
  t.equal(first.to('a').local.size, 1, 'a connection outside of it excludes no member')
})

t.test('connection.rooms is current, and a loop over it may leave and join rooms', async (t) => {
  const app = await createApp(t)
  const connections: WsConnection[] = []
  app.socketRoute('/', {
    async onOpen (connection) {
      connections.push(connection as WsConnection)
      await connection.join('a')
      return 'ok'
    }
  })
  await (await connect(await listen(app))).next()
  const [connection] = connections as [WsConnection]
  const { rooms } = connection
  t.equal(connection.rooms, rooms, 'it is not created anew for each read')
  await connection.join('b')
  t.strictSame([[...rooms], [...connection.rooms]], [['a'], ['a', 'b']])
  for (const room of connection.rooms) {
    await connection.leave(room)
    await connection.join(`${room}${room}`)
  }
  t.strictSame([...connection.rooms], ['aa', 'bb'])
  for (const room of connection.rooms) await connection.leave(room)
  t.strictSame([connection.rooms.size, ...connection.rooms], [0])
})

t.test('a closing connection is in no room; onClose still reads its last rooms', async (t) => {
  const app = await createApp(t)
  let sizes: undefined | number[]
  const closed = new Promise<WsConnection>((resolve) => {
    const route = app.socketRoute('/', {
      async onOpen (connection) { await connection.join('a'); await connection.join('b') },
      async onClose (connection) {
        sizes = [...connection.rooms].map((room) => route.to(room).local.size)
        await connection.join('c')
        sizes.push(route.to('c').local.size)
        resolve(connection)
      }
    })
  })
  await (await connect(await listen(app))).close()
  t.strictSame([...(await closed).rooms], ['a', 'b'])
  t.strictSame(sizes, [0, 0, 0], 'nor does it come back')
})

t.test('a message to several rooms reaches each member once, in order', async (t) => {
  const app = await createApp(t)
  const connections = new Map<string, WsConnection>()
  const route = app.socketRoute('/:name/:rooms', {
    async onOpen (connection) {
      connections.set(connection.params.name, connection as WsConnection)
      for (const room of connection.params.rooms) await connection.join(room)
      return 'ok'
    }
  })
  const url = await listen(app)
  const [one, two, both, none] = [
    await connect(`${url}/one/a`),
    await connect(`${url}/two/b`),
    await connect(`${url}/both/abc`),
    await connect(`${url}/none/d`)
  ]
  for (const client of [one, two, both, none]) await client.next()
  const rooms = route.to(['a', 'b', 'a', 'empty'])
  t.strictSame([rooms.name, rooms.names, rooms.local.size], ['a, b, empty', ['a', 'b', 'empty'], 3])
  t.strictSame(
    new Set(rooms.local),
    new Set(['one', 'two', 'both'].map((name) => connections.get(name)))
  )
  const leaving = connections.get('both')!
  route.to('a').send('1')
  rooms.send('2')
  // It has the message as a member of a, and must not get it as one of b; or miss it, as it is in a
  // no more.
  leaving.leave('a')
  route.to(new Set(['a', 'b'])).send('3')
  leaving.join('a')
  app.socketRoutes.get<SocketRouteHandle>('/:name/:rooms')!
    .clients.to(['b', 'c']).send('4')
  leaving.to(['a', 'b']).send('5')
  rooms.send('6', { except: connections.get('one')! })
  route.to(['a', 'b'], { except: [connections.get('one')!, connections.get('two')!] }).send('7', {
    except: leaving
  })
  route.to([]).send('to no room')
  route.to(['a', 'b'], { except: [connections.get('one')!] }).send('8')
  route.broadcast('end')
  t.strictSame(await one.take(5), ['1', '2', '3', '5', 'end'])
  t.strictSame(await two.take(7), ['2', '3', '4', '5', '6', '8', 'end'])
  t.strictSame(await both.take(7), ['1', '2', '3', '4', '6', '8', 'end'])
  t.strictSame(await none.take(1), ['end'])
})

t.test('a message to a room may leave out connections, few or many', async (t) => {
  const app = await createApp(t)
  const connections: WsConnection[] = []
  const route = app.socketRoute('/', {
    async onOpen (connection) {
      connections.push(connection)
      await connection.join('a')
      return 'ok'
    }
  })
  const url = await listen(app)
  const clients = []
  for (let count = 0; count < 5; count++) {
    const client = await connect(url)
    await client.next()
    clients.push(client)
  }
  const [first, second] = connections as [WsConnection, WsConnection]
  t.equal(route.to('a', { except: first }).local.size, 4)
  t.equal(first.to('a', { except: second }).local.size, 3)
  t.equal(route.to('a', { except: [] }).local.size, 5)
  route.to('a', { except: first }).send('1')
  route.to('a').send('2', { except: connections.slice(1) })
  first.to('a', { except: [second] }).send('3')
  route.to('a').send('4', { except: undefined })
  t.strictSame(await clients[0]!.take(2), ['2', '4'])
  t.strictSame(await clients[1]!.take(2), ['1', '4'])
  for (const client of clients.slice(2)) t.strictSame(await client.take(3), ['1', '3', '4'])
})

t.test('arguments that a route without a contract would ignore are an error', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onMessage: (connection) => {
      (connection.send as (type: string, data: object) => void)('news', { text: 'lost' })
    },
    onError: (_connection, error) => (error as { code?: string }).code
  })
  const client = await connect(await listen(app))
  client.send('x')
  t.equal(await client.next(), 'FSR_ERR_OPTION_INVALID')
})

t.test('a room name that is not a string is an error, as no client would be reached', async (t) => {
  const app = await createApp(t)
  const route = app.socketRoute('/', {
    onMessage: (connection) => { connection.to(undefined as never).send('x') },
    onError: (_connection, error) => (error as { code?: string }).code
  })
  for (const [rooms, what] of [[5, 'number'], [['a', 5], 'number'], [null, 'object']] as const) {
    t.throws(
      () => route.to(rooms as never),
      { code: 'FSR_ERR_ROOM_INVALID', message: new RegExp(`of type ${what}`) }
    )
  }
  t.equal(route.to('x'.repeat(300)).local.size, 0, 'one that is too long is empty')
  app.socketRoute('/leave', {
    async onMessage (connection) {
      await connection.join('a')
      connection.leave(['a'] as never)
    },
    onError: (_connection, error) => error.message
  })
  const url = await listen(app)
  const client = await connect(url)
  client.send('x')
  t.equal(await client.next(), 'FSR_ERR_ROOM_INVALID')
  const staying = await connect(`${url}/leave`)
  staying.send('x')
  t.match(await staying.next(), /of type object/, 'it would go on to get what the room is sent')
})

t.test('a join that fails reaches onError, also if its promise is not awaited', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onMessage: (connection, message) => { connection.join(message.text) },
    onError: (_connection, error) => (error as { code?: string }).code
  })
  const client = await connect(await listen(app))
  client.send('')
  t.equal(await client.next(), 'FSR_ERR_ROOM_INVALID')
})

t.test('a room has a name, and a connection is in no more than roomsPerConnection', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onMessage: async (connection, message) => {
      await connection.join(message.text === 'number' ? 5 as never : message.text)
      return 'ok'
    },
    onError: (_connection, error) => (error as { code?: string }).code
  }, { roomsPerConnection: 2 })
  const client = await connect(await listen(app))
  for (const room of ['a', '', 'number', 'x'.repeat(257), 'b', 'a', 'c']) client.send(room)
  t.strictSame(await client.take(7), [
    'ok',
    'FSR_ERR_ROOM_INVALID',
    'FSR_ERR_ROOM_INVALID',
    'FSR_ERR_ROOM_INVALID',
    'ok',
    'ok',
    'FSR_ERR_ROOMS_TOO_MANY'
  ])
})

t.test('a room has the name that it was given, also one that is no valid text', async (t) => {
  const app = await createApp(t)
  const name = `room ${'\ud800'} of many characters`
  const route = app.socketRoute('/', {
    onOpen: async (connection) => {
      await connection.join(name)
      connection.leave('other')
      connection.to(name).send('x')
    }
  })
  const client = await connect(await listen(app))
  await until(() => route.to(name).local.size === 1)
  t.strictSame([...[...route.clients][0]!.rooms], [name])
  await client.close()
})
