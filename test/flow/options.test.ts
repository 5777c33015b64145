import Fastify from 'fastify'
import t from 'tap'
import socketRoutes, { type SocketRouteOptions } from '../../src/index.js'
import asyncapi from '../../src/operate/asyncapi/plugin.js'
import ui from '../../src/operate/ui/ui.js'
import { connectAs, refusal } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'

const ok = { onOpen: () => 'in' }
const register = async (given: object) => { await Fastify().register(socketRoutes, given) }

const ofGuards: Record<string, SocketRouteOptions> = {
  roles: { roles: 'ROLE_ADMIN' },
  'roles as a function': { roles: () => ['ROLE_ADMIN'] },
  roleHierarchy: { roleHierarchy: { ROLE_ROOT: ['ROLE_ADMIN'] } },
  tokenFrom: { tokenFrom: ['header'] },
  'tokenFrom: []': { tokenFrom: [] },
  requireExpiry: { requireExpiry: true },
  'requireExpiry: false': { requireExpiry: false },
  subject: { subject: 'email' },
  jwt: { jwt: 'access' },
  'connections.perUser': { connections: { perUser: 1 } },
  'connections.perUser as an object': { connections: { perRoute: 5, perUser: { max: 1 } } }
}
for (const [what, given] of Object.entries(ofGuards)) {
  t.test(`${what} on a route without a guard fails at registration`, async (t) => {
    const app = await createApp(t)
    const message = new RegExp(
      `^Option ${what.split(/[ :]/)[0]!} has no effect on '/admin'.*isGranted`
    )
    t.throws(
      () => app.socketRoute('/admin', ok, given),
      { code: 'FSR_ERR_OPTION_INVALID', message }
    )
    t.equal(app.socketRoutes.size, 0)
    await app.register(async (scope) => {
      scope.socketScope({ isGranted: 'ROLE_ADMIN' })
      t.doesNotThrow(() => scope.socketRoute('/admin', ok, given), 'the guard of a scope is one')
    })
    t.doesNotThrow(
      () => app.socketRoute('/own', ok, { ...given, isGranted: () => true }),
      'a predicate is one'
    )
  })
}

for (const [name, given] of Object.entries<SocketRouteOptions>({
  refusals: { refusals: { max: 5 } },
  'refusals: false': { refusals: false },
  invalidMessages: { invalidMessages: 'close' },
  streamsPerConnection: { streamsPerConnection: 5 }
})) {
  t.test(`${name} on a route without a contract fails at registration`, async (t) => {
    const app = await createApp(t, { plugin: given })
    app.socketScope(given)
    const message = new RegExp(
      `^Option ${name.split(':')[0]!} has no effect on '/plain', which has no contract: leave it out`
    )
    for (const guard of [{}, { isGranted: 'ROLE_USER' }]) {
      t.throws(
        () => app.socketRoute('/plain', ok, { ...given, ...guard }),
        { code: 'FSR_ERR_OPTION_INVALID', message }
      )
    }
    app.socketRoute('/contract', { schema: {}, on: {} }, given)
    app.socketRoute('/plain', ok)
    t.equal(app.socketRoutes.size, 2, 'for the plugin and for scopes it is a default')
  })
}

t.test('outbox.notice fails on a route that drops no message', async (t) => {
  const notice = () => 'missed'
  const app = await createApp(t, { plugin: { outbox: { notice } } })
  const message = /^Option outbox.notice has no effect on '\/', .* set outbox.overflow/
  for (const given of [{ notice }, { notice, overflow: 'close' }] as const) {
    t.throws(
      () => app.socketRoute('/', ok, { outbox: given }),
      { code: 'FSR_ERR_OPTION_INVALID', message }
    )
  }
  app.socketRoute('/default', ok)
  app.socketRoute('/drops', ok, { outbox: { notice, overflow: 'drop-oldest' } })
  await app.register(async (scope) => {
    scope.socketScope({ outbox: { overflow: 'drop-newest' } })
    scope.socketRoute('/scope', ok, { outbox: { notice } })
  })
  t.equal(app.socketRoutes.size, 3)
})

t.test('limits that are undefined as a whole are not set', async (t) => {
  const app = await createApp(t, { plugin: { rate: undefined, connections: undefined } })
  app.socketRoute('/', ok, { rate: undefined, connections: undefined, outbox: undefined })
  t.equal(app.socketRoutes.size, 1)
})

