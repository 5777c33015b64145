import fastifyWebsocket from '@fastify/websocket'
import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import t from 'tap'
import { WebSocket } from 'ws'
import socketRoutes from '../../src/index.js'
import { Client, connect, refusal } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

for (const first of ['REST', 'socket'] as const) {
  // P13
  t.test(`one path has a REST GET and a socket, the ${first} route first`, async (t) => {
    const app = await createApp(t)
    const rest = () => app.get(
      '/chat/:id',
      { onRequest: async (request) => { request.log.info('REST only') } },
      async (request) => ({ rest: request.params })
    )
    const socket = () => app.socketRoute('/chat/:room', { onOpen: ({ params }) => params })
    if (first === 'REST') { rest(); socket() } else { socket(); rest() }
    app.post('/chat/:id', async () => 'posted')
    const url = await listen(app)
    t.strictSame((await app.inject('/chat/a')).json(), { rest: { id: 'a' } })
    t.equal((await app.inject({ method: 'POST', url: '/chat/a' })).body, 'posted')
    t.equal((await app.inject({ method: 'HEAD', url: '/chat/a' })).statusCode, 200)
    t.equal((await app.inject('/chat/a/')).statusCode, 426, 'REST has not taken this one')
    t.strictSame(await (await connect(`${url}/chat/a`)).json(), { room: 'a' })
    t.strictSame(await (await connect(`${url}/chat/a/`)).json(), { room: 'a' })
  })
}

t.test('a REST route for several methods shares its path too', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/chat', { onOpen: () => 'in' })
  app.route({ method: ['GET', 'PUT'], url: '/chat', handler: async (request) => request.method })
  const url = await listen(app)
  t.equal((await app.inject('/chat')).body, 'GET')
  t.equal((await app.inject({ method: 'PUT', url: '/chat' })).body, 'PUT')
  t.equal(await (await connect(`${url}/chat`)).next(), 'in')
})

t.test('a REST route that was there before the plugin shares its path', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/chat', async () => 'rest')
  await app.register(socketRoutes)
  app.socketRoute('/chat', { onOpen: () => 'in' })
  const url = await listen(app)
  t.equal((await app.inject('/chat')).body, 'rest')
  t.equal(await (await connect(`${url}/chat`)).next(), 'in')
})

// P13
for (const who of ['the app', 'the plugin'] as const) {
  t.test(`bare @fastify/websocket routes keep working when ${who} has registered it`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    if (who === 'the app') await app.register(fastifyWebsocket)
    await app.register(socketRoutes)
    app.get('/bare', { websocket: true }, (socket) => {
      socket.on('message', (data) => { socket.send(`bare ${String(data)}`) })
    })
    app.route({
      method: 'GET',
      url: '/both',
      handler: async () => 'rest',
      wsHandler: (socket) => { socket.send('both') }
    })
    const route = app.socketRoute('/chat', {
      onMessage: (_connection, message) => message,
      onClose: () => 'goodbye'
    })
    const url = await listen(app)
    const bare = await connect(`${url}/bare`)
    bare.send('x')
    t.equal(await bare.next(), 'bare x')
    const socket = new WebSocket(`${url}/both`)
    t.equal(await new Client(socket).next(), 'both')
    t.equal((await app.inject('/both')).body, 'rest')
    const chat = await connect(`${url}/chat`)
    chat.send('y')
    t.equal(await chat.next(), 'y')
    t.equal(
      app.websocketServer.clients.size,
      2,
      'the clients of a socket route are not those of all sockets'
    )
    t.equal(route.clients.size, 1)
    await app.close()
    t.strictSame(chat.unread, ['goodbye'], 'and they close in their own way')
    t.equal((await chat.closed).code, 1012)
    t.equal((await bare.closed).code, 1005)
  })
}

t.test('a bare route and a socket route on one path fail at registration', async (t) => {
  const first = await createApp(t)
  first.get('/chat', { websocket: true }, () => {})
  t.throws(
    () => first.socketRoute('/chat', { onOpen: () => {} }),
    { code: 'FSR_ERR_PATH_DUPLICATE' }
  )
  const second = await createApp(t)
  second.socketRoute('/chat', { onOpen: () => {} })
  t.throws(
    () => { second.get('/chat', { websocket: true }, () => {}) },
    { code: 'FSR_ERR_PATH_DUPLICATE', message: /at '\/chat' already/ }
  )
})

