import Fastify from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import t from 'tap'
import socketRoutes, { SocketRoute, type SocketPluginOptions } from '../../src/index.js'
import { connect } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'

const ok = { onOpen: () => {} }

t.test('a second registration fails, and says what to do instead', async (t) => {
  const app = await createApp(t)
  await t.rejects(
    async () => { await app.register(socketRoutes) },
    { code: 'FSR_ERR_ALREADY_REGISTERED', message: /socketScope/ }
  )
})

t.test('a plugin can depend on this one by name', async (t) => {
  const app = await createApp(t)
  t.ok(app.hasPlugin('fastify-socket-route'))
  await app.register(fastifyPlugin(
    async (instance) => { instance.socketRoute('/', ok) },
    { dependencies: ['fastify-socket-route'] }
  ))
})

t.test('the plugin in a scope serves that scope', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(async (scope) => {
    await scope.register(socketRoutes)
    scope.socketRoute('/chat', { onOpen: () => 'in' })
  }, { prefix: '/v1' })
  t.notOk(app.hasDecorator('socketRoute'))
  t.equal(await (await connect(`${await listen(app)}/v1/chat`)).next(), 'in')
})

t.test('the plugin in two scopes of one app fails: both would handle every upgrade', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(async (scope) => { await scope.register(socketRoutes) })
  await t.rejects(
    async () => { await app.register(async (scope) => { await scope.register(socketRoutes) }) },
    { code: 'FSR_ERR_ALREADY_REGISTERED' }
  )
})

// P7
t.test('a path or a name that is taken fails at registration', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/a', ok, { name: 'first' })
  t.throws(() => app.socketRoute('/a', ok), { code: 'FSR_ERR_PATH_DUPLICATE', message: /'\/a'/ })
  t.throws(
    () => app.socketRoute('/a/', ok),
    {
      code: 'FSR_ERR_PATH_DUPLICATE',
      message: /at '\/a' already, which '\/a\/' cannot be told from/
    }
  )
  t.throws(
    () => app.socketRoute('/b', ok, { name: 'first' }),
    { code: 'FSR_ERR_NAME_DUPLICATE', message: /'first'/ }
  )
  app.socketRoute('/b', ok)
  app.socketRoute('/c/:x', ok)
  t.throws(
    () => app.socketRoute('/c/:y', ok),
    { code: 'FSR_ERR_PATH_DUPLICATE', message: /at '\/c\/:x' already, which '\/c\/:y'/ }
  )
  t.throws(() => app.socketRoute('/d', ok, { name: '/b' }), { code: 'FSR_ERR_NAME_DUPLICATE' })
  t.strictSame([...app.socketRoutes.keys()], ['first', '/b', '/c/:x'])
})

// P7
t.test('routes are looked up, listed, and turned into URLs by name', async (t) => {
  const app = await createApp(t)
  const chat = app.socketRoute('/chat/:room', ok, { name: 'chat' })
  await app.register(
    async (scope) => { scope.socketRoute('/files/:id?', ok, { name: 'files' }) },
    { prefix: '/v1' }
  )
  t.equal(app.socketRoutes.get('chat'), chat)
  t.strictSame([...app.socketRoutes.values()].map(({ name, path }) => [name, path]), [
    ['chat', '/chat/:room'],
    ['files', '/v1/files/:id?']
  ])
  const contract = app.socketRoute('/contract', { schema: { in: {} }, on: {} })
  t.strictSame(
    [...app.socketRoutes.values(), contract].map(({ hasContract }) => hasContract),
    [false, false, true, true]
  )
  t.equal(chat.url({ room: 'a b/c' }), '/chat/a%20b%2Fc')
  t.throws(() => chat.url(), { code: 'FSR_ERR_URL_PARAM_MISSING', message: /'room'/ })
  t.equal(app.socketRoutes.get('files')!.url(), '/v1/files')
  t.equal(app.socketRoutes.get('files')!.url({ id: 5 }), '/v1/files/5')
})