t.test('a list of roles as roles fails at registration, which names isGranted', async (t) => {
  const app = await createApp(t)
  t.throws(
    () => app.socketRoute('/admin', ok, { roles: ['ROLE_ADMIN'] as never }),
    { code: 'FSR_ERR_OPTION_INVALID', message: /said by isGranted/ }
  )
})

t.test('for the plugin and for scopes they are defaults', async (t) => {
  const all = {
    roles: 'groups',
    roleHierarchy: {},
    tokenFrom: ['header'],
    requireExpiry: false,
    connections: { perUser: 1 }
  } as const
  const app = await createApp(t, { plugin: all })
  app.socketScope(all)
  app.socketRoute('/open', ok)
  app.socketRoute('/also', ok, {
    roles: undefined,
    roleHierarchy: undefined,
    tokenFrom: undefined,
    requireExpiry: undefined,
    connections: { perUser: undefined, perIp: 5 }
  })
  app.socketRoute('/guarded', ok, 'ROLE_USER')
  t.equal((await refusal(`${await listen(app)}/guarded`)).status, 401)
})

t.test('roles of a scope without a guarded route fail when the app is ready', async (t) => {
  const message = (name: string) => new RegExp(
    `^Option ${name} has no effect in a scope .*isGranted`
  )
  for (const [name, given] of Object.entries({
    roles: { roles: 'ROLE_ADMIN' },
    roleHierarchy: { roleHierarchy: { ROLE_ROOT: ['ROLE_ADMIN'] } }
  })) {
    const app = await createApp(t)
    // A guarded route elsewhere makes no difference.
    app.socketRoute('/guarded', ok, 'ROLE_USER')
    await app.register(async (scope) => {
      scope.socketScope(given)
      scope.socketRoute('/admin', ok)
    })
    await t.rejects(
      async () => { await app.ready() },
      { code: 'FSR_ERR_OPTION_INVALID', message: message(name) },
      name
    )
  }
  const app = await createApp(t)
  await app.register(async (scope) => {
    scope.socketScope({ roles: 'groups' })
    scope.socketRoute('/open', ok)
    await scope.register(async (inner) => { inner.socketRoute('/guarded', ok, 'ROLE_USER') })
  })
  await app.register(async (scope) => {
    scope.socketScope({ roles: 'groups', tokenFrom: [] })
    scope.socketRoute('/contract', {
      schema: { in: { ban: { data: {}, isGranted: 'ROLE_ADMIN' } } },
      on: { ban () {} }
    })
  })
  await app.register(async (scope) => { scope.socketScope({ roles: 'groups' }) })
  await t.resolves(
    async () => { await app.ready() },
    'where one asks for roles, of an inner scope too, or there is no route at all'
  )
})

t.test('roles for a message fail on a route that no user can have', async (t) => {
  const contract = (isGranted: unknown): object =>
    ({ schema: { in: { hear: {}, ban: { isGranted } } }, on: { hear () {}, ban () {} } })
  const app = await createApp(t)
  for (const isGranted of ['ROLE_ADMIN', ['ROLE_ADMIN', 'ROLE_OWNER']]) {
    const error = {
      code: 'FSR_ERR_CONTRACT_INVALID',
      message: new RegExp("^The contract of '/open' has roles in isGranted of the message 'ban', " +
        'which would refuse every client: .* no guard, .* Set isGranted of the route too, or ' +
        'tokenFrom: \\[\\] if a hook')
    }
    t.throws(() => app.socketRoute('/open', contract(isGranted)), error)
    t.throws(
      () => app.socketRoute('/open', contract(isGranted), { tokenFrom: ['header'] }),
      { message: /^Option tokenFrom has no effect/ }
    )
  }
  app.socketRoute('/guarded', contract('ROLE_ADMIN'), { isGranted: () => true })
  app.socketRoute('/predicate', contract(() => true))
  app.socketRoute('/of-hooks', contract('ROLE_ADMIN'), { tokenFrom: [] })
  await app.register(async (scope) => {
    scope.socketScope({ isGranted: 'ROLE_USER' })
    scope.socketRoute('/scope', contract('ROLE_ADMIN'))
  })
  await app.register(async (scope) => {
    scope.socketScope({ tokenFrom: [] })
    scope.socketRoute('/scope-of-hooks', contract('ROLE_ADMIN'))
  })
  t.equal(app.socketRoutes.size, 5)
})