t.test('@fastify/swagger describes the REST routes alone', async (t) => {
  const app = await createApp(t)
  await app.register(swagger)
  app.get('/chat', async () => 'rest')
  app.socketRoute('/chat', { onOpen: () => {} })
  app.socketRoute('/other/:room', { onOpen: () => {} })
  await app.ready()
  t.strictSame(Object.keys(app.swagger().paths ?? {}), ['/chat'])
})

// P26
t.test('an unknown path, and an upgrade on a REST route, are 404', async (t) => {
  const app = await createApp(t)
  let handled = 0
  app.get('/rest', async () => { handled++; return 'rest' })
  app.get('/hooked', { onRequest: async () => { handled++ } }, async () => 'rest')
  app.get('/array', { onRequest: [async () => { handled++ }] }, async () => 'rest')
  const url = await listen(app)
  t.equal((await app.inject('/unknown')).statusCode, 404)
  for (const path of ['/unknown', '/rest', '/hooked', '/array', '/rest/more']) {
    const { status, headers } = await refusal(url + path)
    t.equal(status, 404, path)
    t.equal(headers['sec-websocket-accept'], undefined)
  }
  t.equal(handled, 0)
  t.equal((await app.inject('/rest')).body, 'rest')
  const custom = await createApp(t)
  custom.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({
    message: 'my own 404'
  }))
  custom.get('/rest', async () => 'rest')
  t.equal((await refusal(`${await listen(custom)}/rest`)).body.message, 'my own 404')
})

t.test('the option websocket is rejected beside an own @fastify/websocket', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket)
  await t.rejects(
    async () => { await app.register(socketRoutes, { websocket: {} }) },
    { code: 'FSR_ERR_OPTION_INVALID', message: /has no effect/ }
  )
})

// P26
t.test('a plain GET on a socket route is 426 with Upgrade, other methods are 404', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/chat', { onOpen: () => {} })
  const response = await app.inject('/chat')
  t.equal(response.statusCode, 426)
  t.equal(response.headers.upgrade, 'websocket')
  t.equal(response.headers.connection, 'upgrade')
  t.equal(response.json().code, 'FSR_ERR_UPGRADE_REQUIRED')
  for (const method of ['POST', 'HEAD', 'DELETE'] as const) {
    t.equal((await app.inject({ method, url: '/chat' })).statusCode, 404, method)
  }
})

// P12
t.test('a path matches with and without a slash at its end', async (t) => {
  for (const ignoreTrailingSlash of [false, true]) {
    const app = await createApp(t, { fastify: { routerOptions: { ignoreTrailingSlash } } })
    const controller = { onOpen: ({ params }: { params: unknown }) => ({ ...params as object }) }
    app.socketRoute('/a', controller)
    app.socketRoute('/b/', controller)
    app.socketRoute('/optional/:id?', controller)
    app.socketRoute('/files/*', controller)
    app.socketRoute('/', controller)
    await app.register(async (scope) => {
      scope.socketRoute('/', controller)
      scope.socketRoute('/x', controller)
    }, { prefix: '/v1' })
    const url = await listen(app)
    const paths: Record<string, object> = {
      '/': {},
      '': {},
      '/a': {},
      '/a/': {},
      '/b': {},
      '/b/': {},
      '/v1': {},
      '/v1/': {},
      '/v1/x': {},
      '/v1/x/': {},
      '/optional/1': { id: '1' },
      '/optional/1/': { id: '1' },
      '/files/a/b': { '*': 'a/b' }
    }
    for (const [path, params] of Object.entries(paths)) {
      t.strictSame(
        await (await connect(url + path)).json(),
        params,
        `'${path}' ${ignoreTrailingSlash}`
      )
    }
    t.match(await (await connect(`${url}/optional/`)).json(), {})
    t.equal((await refusal(`${url}/a/b`)).status, 404)
  }
})