// P44
t.test('printSocketRoutes() lists path, name, roles and limits', async (t) => {
  const app = await createApp(t, { plugin: { isGranted: 'ROLE_USER' } })
  app.socketRoute('/chat/:room', ok, { name: 'chat', isGranted: ['ROLE_A', 'ROLE_B'] })
  app.socketRoute('/prices', ok, {
    isGranted: function isPaying () { return true },
    maxPayload: 100
  })
  app.socketRoute('/other', ok, () => true)
  const lines = app.printSocketRoutes().split('\n').map((line) => line.split(/ {2,}/))
  t.strictSame(lines.slice(0, 3), [
    ['path', 'name', 'granted to', 'limits'],
    [
      '/chat/:room',
      'chat',
      'ROLE_USER, and ROLE_A or ROLE_B',
      'messages 65536 B, outbox 1048576 B (close), concurrency 1'
    ],
    [
      '/prices',
      '/prices',
      'ROLE_USER, and isPaying',
      'messages 100 B, outbox 1048576 B (close), concurrency 1'
    ]
  ])
  t.equal(lines[3]![2], 'ROLE_USER, and a predicate')
  const open = await createApp(t)
  open.socketRoute('/', ok)
  t.match(open.printSocketRoutes(), /everyone/)
})

t.test('printSocketRoutes() lists the set limits and the grants of messages', async (t) => {
  const app = await createApp(t, { plugin: { connections: { perIp: 50 } } })
  const schema = {
    in: {
      say: {},
      ban: { isGranted: ['ROLE_ADMIN', 'ROLE_OWNER'] },
      mute: { isGranted: () => true }
    }
  }
  app.socketRoute('/chat', { schema, on: { say () {}, ban () {}, mute () {} } }, {
    isGranted: 'ROLE_USER',
    rate: { messages: 20, per: 2_000 },
    connections: { perRoute: 1_000, perUser: { max: 5, on: 'close-oldest' } },
    outbox: { overflow: { latestBy: () => 1 }, limit: 100_000 }
  })
  app.socketRoute('/other', ok, {
    isGranted: 'ROLE_USER',
    rate: { bytes: 10_000 },
    connections: { perUser: 3 },
    outbox: { overflow: 'drop-oldest' }
  })
  const [, ...lines] = app.printSocketRoutes().trimEnd().split('\n')
  t.strictSame(lines.map((line) => line.split(/ {2,}/).slice(2)), [
    [
      "ROLE_USER; 'ban' to ROLE_ADMIN or ROLE_OWNER; 'mute' to isGranted",
      'messages 65536 B, outbox 100000 B (latestBy), concurrency 1, connections 1000 per route, ' +
      'connections 5 per user (close-oldest), connections 50 per IP address, ' +
      'rate 20 messages per 2000 ms'
    ],
    [
      'ROLE_USER',
      'messages 65536 B, outbox 1048576 B (drop-oldest), concurrency 1, ' +
      'connections 3 per user, connections 50 per IP address, rate 10000 B per 1000 ms'
    ]
  ])
})

// P8
const controllers: Record<string, [unknown, RegExp]> = {
  undefined: [undefined, /is undefined/],
  null: [null, /is null/],
  'a string': ['chat', /is a string/],
  'a function': [() => {}, /is a function that is not a class/],
  'an empty object': [{}, /has no callback/],
  'an object without callbacks': [{ name: 'chat' }, /has no callback/],
  'an array': [[], /has no callback/],
  'a misspelt callback': [{ onMesage: () => {} }, /unknown callback 'onMesage'/],
  'a callback in another case': [
    { onmessage: () => {}, onOpen: () => {} },
    /unknown callback 'onmessage' \(is onMessage meant\?\)/
  ],
  'another framework\'s callback': [
    { onOpen: () => {}, onConnect: () => {} },
    /unknown callback 'onConnect' \(is onOpen meant\?\)/
  ],
  'a disconnect of another framework': [
    { onDisconnect: () => {} },
    /unknown callback 'onDisconnect' \(is onClose meant\?\)/
  ],
  'an object with the schema of a request': [
    { schema: { params: {} }, onMessage: () => {} },
    /has schema: \{ params \}, which belongs in the third argument of socketRoute/
  ],
  'a callback that is no function': [{ onOpen: 'hello' }, /has an onOpen that is not a function/],
  'a class without callbacks': [class {}, /has no callback/],
  'a class with an unknown callback': [
    class { onOpen () {} onConnect () {} },
    /unknown callback 'onConnect'/
  ]
}
for (const [what, [controller, message]] of Object.entries(controllers)) {
  t.test(`${what} as a controller fails at registration with the cure`, async (t) => {
    const app = await createApp(t)
    t.throws(
      () => app.socketRoute('/chat', controller as typeof ok),
      { code: 'FSR_ERR_CONTROLLER_INVALID', message }
    )
    t.throws(
      () => app.socketRoute('/chat', controller as typeof ok),
      { message: /onOpen, onMessage, onClose, onError/ }
    )
    t.equal(app.socketRoutes.size, 0)
  })
}