t.test('where the messages of a contract are guarded by roles, these have an effect', async (t) => {
  const app = await createApp(t)
  const contract = (isGranted?: object) =>
    ({ schema: { in: { ban: { data: {}, ...isGranted } } }, on: { ban () {} } }) as const
  const roles = {
    roles: 'groups',
    roleHierarchy: { ROLE_ROOT: ['ROLE_ADMIN'] },
    tokenFrom: []
  } as const
  t.doesNotThrow(() => app.socketRoute('/guarded', contract({ isGranted: 'ROLE_ADMIN' }), roles))
  for (const grant of [undefined, { isGranted: () => true }]) {
    t.throws(
      () => app.socketRoute('/open', contract(grant), roles),
      { code: 'FSR_ERR_OPTION_INVALID', message: /^Option roles has no effect/ }
    )
  }
  t.throws(
    () => app.socketRoute('/other', contract({ isGranted: 'ROLE_ADMIN' }), { requireExpiry: true }),
    { code: 'FSR_ERR_OPTION_INVALID' }
  )
})

for (const hook of ['onRequest', 'preValidation', 'preHandler', 'preMessage'] as const) {
  t.test(`${hook}: undefined fails at registration, as a hook may be missing`, async (t) => {
    const app = await createApp(t)
    const { authenticate } = app as unknown as { authenticate: never }
    t.throws(
      () => app.socketRoute('/admin', ok, { [hook]: authenticate }),
      { code: 'FSR_ERR_OPTION_INVALID', message: new RegExp(`^Option ${hook} is undefined`) }
    )
    for (const given of [null, [undefined], [null], 5]) {
      t.throws(
        () => app.socketRoute('/admin', ok, { [hook]: given as never }),
        JSON.stringify(given)
      )
    }
  })
}

const nothing: Array<[given: object, message: RegExp]> = [
  [{ connections: {} }, /^Option connections limits nothing: set perRoute, perUser or perIp/],
  [{ connections: { perIp: undefined, perRoute: undefined } }, /^Option connections limits nothing/],
  [{ rate: {} }, /^Option rate limits nothing: set messages, bytes or both/],
  [{ rate: { per: 5, tolerance: 1 } }, /limits nothing/],
  [{ rate: { messages: undefined } }, /limits nothing/],
  [{ rate: { messages: Number.NaN } }, /rate.messages is not a positive integer/],
  [{ connections: { perIp: Number.NaN } }, /connections.perIp is not a positive integer/],
  [
    { connections: { perUser: { max: Number.NaN } } },
    /connections.perUser is not a positive integer/
  ],
  [{ connections: { perRoute: null } }, /connections.perRoute/],
  [{ tokenFrom: null }, /tokenFrom/],
  [{ roles: null }, /roles/],
  [{ requireExpiry: null }, /requireExpiry/],
  [{ requireExpiry: 'true' }, /requireExpiry/],
  [{ origins: null }, /origins/],
  [{ origins: [] }, /origins/],
  [{ origins: [undefined] }, /origins/],
  [{ heartbeat: null }, /heartbeat/]
]
for (const [given, message] of nothing) {
  t.test(`${JSON.stringify(given)} fails, as it protects from nothing`, async (t) => {
    await t.rejects(register(given), { code: 'FSR_ERR_OPTION_INVALID', message })
    const app = await createApp(t)
    t.throws(() => app.socketRoute('/', ok, given), { code: 'FSR_ERR_OPTION_INVALID', message })
    t.throws(() => app.socketScope(given), { code: 'FSR_ERR_OPTION_INVALID', message })
  })
}

t.test('a rate of a route takes its limit from the plugin', async (t) => {
  const app = await createApp(t, { plugin: { rate: { messages: 5 } } })
  t.doesNotThrow(() => app.socketRoute('/', ok, { rate: { per: 100 } }))
})

t.test('constraints that are none fail', async (t) => {
  const app = await createApp(t)
  for (const constraints of [null, 'x.example', [], 5]) {
    t.throws(
      () => app.socketRoute('/', ok, { constraints: constraints as never }),
      { code: 'FSR_ERR_OPTION_INVALID', message: /constraints/ },
      JSON.stringify(constraints)
    )
  }
})