// P11
t.test('params and query are validated by the schema before the upgrade', async (t) => {
  const app = await createApp(t)
  const seen: unknown[] = []
  app.socketRoute('/rooms/:id', {
    onOpen: ({ params, query, headers }) =>
      ({ params, query, level: headers['x-level'] }) as object,
    onClose: () => { seen.push(1) }
  }, {
    schema: {
      params: { type: 'object', properties: { id: { type: 'integer' } } },
      querystring: {
        type: 'object',
        properties: { size: { type: 'integer', maximum: 10, default: 3 } }
      },
      headers: { type: 'object', properties: { 'x-level': { type: 'integer' } } }
    }
  })
  const url = await listen(app)
  t.strictSame(await (await connect(`${url}/rooms/5`)).json(), {
    params: { id: 5 },
    query: { size: 3 }
  })
  t.strictSame(
    await (await connect(`${url}/rooms/5?size=4`, [], { headers: { 'x-level': '7' } })).json(),
    { params: { id: 5 }, query: { size: 4 }, level: 7 }
  )
  for (const path of ['/rooms/lobby', '/rooms/5?size=11', '/rooms/5?size=x']) {
    t.equal((await refusal(url + path)).status, 400, path)
  }
  t.equal((await app.inject('/rooms/lobby')).statusCode, 400)
})

t.test('socket routes have the hooks, prefix and error handler of a scope', async (t) => {
  const app = await createApp(t)
  const order: string[] = []
  app.addHook('onRequest', async () => { order.push('root') })
  await app.register(async (scope) => {
    scope.decorateRequest('tenant', '')
    scope.addHook('onRequest', async (request) => {
      (request as { tenant?: string }).tenant = 'acme'
      order.push('scope')
    })
    scope.setErrorHandler(async (error, _request, reply) => await reply.code(418).send({
      message: (error as Error).message
    }))
    scope.socketRoute('/in', { onOpen: (connection) => connection.query.tenant ?? 'none' }, {
      config: { secret: 1 } as object,
      onRequest: [async () => { order.push('route onRequest') }],
      preValidation: async (request) => {
        order.push('route preValidation')
        Object.assign(request.query as object, { tenant: (request as { tenant?: string }).tenant })
      },
      preHandler: async (request) => {
        order.push(
          `route preHandler ${String((request.routeOptions.config as { secret?: number }).secret)}`
        )
      }
    })
    scope.socketRoute('/failing', { onOpen: () => 'in' }, {
      preHandler: async () => { throw new Error('teapot') }
    })
  }, { prefix: '/v1' })
  app.socketRoute('/out', { onOpen: () => 'in' })
  const url = await listen(app)
  t.equal(await (await connect(`${url}/v1/in`)).next(), 'acme')
  t.strictSame(order, [
    'root',
    'scope',
    'route onRequest',
    'route preValidation',
    'route preHandler 1'
  ])
  t.strictSame(await refusal(`${url}/v1/failing`).then(({ status, body }) => [status, body]), [
    418,
    { message: 'teapot' }
  ])
  order.length = 0
  await (await connect(`${url}/out`)).next()
  t.strictSame(order, ['root'])
})

t.test('constraints tell routes on one path apart', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'a' }, { constraints: { host: 'a.example' }, name: 'a' })
  app.socketRoute('/', { onOpen: () => 'b' }, { constraints: { host: 'b.example' }, name: 'b' })
  t.throws(
    () => app.socketRoute('/', { onOpen: () => 'b' }, {
      constraints: { host: 'b.example' },
      name: 'c'
    }),
    { code: 'FSR_ERR_PATH_DUPLICATE' }
  )
  const url = await listen(app)
  t.equal(await (await connect(url, [], { headers: { host: 'a.example' } })).next(), 'a')
  t.equal(await (await connect(url, [], { headers: { host: 'b.example' } })).next(), 'b')
  t.equal((await refusal(url, [], { headers: { host: 'c.example' } })).status, 404)
})

t.test('a route has its own log level', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'warn', stream: { write: (line) => { lines.push(line) } } } }
  })
  app.socketRoute(
    '/',
    { onOpen: (connection) => { connection.log.info('hello'); return connection.id } },
    { logLevel: 'info' }
  )
  const client = await connect(await listen(app))
  const id = await client.next()
  const line = JSON.parse(lines.find((line) => line.includes('hello'))!)
  t.equal(line.connection, id, 'P40: each line tells the connection')
  t.ok(line.reqId)
  client.socket.terminate()
})