t.test('callbacks may be inherited, absent, or beside other properties', async (t) => {
  const app = await createApp(t)
  class Base { onOpen () {} }
  app.socketRoute('/inherited', class extends Base { online = 3 })
  app.socketRoute('/absent', { onOpen: () => {}, onMessage: undefined } as unknown as typeof ok)
  app.socketRoute('/other', { onOpen: () => {}, one: () => {}, store: new Map() } as typeof ok)
  t.equal(app.socketRoutes.size, 3)
})

t.test('a guard that would be ignored fails at registration', async (t) => {
  @SocketRoute({ path: '/admin', isGranted: 'ROLE_ADMIN' })
  class Admin { onOpen () {} }
  const app = await createApp(t)
  t.throws(
    () => app.socketRoute('/admin', Admin),
    { code: 'FSR_ERR_CONTROLLER_DECORATED', message: /Admin.*socketController/ }
  )
  const anonymous = [class { onOpen () {} }][0]!
  SocketRoute({ path: '/anonymous' })(anonymous)
  t.throws(
    () => app.socketRoute('/x', anonymous),
    { code: 'FSR_ERR_CONTROLLER_DECORATED', message: /This class/ }
  )
  t.throws(
    () => app.socketRoute('/a', { isGranted: 'ROLE_ADMIN', onOpen: () => {} } as typeof ok),
    { code: 'FSR_ERR_CONTROLLER_INVALID', message: /third argument/ }
  )
  t.throws(
    () => (app.socketRoute as (...all: unknown[]) => void)('/a', ok, { name: 'a' }, 'ROLE_ADMIN'),
    { code: 'FSR_ERR_OPTION_INVALID' }
  )
  t.throws(
    () => app.socketRoute('/a', ok, undefined as never),
    { code: 'FSR_ERR_GRANT_INVALID', message: /is undefined/ }
  )
  t.throws(
    () => app.socketRoute('/a', ok, { isGranted: undefined as never }),
    { code: 'FSR_ERR_GRANT_INVALID' }
  )
  t.equal(app.socketRoutes.size, 0)
})

