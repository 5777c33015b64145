import fastifyWebsocket from '@fastify/websocket'
import Fastify, {
  type FastifyInstance,
  type FastifyServerOptions,
  type RouteOptions
} from 'fastify'
import t from 'tap'
import socketRoutes from '../../src/index.js'
import { optionsLike } from '../../src/route/path-equivalence.js'
import { connect, connectAs, refusal } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'

type RouterOptions = NonNullable<FastifyServerOptions['routerOptions']>
type Constraints = NonNullable<RouteOptions['constraints']>
const guarded = { onOpen: () => 'guarded' }
const open = { onOpen: () => 'open' }

// By a header of that name.
const tenant = (name = 'tenant') => ({
  name,
  storage: () => {
    const all = new Map()
    return {
      get: (key: unknown) => all.get(key) ?? null,
      set: (key: unknown, value: unknown) => { all.set(key, value) }
    }
  },
  deriveConstraint: (request: { headers: Record<string, unknown> }) => request.headers[name],
  validate: () => {}
}) as never
const routers: Record<string, RouterOptions> = {
  'by default': {},
  'caseSensitive: false': { caseSensitive: false },
  ignoreDuplicateSlashes: { ignoreDuplicateSlashes: true },
  ignoreTrailingSlash: { ignoreTrailingSlash: true },
  'all of them': {
    caseSensitive: false,
    ignoreDuplicateSlashes: true,
    ignoreTrailingSlash: true,
    allowUnsafeRegex: true,
    useSemicolonDelimiter: true,
    maxParamLength: 10
  } as RouterOptions
}

// Pairs that are one path for the router, and where; the others are two paths.
type Where = 'everywhere' | 'nowhere' | Array<keyof RouterOptions>
const pairs: Array<[one: string, other: string, where: Where]> = [
  ['/admin', '/admin', 'everywhere'],
  ['/admin', '/admin/', 'everywhere'],
  ['/a/:x', '/a/:y', 'everywhere'],
  ['/a/:x', '/a/:y?', 'everywhere'],
  ['/a', '/a/:y?', 'everywhere'],
  ['/:x?', '/', 'everywhere'],
  ['/:a-:b', '/:c-:d', 'everywhere'],
  ['/:x.png', '/:y.png', 'everywhere'],
  ['/a/:x(^\\d+$)', '/a/:y(^\\d+$)', 'everywhere'],
  ['/a/:x((a|(b)))', '/a/:y((a|(b)))', 'everywhere'],
  ['/*', '/*', 'everywhere'],
  ['/admin', '/Admin', ['caseSensitive']],
  ['/a/:x/B', '/A/:y/b', ['caseSensitive']],
  ['/:x.PNG', '/:y.png', ['caseSensitive']],
  ['/a/admin', '/a//admin', ['ignoreDuplicateSlashes']],
  ['/admin', '//admin', ['ignoreDuplicateSlashes']],
  ['/A/admin', '/a//Admin/', ['caseSensitive', 'ignoreDuplicateSlashes']],
  ['/admin', '/admins', 'nowhere'],
  ['/a/:x', '/a/b', 'nowhere'],
  ['/a/:x', '/a/*', 'nowhere'],
  ['/a/:x', '/a/:x/:y', 'nowhere'],
  ['/a/:x', '/a/:x(^\\d+$)', 'nowhere'],
  ['/café', '/caf%C3%A9', 'nowhere'],
  ['/a::b', '/a:b', 'nowhere']
]
for (const [what, routerOptions] of Object.entries(routers)) {
  t.test(`two socket routes with one path for the router fail, ${what}`, async (t) => {
    const app = await createApp(t, { fastify: { routerOptions } })
    let count = 0
    const inScope = async (
      first: string,
      add: (scope: FastifyInstance, name: string) => void,
      isSame: boolean,
      message: string
    ) => {
      await app.register(async (scope) => {
        scope.socketRoute(first, guarded, { isGranted: 'ROLE_ADMIN', name: `first ${count}` })
        if (isSame) {
          t.throws(
            () => { add(scope, `second ${count}`) },
            { code: 'FSR_ERR_PATH_DUPLICATE' },
            message
          )
        } else t.doesNotThrow(() => { add(scope, `second ${count}`) }, message)
      }, { prefix: `/${count++}` })
    }
    for (const [one, other, where] of pairs) {
      const isSame = where === 'everywhere' ||
        (where !== 'nowhere' &&
          where.every((option) => routerOptions[option] === (option !== 'caseSensitive')))
      await inScope(
        one,
        (scope, name) => { scope.socketRoute(other, open, { name }) },
        isSame,
        `${one} ${other}`
      )
      await inScope(
        other,
        (scope, name) => { scope.socketRoute(one, open, { name }) },
        isSame,
        `${other} ${one}`
      )
      await inScope(
        one,
        (scope) => { scope.get(other, { websocket: true }, () => {}) },
        isSame,
        `${one}, bare ${other}`
      )
    }
  })
}