t.test('a contract among the options is told that it belongs on the controller', async (t) => {
  const app = await createApp(t)
  for (const schema of [{ in: {} }, { out: {} }]) {
    t.throws(
      () => app.socketRoute('/', ok, { schema } as object),
      {
        code: 'FSR_ERR_OPTION_INVALID',
        message: /^Option schema is a contract, .* belongs on the controller/
      }
    )
  }
})

t.test('a route that would raise maxPayload is told where to', async (t) => {
  const app = await createApp(t)
  t.throws(
    () => app.socketRoute('/', ok, { maxPayload: 1_000_000 }),
    {
      code: 'FSR_ERR_OPTION_INVALID',
      message: /more than the 65536 bytes.*register\(socketRoutes, \{ maxPayload: 1000000 \}\)/
    }
  )
})

const misspelt: Array<[given: object, meant: string]> = [
  [{ origin: '*' }, 'origins'], [
    { isgranted: 'x' },
    'isGranted'
  ], [{ granted: 'x' }, 'isGranted'], [{ maxPayLoad: 5 }, 'maxPayload'],
  [
    { heartBeat: false },
    'heartbeat'
  ], [
    { allowedOrigins: [] },
    'origins'
  ], [{ tokensFrom: [] }, 'tokenFrom'], [{ conections: {} }, 'connections'],
  [{ heartbeat: { intervall: 5 } }, 'interval'], [{ connections: { perip: 1 } }, 'perIp'], [
    { connections: { perUser: { max: 1, On: 'refuse' } } },
    'on'
  ],
  [{ rate: { message: 5 } }, 'messages'], [{ outbox: { limits: 5 } }, 'limit'], [
    { outbox: { overflow: { latestby: 5 } } },
    'latestBy'
  ],
  [
    { preMesage: () => {} },
    'preMessage'
  ], [{ payload: 5 }, 'maxPayload'], [{ rateLimit: {} }, 'rate'], [
    { rooms: 5 },
    'roomsPerConnection'
  ], [
    { stream: 5 },
    'streamsPerConnection'
  ]
]
for (const [given, meant] of misspelt) {
  t.test(`${JSON.stringify(given)} is told what was meant, wherever it is given`, async (t) => {
    const wanted = {
      code: 'FSR_ERR_OPTION_INVALID',
      message: new RegExp(`did you mean ${meant}\\? (?:There are|It is) `)
    }
    await t.rejects(register(given), wanted)
    const app = await createApp(t)
    t.throws(() => app.socketRoute('/', ok, given), wanted)
    t.throws(() => app.socketScope(given), wanted)
  })
}

t.test('so are options of the plugin alone, of a route alone, and of calls', async (t) => {
  const meant = (name: string) => ({
    code: 'FSR_ERR_OPTION_INVALID',
    message: new RegExp(`did you mean ${name}\\?`)
  })
  for (const [given, name] of [
    [{ role: 'ROLE_USER' }, 'isGranted'],
    [{ drains: {} }, 'drain'],
    [{ drain: { deadlin: 5 } }, 'deadline'],
    [{ tickets: { tll: 5 } }, 'ttl'],
    [{ compression: { treshold: 5 } }, 'threshold'],
    [{ websocket: { option: {} } }, 'options'],
    [{ fastpath: true }, 'fastPath']
  ] as const) {
    await t.rejects(register(given), meant(name))
  }
  const app = await createApp(t)
  for (const [given, name] of [
    [{ schemas: {} }, 'schema'],
    [{ schema: { param: {} } }, 'params'],
    [{ schema: { queryString: {} } }, 'querystring'],
    [{ protocol: [] }, 'protocols'],
    [{ onrequest: () => {} }, 'onRequest'],
    [{ constraint: {} }, 'constraints']
  ] as const) {
    t.throws(() => app.socketRoute('/', ok, given as object), meant(name))
  }
  await t.rejects(app.socketRevoke({ sub: 'alice', untill: 5 } as never), meant('until'))
  await t.rejects(
    async () => {
      await app.register(asyncapi, { info: { title: 'x', version: '1' }, exposed: true } as never)
    },
    meant('expose')
  )
  await t.rejects(
    async () => { await (await createApp(t)).register(ui, { titel: 'x' } as never) },
    meant('title')
  )
})