const options: Record<string, [unknown, string]> = {
  'a name that is none': [{ name: 5 }, 'FSR_ERR_OPTION_INVALID'],
  'an empty name': [{ name: '' }, 'FSR_ERR_OPTION_INVALID'],
  'an unknown schema': [{ schema: { parms: {} } }, 'FSR_ERR_OPTION_INVALID'],
  'a schema that is none': [{ schema: 5 }, 'FSR_ERR_OPTION_INVALID'],
  'an unknown option': [{ maxPayLoad: 5 }, 'FSR_ERR_OPTION_INVALID'],
  'maxPayload 0': [{ maxPayload: 0 }, 'FSR_ERR_OPTION_INVALID'],
  'maxPayload above that of the plugin': [{ maxPayload: 65_537 }, 'FSR_ERR_OPTION_INVALID'],
  'maxPayload as a string': [{ maxPayload: '1kb' }, 'FSR_ERR_OPTION_INVALID'],
  'concurrency 1.5': [{ concurrency: 1.5 }, 'FSR_ERR_OPTION_INVALID'],
  'outbox as a number': [{ outbox: 5 }, 'FSR_ERR_OPTION_INVALID'],
  'an unknown option of outbox': [{ outbox: { limits: 5 } }, 'FSR_ERR_OPTION_INVALID'],
  'an unknown token source': [{ tokenFrom: ['body'] }, 'FSR_ERR_OPTION_INVALID'],
  'tokenFrom as a string': [{ tokenFrom: 'header' }, 'FSR_ERR_OPTION_INVALID'],
  'roles as a list': [{ roles: ['a'] }, 'FSR_ERR_OPTION_INVALID'],
  'an empty claim': [{ roles: '' }, 'FSR_ERR_OPTION_INVALID'],
  'roleHierarchy null': [{ roleHierarchy: null }, 'FSR_ERR_OPTION_INVALID'],
  'roleHierarchy without lists': [{ roleHierarchy: { a: 'b' } }, 'FSR_ERR_OPTION_INVALID'],
  'a cycle of roles': [{ roleHierarchy: { a: ['b'], b: ['c'], c: ['b'] } }, 'FSR_ERR_ROLE_CYCLE'],
  'protocols as a string': [{ protocols: 'chat' }, 'FSR_ERR_OPTION_INVALID'],
  'a sub-protocol with a space': [{ protocols: ['a b'] }, 'FSR_ERR_OPTION_INVALID'],
  'the sub-protocol bearer': [{ protocols: ['bearer'] }, 'FSR_ERR_OPTION_INVALID'],
  'an empty list of roles': [[], 'FSR_ERR_GRANT_INVALID'],
  'an empty role': ['', 'FSR_ERR_GRANT_INVALID'],
  'a role that is no string': [['a', 5], 'FSR_ERR_GRANT_INVALID'],
  'a boolean': [true, 'FSR_ERR_GRANT_INVALID'],
  'isGranted as an object': [{ isGranted: {} }, 'FSR_ERR_GRANT_INVALID'],
  null: [null, 'FSR_ERR_GRANT_INVALID'],
  'isGranted null': [{ isGranted: null }, 'FSR_ERR_GRANT_INVALID']
}
for (const [what, [third, code]] of Object.entries(options)) {
  t.test(`${what} as third argument fails with ${code}`, async (t) => {
    const app = await createApp(t)
    t.throws(() => app.socketRoute('/chat', ok, third as object), { code })
    app.socketRoute('/chat', ok)
    t.equal(app.socketRoutes.size, 1, 'and leaves nothing behind')
  })
}

t.test('an option of the whole plugin is told so where it is given to a route', async (t) => {
  const app = await createApp(t)
  t.throws(
    () => app.socketRoute('/', { onOpen () {} }, { handshakeTimeout: 5 } as object),
    { code: 'FSR_ERR_OPTION_INVALID', message: /give it to register/ }
  )
  t.throws(
    () => app.socketRoute('/', { onOpen () {} }, { heartBeat: 5 } as object),
    { code: 'FSR_ERR_OPTION_INVALID', message: /is unknown here/ }
  )
})

t.test('options of a route, and prefix, are rejected in the plugin and scopes', async (t) => {
  for (const given of [{ name: 'chat' }, { schema: {} }, { logLevel: 'warn' }]) {
    await t.rejects(
      async () => { await Fastify().register(socketRoutes, given as object) },
      { code: 'FSR_ERR_OPTION_INVALID', message: /give it to socketRoute\(\)/ }
    )
  }
  const app = await createApp(t)
  t.throws(
    () => app.socketScope({ name: 'chat' } as object),
    { message: /give it to socketRoute\(\)/ }
  )
  await t.rejects(
    async () => { await Fastify().register(socketRoutes, { prefix: '/ws' } as object) },
    { message: /register the routes in one, app\.register\(routes, \{ prefix \}\)/ }
  )
})