t.test('options of the router count among the options of Fastify too', async (t) => {
  const app = await createApp(t, { fastify: { caseSensitive: false } as FastifyServerOptions })
  app.socketRoute('/admin', guarded, 'ROLE_ADMIN')
  t.throws(() => app.socketRoute('/Admin', open), { code: 'FSR_ERR_PATH_DUPLICATE' })
})

t.test("the router's options are read from where this version of Fastify has them", async (t) => {
  const usual = {
    ignoreDuplicateSlashes: false,
    ignoreTrailingSlash: false,
    allowUnsafeRegex: false
  }
  const options = { caseSensitive: false, ...usual }
  for (const version of ['5.0.0', '5.4.1']) {
    t.strictSame(
      optionsLike({ initialConfig: { caseSensitive: false }, version }),
      options,
      version
    )
  }
  for (const version of ['5.5.0', '5.12.8']) {
    t.strictSame(
      optionsLike({ initialConfig: { routerOptions: { caseSensitive: false } }, version }),
      { routerOptions: options },
      version
    )
  }
})

t.test('two scopes cannot have a socket route with one path, for all slashes', async (t) => {
  for (const [one, path, other, otherPath] of [
    ['/v1', '/admin', '', '/v1/admin'],
    ['/v1/', '/admin', '/v1', '/admin'],
    ['/v1', '/', '', '/v1'],
    ['/v1', '', '', '/v1/'],
    ['/v1/', '/', '', '/v1/']
  ] as const) {
    const app = await createApp(t)
    await app.register(
      async (scope) => { scope.socketRoute(path, guarded, 'ROLE_ADMIN') },
      { prefix: one }
    )
    await t.rejects(
      async () => {
        await app.register(
          async (scope) => { scope.socketRoute(otherPath, open, { name: 'other' }) },
          { prefix: other }
        )
      },
      { code: 'FSR_ERR_PATH_DUPLICATE' },
      `${one}${path} ${other}${otherPath}`
    )
  }
})

const [host, pattern, other] = ['x.example', /^\w\.example$/, /example/]
const constrained: Array<[one: Constraints, other: Constraints, code: undefined | string]> = [
  [{ host, version: '1.0.0' }, { version: '1.0.0', host }, 'FSR_ERR_PATH_DUPLICATE'],
  [{ version: '1.0.0' }, { version: '1' }, 'FSR_ERR_PATH_DUPLICATE'],
  [{ version: '1.2.0' }, { version: '1.2' }, 'FSR_ERR_PATH_DUPLICATE'],
  [{ host: pattern }, { host: /^\w\.example$/ }, 'FSR_ERR_PATH_DUPLICATE'],
  [{ host: pattern }, { host: other }, 'FSR_ERR_PATH_AMBIGUOUS'],
  [
    { host: pattern, version: '1.0.0' },
    { host: pattern, version: '2.0.0' },
    'FSR_ERR_PATH_AMBIGUOUS'
  ],
  [{ host }, { tenant: 'a' } as Constraints, 'FSR_ERR_PATH_DUPLICATE'],
  [{ tenant: 'a' } as Constraints, { tenant: 'a' } as Constraints, 'FSR_ERR_PATH_DUPLICATE'],
  [{ tenant: 'a' } as Constraints, { tenant: 'b' } as Constraints, undefined],
  [{ host }, { host: 'y.example' }, undefined],
  [{ host }, { host: pattern }, undefined],
  [{ host }, {}, undefined],
  [{ version: '1.0.0' }, { version: '1.0.1' }, undefined],
  [{ host, tenant: 'a' } as Constraints, { host }, undefined]
]
for (const [index, [one, other, code]] of constrained.entries()) {
  t.test(`two socket routes with constraints: ${code ?? 'both work'} (${index})`, async (t) => {
    for (const [first, second] of [[one, other], [other, one]] as const) {
      const app = await createApp(t, {
        fastify: { routerOptions: { constraints: { tenant: tenant() } } }
      })
      app.socketRoute('/admin', guarded, {
        isGranted: 'ROLE_ADMIN',
        name: 'first',
        constraints: first
      })
      const again = () => app.socketRoute('/admin', open, { name: 'second', constraints: second })
      if (code === undefined) t.doesNotThrow(again)
      else t.throws(again, { code })
    }
  })
}