t.test('an unknown option without a similar name is rejected with the list of names', async (t) => {
  const app = await createApp(t)
  for (const name of [
    'x', 'hostname', 'separate', 'pathname', 'toString', 'constructor', 'adapter'
  ]) {
    t.throws(
      () => app.socketRoute('/', ok, { [name]: 5 }),
      { message: /is unknown here; there are roles, / },
      name
    )
  }
})

const ofOthers: Array<[names: readonly string[], told: RegExp]> = [
  [['path'], /the path is the first argument of socketRoute\(\)/],
  [['cors'], /did you mean origins\?/],
  [
    ['guard', 'guards', 'useGuards', 'auth', 'allowRequest', 'verifyClient'],
    /did you mean isGranted/
  ],
  [['pingInterval', 'heartbeatInterval'], /did you mean heartbeat: \{ interval \}\?/],
  [['pingTimeout', 'heartbeatTimeout'], /did you mean heartbeat: \{ timeout \}\?/],
  [['maxHttpBufferSize'], /did you mean maxPayload\?/],
  [['perMessageDeflate'], /did you mean compression\?/],
  [['connectTimeout'], /did you mean handshakeTimeout\?/],
  [['handleProtocols', 'subprotocols'], /did you mean protocols\?/],
  [['namespace'], /is a path here, .* jwt: \{ namespace \}/],
  [['server', 'noServer'], /sockets use the server of Fastify, leave it out/],
  [['transports', 'allowUpgrades'], /WebSocket is the only transport, leave it out/],
  [['connectionStateRecovery'], /no state is kept for a disconnected client, leave it out/],
  [['allowEIO3'], /Engine\.IO is not supported/],
  [['clientTracking'], /clients are always tracked/],
  [['host', 'port', 'backlog'], /of app\.listen\(\)\?/],
  [
    ['verifyClient', 'WebSocket', 'autoPong', 'allowSynchronousEvents', 'skipUTF8Validation'],
    /it is an option of ws: register\(socketRoutes, \{ websocket: \{ options: \{ \w+ \} \} \}\)/
  ],
  [
    ['options', 'errorHandler', 'preClose'],
    /it is an option of @fastify\/websocket: register\(socketRoutes, \{ websocket: \{ \w+ \} \}\)/
  ],
  [['wsHandler', 'handler'], /the controller is the second argument/]
]
for (const [names, told] of ofOthers) {
  t.test(`${names.join(', ')}: an option of another library names ours`, async (t) => {
    for (const name of names) {
      const app = await createApp(t)
      const wanted = {
        code: 'FSR_ERR_OPTION_INVALID',
        message: new RegExp(`^Option '${name}' is unknown here: .*${told.source}`)
      }
      await t.rejects(register({ [name]: 5 }), wanted)
      t.throws(() => app.socketRoute('/', ok, { [name]: 5 }), wanted)
      t.throws(() => app.socketScope({ [name]: 5 } as object), wanted)
    }
  })
}

t.test('websocket: true of a route says what each socket route is', async (t) => {
  const app = await createApp(t)
  t.throws(
    () => app.socketRoute('/', ok, { websocket: true } as object),
    { code: 'FSR_ERR_OPTION_INVALID', message: /each socketRoute\(\) is one, leave it out/ }
  )
})

t.test('a part of an option that is given as an option is told where it belongs', async (t) => {
  for (const [name, whole] of Object.entries({
    perUser: 'connections',
    messages: 'rate',
    tolerance: 'rate',
    limit: 'outbox',
    overflow: 'outbox',
    interval: 'heartbeat',
    deadline: 'drain',
    ttl: 'tickets'
  })) {
    await t.rejects(register({ [name]: 1 }), {
      message: `Option '${name}' belongs to ${whole}: { ${whole}: { ${name} } }`
    })
  }
})

t.test('a guarded route with all of them works', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', ok, {
    isGranted: 'ROLE_USER',
    roles: 'groups',
    roleHierarchy: { ROLE_ADMIN: ['ROLE_USER'] },
    tokenFrom: ['header'],
    requireExpiry: true,
    connections: { perUser: 1 }
  })
  t.equal(
    await (await connectAs(
      tokenOf(app, [], { groups: ['ROLE_ADMIN'], exp: 4_102_444_800 }),
      await listen(app)
    )).next(),
    'in'
  )
})