t.test('arguments in another order are told so', async (t) => {
  const app = await createApp(t)
  const swapped = app.socketRoute as unknown as (...all: unknown[]) => void
  t.throws(
    () => swapped.call(app, '/chat', 'ROLE_USER', ok),
    {
      code: 'FSR_ERR_OPTION_INVALID',
      message: /'onOpen' is a callback: the controller is the second argument/
    }
  )
  t.throws(
    () => swapped.call(app, '/chat', ['ROLE_USER']),
    {
      code: 'FSR_ERR_CONTROLLER_INVALID',
      message: /The controller, the second argument of socketRoute\(\)/
    }
  )
  t.throws(
    () => swapped.call(app, ok, '/chat'),
    { code: 'FSR_ERR_PATH_INVALID', message: /but this is of type object/ }
  )
})

const numbers: Array<[SocketPluginOptions | Record<string, unknown>, string]> = [
  [{ maxPayload: '16kb' }, "maxPayload is not a positive integer below 2^31 (bytes), but '16kb'"],
  [
    { closeTimeout: 0.5 },
    'closeTimeout is not a positive integer below 2^31 (milliseconds), but 0.5'
  ],
  [{ outboxBudget: null }, 'outboxBudget is not a positive integer below 2^31 (bytes), but null'],
  [
    { concurrency: 'correct horse battery staple' },
    'concurrency is not a positive integer below 2^31 (messages), but of type string'
  ],
  [
    { rate: { tolerance: '1234567890123' } },
    'rate.tolerance is not a positive integer below 2^31 (windows), but of type string'
  ],
  [
    { heartbeat: { interval: {} } },
    'heartbeat.interval is not a positive integer below 2^31 (milliseconds), but of type object'
  ],
  [{ heartbeat: true }, 'heartbeat is neither false nor { interval, timeout }'],
  [{ compression: 'yes' }, 'compression is neither true, false nor { threshold }'],
  [{ drain: 5 }, 'drain is not { deadline, batch, interval }']
]
for (const [given, text] of numbers) {
  t.test(`the text for ${JSON.stringify(given)} has the unit and no secret`, async (t) => {
    await t.rejects(
      async () => { await Fastify().register(socketRoutes, given as SocketPluginOptions) },
      { code: 'FSR_ERR_OPTION_INVALID', message: `Option ${text}` }
    )
  })
}

for (const given of [
  { drain: 5 },
  { drain: { deadline: -1 } },
  { drain: { wait: 1 } },
  { maxPayload: 2 ** 31 },
  { protocols: ['a'] },
  { limit: 1 },
  { prefix: '/ws' },
  { websocket: { maxPayload: 5 } },
  { websocket: { options: { maxPayload: 5 } } },
  { websocket: 5 },
  { websocket: { options: { maxFragments: 5 } } },
  { websocket: { options: { server: {} } } },
  { websocket: { options: { perMessageDeflate: true } } },
  { compression: 5 },
  { compression: { level: 9 } },
  { compression: { threshold: -1 } },
  { maxFragments: 0 },
  { maxFragments: '9' },
  { handshakeTimeout: 0 },
  { revocations: {} },
  { revocations: { revoke () {} } }
]) {
  t.test(`the plugin option ${JSON.stringify(given)} fails`, async (t) => {
    const app = Fastify()
    await t.rejects(
      async () => { await app.register(socketRoutes, given as SocketPluginOptions) },
      { code: 'FSR_ERR_OPTION_INVALID' }
    )
  })
}

t.test('a drain.deadline that pluginTimeout of Fastify would cut short is rejected', async (t) => {
  const app = Fastify({ pluginTimeout: 5_000 })
  await t.rejects(
    async () => { await app.register(socketRoutes) },
    { code: 'FSR_ERR_OPTION_INVALID', message: /pluginTimeout of Fastify \(5000\)/ }
  )
  await t.rejects(
    async () => { await Fastify().register(socketRoutes, { drain: { deadline: 10_000 } }) },
    { code: 'FSR_ERR_OPTION_INVALID' }
  )
  for (const pluginTimeout of [0, 60_001]) {
    const patient = Fastify({ pluginTimeout })
    t.teardown(() => patient.close())
    await patient.register(socketRoutes, { drain: { deadline: 60_000 } })
  }
})

t.test('an empty drain option is the default', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(socketRoutes, { drain: {} })
})