t.test('the socket route with more constraints gets the requests that meet both', async (t) => {
  for (const isFirst of [true, false]) {
    const app = await createApp(t)
    const specific = () => app.socketRoute('/', guarded, {
      isGranted: 'ROLE_USER',
      name: 'guarded',
      constraints: { host }
    })
    const general = () => app.socketRoute('/', open, { name: 'open' })
    if (isFirst) { specific(); general() } else { general(); specific() }
    const url = await listen(app)
    t.equal((await refusal(url, [], { headers: { host } })).status, 401)
    t.equal(await (await connect(url, [], { headers: { host: 'y.example' } })).next(), 'open')
  }
})

t.test('an open route does not get the requests of a guarded one because of REST', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', guarded, { isGranted: 'ROLE_USER', name: 'guarded', constraints: { host } })
  app.get('/', async () => 'rest')
  t.throws(
    () => app.socketRoute('/', open),
    { code: 'FSR_ERR_PATH_AMBIGUOUS', message: /Register '\/' before '\/'/ }
  )
  const first = await createApp(t)
  first.socketRoute('/', open)
  first.socketRoute('/', guarded, {
    isGranted: 'ROLE_USER',
    name: 'guarded',
    constraints: { host }
  })
  first.get('/', async () => 'rest')
  const url = await listen(first)
  t.equal((await refusal(url, [], { headers: { host } })).status, 401)
  t.equal(await (await connect(url)).next(), 'open')
  t.equal((await first.inject({ url: '/', headers: { host } })).body, 'rest')
})

interface Shared {
  title: string
  socket: string
  rest: string
  at?: string
  routerOptions?: RouterOptions
  socketConstraints?: Constraints
  restConstraints?: Constraints
  headers?: Record<string, string>
}
const both: Shared[] = [
  {
    title: 'in other letters',
    socket: '/Chat',
    rest: '/chat',
    routerOptions: { caseSensitive: false }
  },
  {
    title: 'with double slashes',
    socket: '/a//chat',
    rest: '/a/chat',
    routerOptions: { ignoreDuplicateSlashes: true }
  },
  { title: 'with an optional parameter of the socket', socket: '/chat/:room?', rest: '/chat' },
  { title: 'with an optional parameter of REST', socket: '/chat', rest: '/chat/:room?' },
  {
    title: 'with an optional parameter of REST at the root',
    socket: '/',
    rest: '/:page?',
    at: '/'
  },
  {
    title: 'with an optional parameter of REST that is there',
    socket: '/chat/:room',
    rest: '/chat/:page?',
    at: '/chat/a'
  },
  {
    title: 'with an optional parameter with an expression',
    socket: '/chat/:room(^\\d+$)?',
    rest: '/chat/:id(^\\d+$)',
    at: '/chat/5'
  },
  { title: 'with expressions', socket: '/:room(^\\w+$)', rest: '/:id(^\\w+$)', at: '/chat' },
  { title: 'as a wildcard', socket: '/*', rest: '/*', at: '/chat' },
  { title: 'with a slash', socket: '/chat', rest: '/chat/', at: '/chat/' },
  {
    title: 'with constraints in another order',
    socket: '/chat',
    rest: '/chat',
    socketConstraints: { host, version: '1.0.0' },
    restConstraints: { version: '1.0.0', host },
    headers: { host, 'accept-version': '1.x' }
  },
  {
    title: 'where the socket is on one host',
    socket: '/chat',
    rest: '/chat',
    socketConstraints: { host },
    headers: { host }
  },
  {
    title: 'where REST is on one host',
    socket: '/chat',
    rest: '/chat',
    restConstraints: { host },
    headers: { host }
  },
  {
    title: 'where the socket is on hosts of a pattern',
    socket: '/chat',
    rest: '/chat',
    socketConstraints: { host: pattern },
    headers: { host }
  },
  {
    title: 'where REST is on hosts of a pattern',
    socket: '/chat',
    rest: '/chat',
    restConstraints: { host: pattern },
    headers: { host }
  },
  {
    title: 'with constraints of two kinds',
    socket: '/chat',
    rest: '/chat',
    socketConstraints: { host },
    restConstraints: { tenant: 'a' } as Constraints,
    headers: { host, tenant: 'a' }
  },
  {
    title: 'with one version',
    socket: '/chat',
    rest: '/chat',
    socketConstraints: { version: '1.0.0' },
    restConstraints: { version: '1.0.0' },
    headers: { 'accept-version': '1.x' }
  }
]
for (const {
  title,
  socket,
  rest,
  at = '/chat',
  routerOptions = {},
  socketConstraints,
  restConstraints,
  headers = {}
} of both) {
  for (const first of ['REST', 'the socket']) {
    t.test(`a socket route and REST share a path, ${title}, ${first} first`, async (t) => {
      const app = await createApp(t, {
        fastify: { routerOptions: { ...routerOptions, constraints: { tenant: tenant() } } }
      })
      const addRest = () => {
        app.get(
          rest,
          restConstraints === undefined ? {} : { constraints: restConstraints },
          async () => 'rest'
        )
      }
      const addSocket = () => {
        app.socketRoute(socket, guarded, { isGranted: 'ROLE_USER', constraints: socketConstraints })
      }
      if (first === 'REST') { addRest(); addSocket() } else { addSocket(); addRest() }
      const path = socket.includes('//') && routerOptions.ignoreDuplicateSlashes === true
        ? '/a/chat'
        : at
      const url = await listen(app)
      t.equal((await app.inject({ url: path, headers })).body, 'rest')
      t.equal((await refusal(url + path, [], { headers })).status, 401)
      t.equal(
        await (await connect(url + path, ['bearer', tokenOf(app)], { headers })).next(),
        'guarded'
      )
    })
  }
}

t.test('two routes fail if the router would give one the requests of the other', async (t) => {
  const make = () => createApp(t, {
    fastify: { routerOptions: { constraints: { tenant: tenant(), zone: tenant('zone') } } }
  })
  const many = { host, tenant: 'a', zone: 'z' } as Constraints
  const cases: Array<[socket: Constraints, rest: Constraints, failing: string]> = [
    [{}, many, 'REST'],
    [many, {}, 'socket'],
    [{ host: pattern }, { host: pattern }, 'both'],
    [{ host: pattern }, { host: other }, 'both']
  ]
  for (const [socket, rest, failing] of cases) {
    for (const first of ['REST', 'socket']) {
      const app = await make()
      const add = [
        () => { app.get('/', { constraints: rest }, async () => 'rest') },
        () => { app.socketRoute('/', guarded, { constraints: socket }) }
      ]
      const [one, two] = (first === 'REST' ? add : add.toReversed()) as [() => void, () => void]
      one()
      if (failing === 'both' || failing === first) {
        t.throws(
          two,
          { code: 'FSR_ERR_PATH_AMBIGUOUS' },
        `${failing} ${first}`
        )
      } else t.doesNotThrow(two, `${failing} ${first}`)
    }
  }
})