t.test('the cycle of roles is spelled out', async (t) => {
  const app = await createApp(t)
  t.throws(
    () => app.socketRoute('/', ok, { roleHierarchy: { a: ['b'], b: ['c'], c: ['b'] } }),
    { message: /b → c → b/ }
  )
})

for (const path of ['chat', '', 5, null, undefined]) {
  t.test(`the path ${JSON.stringify(path)} fails`, async (t) => {
    const app = await createApp(t)
    t.throws(() => app.socketRoute(path as string, ok), { code: 'FSR_ERR_PATH_INVALID' })
  })
}

t.test('a guarded route without @fastify/jwt fails when the app gets ready', async (t) => {
  const app = await createApp(t, { jwt: false })
  app.socketRoute('/chat', ok, 'ROLE_USER')
  await t.rejects(
    async () => { await app.ready() },
    { code: 'FSR_ERR_JWT_MISSING', message: /'\/chat'.*@fastify\/jwt/ }
  )

  const late = await createApp(t, { jwt: false })
  late.socketRoute('/chat', { onOpen: () => 'in' }, 'ROLE_USER')
  const { default: jwt } = await import('@fastify/jwt')
  await late.register(jwt, { secret: 'a secret that comes late, but not too late' })
  const url = await listen(late)
  t.equal(await (await connect(url + '/chat', ['bearer', tokenOf(late)])).next(), 'in')
})

t.test('options of a scope hold for its routes, and must come before them', async (t) => {
  const app = await createApp(t)
  await app.register(async (scope) => {
    scope.socketScope({ maxPayload: 100 })
    scope.socketRoute('/a', ok)
    t.throws(() => scope.socketScope({ maxPayload: 50 }), { code: 'FSR_ERR_SCOPE_TOO_LATE' })
    await scope.register(async (inner) => {
      inner.socketScope({ maxPayload: 50 })
      inner.socketRoute('/b', ok)
      t.throws(
        () => inner.socketRoute('/c', ok, { maxPayload: 51 }),
        { code: 'FSR_ERR_OPTION_INVALID' }
      )
    })
  })
  t.match(app.printSocketRoutes(), /\/a .*messages 100 B[^]*\/b .*messages 50 B/)
  t.throws(() => app.socketScope({ isGranted: 'ROLE_USER' }), { code: 'FSR_ERR_SCOPE_TOO_LATE' })
  const other = await createApp(t)
  t.throws(() => other.socketScope({ name: 'x' } as object), { code: 'FSR_ERR_OPTION_INVALID' })
})

// P10
t.test('a decorated class is registered with one call', async (t) => {
  @SocketRoute({ path: '/greet/:name', name: 'greet', isGranted: ['ROLE_USER'] })
  class Greeter {
    onOpen (connection: { params: { name: string } }) { return `hello ${connection.params.name}` }
  }
  class Heir extends Greeter {}
  const app = await createApp(t)
  const route = app.socketController(Greeter)
  t.equal(route.name, 'greet')
  t.throws(
    () => app.socketController(Heir),
    { code: 'FSR_ERR_PATH_DUPLICATE' },
    'a subclass has the path of its parent'
  )
  t.throws(() => app.socketController(new Greeter()), { code: 'FSR_ERR_PATH_DUPLICATE' })
  t.throws(
    () => app.socketController(new (class Plain { onOpen () {} })()),
    { code: 'FSR_ERR_CONTROLLER_UNDECORATED' }
  )
  t.throws(
    () => app.socketController(class Plain { onOpen () {} }),
    { code: 'FSR_ERR_CONTROLLER_UNDECORATED', message: /Plain/ }
  )
  t.throws(
    () => app.socketController(class {} as never),
    { code: 'FSR_ERR_CONTROLLER_UNDECORATED' }
  )
  t.throws(
    () => { SocketRoute({} as never)(class { onOpen () {} }) },
    { code: 'FSR_ERR_PATH_INVALID', message: /but this is undefined/ },
    'a path is missed at once'
  )
  const url = await listen(app)
  t.equal(
    await (await connect(url + route.url({ name: 'bob' }), ['bearer', tokenOf(app)])).next(),
    'hello bob'
  )
})