t.test("'*' and '/*' are one path, of which the router asks '/*' first", async (t) => {
  const app = await createApp(t)
  app.get('*', async () => 'rest')
  app.socketRoute('/*', guarded, 'ROLE_USER')
  const url = await listen(app)
  t.equal((await app.inject('/chat')).body, 'rest')
  t.equal((await refusal(`${url}/chat`)).status, 401)
  const other = await createApp(t)
  other.socketRoute('/*', guarded)
  t.throws(() => { other.get('*', async () => 'rest') }, { code: 'FSR_ERR_PATH_AMBIGUOUS' })
  t.throws(
    () => { other.get('*', { websocket: true, constraints: { host } }, () => {}) },
    { code: 'FSR_ERR_PATH_DUPLICATE' }
  )
})

t.test('REST on one host keeps its requests beside REST on all hosts with a socket', async (t) => {
  const add = (app: FastifyInstance) => ({
    socket: () => { app.socketRoute('/', guarded, { constraints: { host } }) },
    specific: () => { app.get('/', { constraints: { host: 'y.example' } }, async () => 'y') },
    general: () => { app.get('/', async () => 'rest') }
  })
  for (const order of [
    ['socket', 'specific', 'general'],
    ['specific', 'socket', 'general']
  ] as const) {
    const app = add(await createApp(t))
    for (const each of order.slice(0, 2)) app[each]()
    t.throws(app.general, { code: 'FSR_ERR_PATH_AMBIGUOUS' })
  }
  for (const order of [
    ['general', 'socket', 'specific'],
    ['general', 'specific', 'socket'],
    ['socket', 'general', 'specific'],
    ['specific', 'general', 'socket']
  ] as const) {
    const app = await createApp(t)
    const all = add(app)
    for (const each of order) all[each]()
    t.equal((await app.inject({ url: '/', headers: { host: 'y.example' } })).body, 'y')
    t.equal((await app.inject({ url: '/', headers: { host } })).body, 'rest')
    const url = await listen(app)
    t.equal(await (await connect(url, [], { headers: { host } })).next(), 'guarded')
    t.equal((await refusal(url, [], { headers: { host: 'y.example' } })).status, 404)
  }
})

t.test('REST for all methods, and REST with constraints, share a path with a socket', async (t) => {
  const app = await createApp(t)
  app.all('/', { constraints: { host } }, async (request) => request.method)
  app.socketRoute('/', guarded, 'ROLE_USER')
  app.get('/', { constraints: { host: 'y.example' } }, async () => 'y')
  app.get('/', async () => 'rest')
  const url = await listen(app)
  for (const method of ['GET', 'POST', 'DELETE'] as const) {
    t.equal((await app.inject({ method, url: '/', headers: { host } })).body, method)
  }
  t.equal((await app.inject({ url: '/', headers: { host: 'y.example' } })).body, 'y')
  t.equal((await app.inject('/')).body, 'rest')
  for (const each of [host, 'y.example', 'z.example']) {
    t.equal(
      await (await connect(url, ['bearer', tokenOf(app)], { headers: { host: each } })).next(),
      'guarded'
    )
  }
})

t.test('REST at the root of a scope shares both of its paths with a socket', async (t) => {
  for (const first of ['REST', 'socket']) {
    const app = await createApp(t)
    await app.register(async (scope) => {
      const add = [
        () => { scope.get('/', async () => 'rest') },
        () => { scope.socketRoute('/', guarded, 'ROLE_USER') }
      ]
      for (const each of first === 'REST' ? add : add.toReversed()) each()
    }, { prefix: '/v1' })
    const url = await listen(app)
    for (const path of ['/v1', '/v1/']) {
      t.equal((await app.inject(path)).body, 'rest', `${first} ${path}`)
      t.equal((await refusal(url + path)).status, 401)
      t.equal(await (await connectAs(tokenOf(app), url + path)).next(), 'guarded')
    }
  }
})

t.test('an earlier route that may be of bare @fastify/websocket is not taken over', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket)
  app.get('/chat', { websocket: true }, (socket) => { socket.send('bare') })
  app.get('/Other', { websocket: true }, (socket) => { socket.send('bare') })
  await app.register(socketRoutes)
  t.throws(() => app.socketRoute('/chat', open), { code: 'FSR_ERR_PATH_DUPLICATE' })
  t.equal(await (await connect(`${await listen(app)}/chat`)).next(), 'bare')
})

t.test('an earlier route with another spelling of the path fails at registration', async (t) => {
  const app = Fastify({ routerOptions: { caseSensitive: false, ignoreDuplicateSlashes: true } })
  t.teardown(() => app.close())
  app.get('/chat', async () => 'rest')
  await app.register(socketRoutes)
  t.throws(() => app.socketRoute('//chat', open), { code: 'FSR_ERR_PATH_DUPLICATE' })
})

const hooks: Record<string, [change: (options: RouteOptions) => void, what: string]> = {
  'another path': [(options) => { options.url = '/elsewhere' }, 'path'],
  'another method': [(options) => { options.method = 'HEAD' }, 'method'],
  'no handler for sockets': [(options) => { delete options.wsHandler }, 'wsHandler'],
  'no onRequest': [(options) => { delete options.onRequest }, 'onRequest'],
  'no preValidation': [(options) => { options.preValidation = [] }, 'preValidation'],
  'another preHandler': [(options) => { options.preHandler = [] }, 'preHandler'],
  'no constraints': [(options) => { delete options.constraints }, 'constraints'],
  'another host': [(options) => { options.constraints = { host: 'y.example' } }, 'constraints']
}
for (const [what, [change, name]] of Object.entries(hooks)) {
  for (const when of ['before', 'after']) {
    t.test(`onRoute from ${when} the plugin that gives a socket route ${what} fails`, async (t) => {
      const app: FastifyInstance = Fastify()
      t.teardown(() => app.close())
      const add = () => {
        app.addHook('onRoute', (options) => { if (options.url === '/admin') change(options) })
      }
      if (when === 'before') add()
      await app.register(socketRoutes)
      if (when === 'after') add()
      t.throws(
        () => app.socketRoute('/admin', guarded, {
          isGranted: 'ROLE_ADMIN',
          constraints: { host }
        }),
        { code: 'FSR_ERR_ROUTE_CHANGED', message: new RegExp(`the ${name} of`) }
      )
    })
  }
}

t.test('onRoute hooks may extend a socket route and register guarded copies', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const seen: string[] = []
  const copy = (to: string) => {
    app.addHook('onRoute', (options) => {
      if (options.url === '/admin') app.route({ ...options, url: to })
    })
  }
  copy('/v1/admin')
  await app.register((await import('@fastify/jwt')).default, {
    secret: 'a secret of the tests, thirty-two bytes or more'
  })
  await app.register(socketRoutes)
  copy('/v2/admin')
  app.addHook('onRoute', (options) => {
    const all = [options.onRequest ?? []].flat() as Array<(...given: unknown[]) => unknown>
    options.onRequest = [
      async (request: { url: string }) => { seen.push(request.url) },
      ...all.map(
        (hook) => function (this: unknown, ...given: unknown[]) { return hook.apply(this, given) }
      )
    ].map((hook, index) => index === 0
      ? hook
      : Object.defineProperty(hook, 'length', { value: 3 })) as never
  })
  app.socketRoute('/admin', guarded, 'ROLE_USER')
  const url = await listen(app)
  for (const path of ['/admin', '/v1/admin', '/v2/admin']) {
    t.equal((await refusal(url + path)).status, 401, path)
    t.equal(await (await connectAs(tokenOf(app), url + path)).next(), 'guarded')
  }
  t.match(seen, ['/admin', '/admin'])
})

for (const hook of ['onRequest', 'preValidation'] as const) {
  t.test(`a guarded route whose ${hook} was replaced admits no client`, async (t) => {
    const app = await createApp(t)
    let called = 0
    app.addHook('onRoute', (options) => {
      options[hook] = [options[hook] ?? []].flat().map(() => async () => {}) as never
    })
    app.socketRoute('/admin', { onOpen: () => { called++ } }, 'ROLE_ADMIN')
    const url = await listen(app)
    const { status, body } = await refusal(`${url}/admin`, [], {
      headers: { authorization: `Bearer ${tokenOf(app, ['ROLE_ADMIN'])}` }
    })
    t.equal(status, 503)
    t.equal(body.code, 'FSR_ERR_GUARD_LOST')
    t.equal(called, 0)
  })
}
