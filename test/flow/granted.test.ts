import { once } from 'node:events'
import cookie from '@fastify/cookie'
import jwt, { type FastifyJWTOptions } from '@fastify/jwt'
import t from 'tap'
import type { Grant } from '../../src/index.js'
import { connect, connectAs, handshake, readAll, refusal, tcp } from '../support/client.js'
import { createApp, listen, SECRET, tokenOf } from '../support/server.js'
import { turns, until } from '../support/until.js'

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

// P20
t.test('without a token the response is 401 with WWW-Authenticate', async (t) => {
  const app = await createApp(t)
  let opened = 0
  app.socketRoute('/', { onOpen: () => { opened++ }, onClose: () => { opened++ } }, 'ROLE_USER')
  const url = await listen(app)
  const { status, headers, body } = await refusal(url)
  t.equal(status, 401)
  t.equal(headers['www-authenticate'], 'Bearer')
  t.equal(headers['sec-websocket-accept'], undefined)
  t.strictSame(body, {
    statusCode: 401,
    code: 'FSR_ERR_TOKEN_MISSING',
    error: 'Unauthorized',
    message: 'A token is needed to connect'
  })
  t.equal(opened, 0)

  const socket = await tcp(url)
  socket.write(handshake('/'))
  const text = await readAll(socket)
  t.match(text, /^HTTP\/1\.1 401 /)
  t.notMatch(text, /101/, 'the connection ends after the answer')
})

// P20
t.test('with the wrong role the answer is 403', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'in' }, ['ROLE_ADMIN'])
  const url = await listen(app)
  const { status, headers, body } = await refusal(url, [], bearer(tokenOf(app)))
  t.equal(status, 403)
  t.equal(headers['www-authenticate'], 'Bearer error="insufficient_scope"')
  t.equal(body.code, 'FSR_ERR_NOT_GRANTED')
  t.equal(await (await connectAs(tokenOf(app, ['ROLE_ADMIN']), url)).next(), 'in')
})

t.test('the log at debug has the required roles and the claim; the client does not', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'debug', stream: { write: (line) => { lines.push(line) } } } }
  })
  const routes: Array<[string, object, object]> = [
    [
      '/roles',
      { isGranted: ['ROLE_ADMIN', 'ROLE_OWNER'] },
      { wanted: 'ROLE_ADMIN or ROLE_OWNER', claim: 'roles', isClaimThere: true }
    ],
    [
      '/claim',
      { isGranted: 'ROLE_ADMIN', roles: 'groups' },
      { wanted: 'ROLE_ADMIN', claim: 'groups', isClaimThere: false }
    ],
    ['/own', { isGranted: 'ROLE_ADMIN', roles: () => [] }, { wanted: 'ROLE_ADMIN' }],
    ['/predicate', { isGranted: function isPaying () { return false } }, { wanted: 'isPaying' }]
  ]
  for (const [path, options] of routes) app.socketRoute(path, { onOpen: () => 'in' }, options)
  const url = await listen(app)
  for (const [path, , told] of routes) {
    const { body } = await refusal(url + path, [], bearer(tokenOf(app)))
    t.strictSame(body, {
      statusCode: 403,
      code: 'FSR_ERR_NOT_GRANTED',
      error: 'Forbidden',
      message: 'The user may not connect to this route'
    })
    const { level, time, pid, hostname, reqId, msg, ...rest } = JSON.parse(
      lines.find((line) => line.includes('isGranted refused'))!
    ) as Record<string, unknown>
    t.equal(level, 20)
    t.strictSame(rest, told, path)
    lines.length = 0
  }
})

t.test('the user of the token is on the connection', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: ({ user }) => user as object }, 'ROLE_USER')
  t.match(await (await connectAs(tokenOf(app), await listen(app))).json(), {
    sub: 'alice',
    roles: ['ROLE_USER']
  })
})

// P21
const grants: Array<{ title: string, isGranted: Grant, in: unknown[], out: unknown[] }> = [
  {
    title: 'a role',
    isGranted: 'admin',
    in: [['admin'], ['user', 'admin'], 'user admin'],
    out: [
      ['user'],
      'xadminx',
      ['xadminx'],
      ['ADMIN'],
      { admin: true },
      [['admin']],
      '',
      [],
      null,
      5
    ]
  },
  {
    title: 'any role of a list',
    isGranted: ['a', 'b'],
    in: [['a'], ['b'], ['a', 'b']],
    out: [['c'], ['a b']]
  },
  {
    title: 'a predicate',
    isGranted: (user) => (user as { roles: unknown }).roles === 'yes',
    in: ['yes'],
    out: ['no']
  },
  {
    title: 'an async predicate',
    isGranted: async (user) => { await null; return (user as { roles: unknown }).roles === 'yes' },
    in: ['yes'],
    out: ['no']
  },
  { title: 'a predicate that answers nothing', isGranted: () => undefined, in: [], out: ['no'] }
]
for (const { title, isGranted, ...cases } of grants) {
  for (const form of ['third argument', 'option'] as const) {
    t.test(`${title} decides, as ${form}`, async (t) => {
      const app = await createApp(t)
      const controller = { onOpen: () => 'in' }
      if (form === 'option') app.socketRoute('/', controller, { isGranted })
      else app.socketRoute('/', controller, isGranted)
      const url = await listen(app)
      for (const roles of cases.in) {
        t.equal(
          await (await connectAs(tokenOf(app, roles), url)).next(),
          'in',
          JSON.stringify(roles)
        )
      }
      for (const roles of cases.out) {
        t.equal(
          (await refusal(url, [], bearer(tokenOf(app, roles)))).status,
          403,
          JSON.stringify(roles)
        )
      }
    })
  }
}

t.test('a predicate gets the request, and its errors go to the error handler', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/:room', { onOpen: () => 'in' }, (_user, request) => {
    const { room } = request.params as { room: string }
    if (room === 'broken') {
      throw Object.assign(new Error('the database is down'), { statusCode: 503 })
    }
    return room === 'mine'
  })
  const url = await listen(app)
  t.equal(await (await connectAs(tokenOf(app), `${url}/mine`)).next(), 'in')
  t.equal((await refusal(`${url}/yours`, [], bearer(tokenOf(app)))).status, 403)
  t.equal((await refusal(`${url}/broken`, [], bearer(tokenOf(app)))).status, 503)
})

t.test('roles are read from another claim, or by a function', async (t) => {
  const app = await createApp(t, { plugin: { roles: 'scope' } })
  app.socketRoute('/claim', { onOpen: () => 'in' }, 'chat:read')
  app.socketRoute('/function', { onOpen: () => 'in' }, {
    isGranted: 'editor',
    roles: (user: { realm?: { roles: string[] } }) => user.realm?.roles ?? []
  })
  const url = await listen(app)
  t.equal(
    await (await connectAs(
      tokenOf(app, [], { scope: 'chat:write chat:read' }),
      `${url}/claim`
    )).next(),
    'in'
  )
  t.equal((await refusal(`${url}/claim`, [], bearer(tokenOf(app, ['chat:read'])))).status, 403)
  t.equal(
    await (await connectAs(
      tokenOf(app, [], { realm: { roles: ['editor'] } }),
      `${url}/function`
    )).next(),
    'in'
  )
  t.equal((await refusal(`${url}/function`, [], bearer(tokenOf(app)))).status, 403)
})

// P21
t.test('a role includes others, transitively', async (t) => {
  const app = await createApp(t, {
    plugin: { roleHierarchy: { ROOT: ['ADMIN'], ADMIN: ['USER', 'AUDITOR'] } }
  })
  app.socketRoute('/', { onOpen: () => 'in' }, 'USER')
  const url = await listen(app)
  for (const role of ['ROOT', 'ADMIN', 'USER']) {
    t.equal(await (await connectAs(tokenOf(app, [role]), url)).next(), 'in', role)
  }
  for (const role of ['AUDITOR', 'toString', '__proto__']) {
    t.equal((await refusal(url, [], bearer(tokenOf(app, [role])))).status, 403, role)
  }
})

// P21
t.test('the grants of scopes and routes must all agree, and no route can loosen one', async (t) => {
  const app = await createApp(t, { plugin: { isGranted: 'a' } })
  app.socketRoute('/a', { onOpen: () => 'in' })
  await app.register(async (scope) => {
    scope.socketScope({ isGranted: ['b', 'B'] }).socketScope({
      isGranted: (user) => (user as { sub: string }).sub === 'alice'
    })
    scope.socketRoute('/b', { onOpen: () => 'in' })
    await scope.register(async (inner) => {
      inner.socketRoute('/c', { onOpen: () => 'in' }, { isGranted: ['c', 'a'] })
    }, { prefix: '/inner' })
  }, { prefix: '/scope' })
  const url = await listen(app)
  const matrix: Array<[string, string[], object, boolean]> = [
    ['/a', ['a'], {}, true],
    ['/a', ['b'], {}, false],
    ['/scope/b', ['a', 'B'], {}, true],
    ['/scope/b', ['b'], {}, false],
    ['/scope/b', ['a'], {}, false],
    ['/scope/b', ['a', 'b'], { sub: 'bob' }, false],
    ['/scope/inner/c', ['a', 'b'], {}, true],
    ['/scope/inner/c', ['c'], {}, false],
    ['/scope/inner/c', ['a', 'c'], {}, false]
  ]
  for (const [path, roles, claims, isIn] of matrix) {
    const token = tokenOf(app, roles, claims)
    if (isIn) {
      t.equal(
        await (await connectAs(token, url + path)).next(),
        'in',
      `${path} ${roles.join()}`
      )
    } else {
      t.equal(
        (await refusal(url + path, [], bearer(token))).status,
        403,
      `${path} ${roles.join()}`
      )
    }
  }
})

// P21
t.test('a grant is checked with the roles and the hierarchy of its own level', async (t) => {
  const app = await createApp(t, {
    plugin: { isGranted: 'ROLE_USER', roleHierarchy: { ROLE_ADMIN: ['ROLE_USER'] } }
  })
  app.socketRoute('/loosened', { onOpen: () => 'in' }, {
    roles: () => ['ROLE_USER'],
    roleHierarchy: { NOBODY: ['ROLE_USER'] },
    isGranted: () => true
  })
  await app.register(async (scope) => {
    scope.socketScope({ roles: 'scope', isGranted: 'chat' })
    scope.socketRoute('/scope', { onOpen: () => 'in' })
  })
  const url = await listen(app)
  for (const roles of [[], ['NOBODY']]) {
    t.equal((await refusal(`${url}/loosened`, [], bearer(tokenOf(app, roles)))).status, 403)
  }
  t.equal(
    await (await connectAs(tokenOf(app, ['ROLE_ADMIN'], { scope: 'chat' }), `${url}/scope`)).next(),
    'in'
  )
  t.equal(
    (await refusal(`${url}/scope`, [], bearer(tokenOf(app, ['ROLE_ADMIN', 'chat'])))).status,
    403
  )
})

t.test('a token comes in a header, in the sub-protocol list, or in a cookie', async (t) => {
  const app = await createApp(t, { jwt: false, fastify: { disableRequestLogging: true } })
  await app.register(cookie)
  await app.register(jwt, { secret: SECRET, cookie: { cookieName: 'session', signed: false } })
  app.socketRoute('/', { onOpen: ({ protocol }) => `in ${protocol}` }, 'ROLE_USER')
  const url = await listen(app)
  const token = tokenOf(app)
  t.equal(await (await connect(url, [], bearer(token))).next(), 'in ')
  t.equal(
    await (await connect(url, [], { headers: { authorization: `bearer ${token}` } })).next(),
    'in ',
    'RFC 9110: the scheme has no case'
  )
  const client = await connect(url, ['bearer', token])
  t.equal(await client.next(), 'in bearer')
  t.equal(client.socket.protocol, 'bearer', 'the token is not echoed')
  t.equal(
    await (await connect(url, [], { headers: { cookie: `a=b; session=${token}` } })).next(),
    'in '
  )
  t.equal((await refusal(url, ['bearer'])).status, 401)
  t.equal(
    (await refusal(url, [], { headers: { authorization: `Basic ${token}` } })).body.code,
    'FSR_ERR_TOKEN_MISSING'
  )
  t.equal(
    (await refusal(`${url}/?access_token=${token}`)).status,
    401,
    'a token in the query is nothing'
  )
})

t.test('a signed cookie is a token only if its signature is right', async (t) => {
  const app = await createApp(t, { jwt: false })
  await app.register(cookie, { secret: 'a secret for cookies' })
  await app.register(jwt, { secret: SECRET, cookie: { cookieName: 'session', signed: true } })
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  const url = await listen(app)
  const token = tokenOf(app)
  t.equal(
    await (await connect(url, [], {
      headers: { cookie: `session=${encodeURIComponent(app.signCookie(token))}` }
    })).next(),
    'in'
  )
  t.equal(
    (await refusal(url, [], { headers: { cookie: `session=${token}` } })).body.code,
    'FSR_ERR_TOKEN_INVALID'
  )
})

t.test('tokenFrom says where a token may be', async (t) => {
  const app = await createApp(t, { plugin: { tokenFrom: ['protocol'] } })
  app.socketRoute('/', { onOpen: () => 'in' }, { isGranted: 'ROLE_USER' })
  app.socketRoute('/header', { onOpen: () => 'in' }, {
    isGranted: 'ROLE_USER',
    tokenFrom: ['header']
  })
  const url = await listen(app)
  const token = tokenOf(app)
  t.equal((await refusal(url, [], bearer(token))).status, 401)
  t.equal(await (await connect(url, ['bearer', token])).next(), 'in')
  const { status, body } = await refusal(`${url}/header`, ['bearer', token])
  t.equal(status, 401)
  t.notMatch(JSON.stringify(body), token)
})

t.test('the first source that has a token counts, also if it is broken', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  const url = await listen(app)
  t.equal((await refusal(url, ['bearer', tokenOf(app)], bearer('broken'))).status, 401)
  t.equal(await (await connect(url, ['bearer', 'broken'], bearer(tokenOf(app)))).next(), 'in')
})

t.test('a user set on the request by a hook counts, and is not verified again', async (t) => {
  const app = await createApp(t)
  let verified = 0
  app.addHook('onRequest', async (request) => {
    if (request.headers['x-verify'] === undefined) return
    verified++
    await request.jwtVerify()
  })
  app.socketRoute('/', { onOpen: ({ user }) => user as object }, 'ROLE_USER')
  const url = await listen(app)
  const client = await connect(url, [], {
    headers: { authorization: `Bearer ${tokenOf(app)}`, 'x-verify': 'yes' }
  })
  t.match(await client.json(), { sub: 'alice' })
  t.equal(verified, 1)
})

t.test('without @fastify/jwt and with tokenFrom: [], the app itself says who it is', async (t) => {
  const app = await createApp(t, { jwt: false, plugin: { tokenFrom: [] } })
  app.decorateRequest('user', null as never)
  app.socketRoute('/', { onOpen: ({ user }) => user as object }, {
    isGranted: 'ROLE_USER',
    preValidation: async (request) => {
      const { name } = request.query as { name?: string }
      if (name !== undefined) (request as { user: unknown }).user = { name, roles: ['ROLE_USER'] }
    }
  })
  const url = await listen(app)
  t.match(await (await connect(`${url}/?name=bob`)).json(), { name: 'bob' })
  t.equal((await refusal(url)).status, 401)
})

t.test("the options of the app's @fastify/jwt apply", async (t) => {
  const revoked = new Set<string>()
  const trusting = await createApp(t, { jwt: false })
  await trusting.register(jwt, {
    secret: async () => SECRET,
    trusted: async (_request, { sub }) => !revoked.has(sub),
    formatUser: (user) => ({ name: (user as { sub: string }).sub, roles: ['FORMATTED'] }),
    decoratorName: 'account'
  })
  trusting.socketRoute('/', { onOpen: ({ user }) => user as object }, 'FORMATTED')
  let url = await listen(trusting)
  const token = (await createApp(t)).jwt.sign({ sub: 'alice' })
  t.strictSame(await (await connectAs(token, url)).json(), { name: 'alice', roles: ['FORMATTED'] })
  revoked.add('alice')
  t.equal((await refusal(url, [], bearer(token))).status, 401)

  const extracting = await createApp(t, { jwt: false, fastify: { disableRequestLogging: true } })
  await extracting.register(jwt, {
    secret: SECRET,
    verify: { extractToken: (request) => (request.query as { t?: string }).t }
  })
  extracting.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  url = await listen(extracting)
  const other = tokenOf(extracting)
  t.equal(await (await connect(`${url}/?t=${other}`)).next(), 'in')
  t.equal(await (await connect(url, ['bearer', other])).next(), 'in')
  t.equal((await refusal(url)).body.code, 'FSR_ERR_TOKEN_MISSING')

  const cookies = await createApp(t, { jwt: false })
  await cookies.register(cookie)
  await cookies.register(jwt, {
    secret: SECRET,
    cookie: { cookieName: 'session', signed: false },
    verify: { onlyCookie: true }
  })
  cookies.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  url = await listen(cookies)
  t.equal(await (await connect(url, [], { headers: { cookie: `session=${other}` } })).next(), 'in')
  t.equal((await refusal(url, [], bearer(other))).status, 401)
})

// P20
t.test('a token is verified once per upgrade, by the verifier of @fastify/jwt', async (t) => {
  const app = await createApp(t, { jwt: false })
  const calls: unknown[][] = []
  app.decorate('jwt', { verify: () => {}, options: { verify: {} } } as never)
  app.decorateRequest('user', null as never)
  app.decorateRequest('jwtVerify', async function (this: {
    headers: { authorization?: string }
  }, ...options: unknown[]) {
    // With options it would make a verifier of its own each time.
    calls.push([this.headers.authorization, ...options])
    return { roles: ['ROLE_USER'] }
  } as never)
  app.socketRoute(
    '/',
    { onOpen: ({ headers }) => `${headers.authorization ?? 'none'}` },
    { isGranted: ['ROLE_USER'], roles: () => ['ROLE_USER'] }
  )
  const url = await listen(app)
  t.equal(
    await (await connect(url, ['bearer', 'a.b.c'])).next(),
    'none',
    'what was borrowed is given back'
  )
  t.equal(await (await connectAs('d.e.f', url)).next(), 'Bearer d.e.f')
  t.strictSame(calls, [['Bearer a.b.c'], ['Bearer d.e.f']])
})

t.test('a falsy user on a request is no user for any predicate', async (t) => {
  const app = await createApp(t)
  app.addHook('onRequest', async (request) => {
    (request as { user: unknown }).user = ({
      f: false,
      z: 0,
      e: ''
    } as Record<string, unknown>)[(request.query as { u: string }).u]
  })
  app.socketRoute('/', { onOpen: () => 'in' }, () => true)
  const url = await listen(app)
  for (const user of ['f', 'z', 'e', 'undefined']) {
    t.equal((await refusal(`${url}/?u=${user}`)).status, 401, user)
  }
})

t.test('a failing look-up of the app is a 401; with tokenFrom: [] there is none', async (t) => {
  const unreadable = { get name () { throw new Error('no') } }
  const app = await createApp(t, { jwt: false, fastify: { disableRequestLogging: true } })
  await app.register(jwt, {
    secret: SECRET,
    verify: {
      extractToken: (request) => {
        if ('bad' in (request.query as object)) throw new Error('no')
        if ('worse' in (request.query as object)) throw unreadable
        return (request.query as { t?: string }).t
      }
    }
  })
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  app.socketRoute('/none', { onOpen: () => 'in' }, { isGranted: 'ROLE_USER', tokenFrom: [] })
  const url = await listen(app)
  t.equal((await refusal(`${url}/?bad`)).body.code, 'FSR_ERR_TOKEN_MISSING')
  t.equal(
    (await refusal(`${url}/?worse`)).body.code,
    'FSR_ERR_TOKEN_MISSING',
    'also by an error that fails when it is looked at'
  )
  t.equal((await refusal(`${url}/none?t=${tokenOf(app)}`)).status, 401)
})

t.test("a failure of the app's part of the verifier, or no user, admits no client", async (t) => {
  const nothing = () => Promise.reject() // eslint-disable-line prefer-promise-reject-errors
  const fail = () => { throw new Error('out of order') }
  const cases: Array<[name: string, options: Partial<FastifyJWTOptions>]> = [
    ['trusted throws', { trusted: fail }],
    ['trusted rejects', { trusted: async () => fail() }],
    ['trusted rejects with nothing', { trusted: nothing }],
    [
      'trusted answers false by a thenable',
      {
        trusted: (() => ({
          then: (resolve: (value: boolean) => void) => { resolve(false) }
        })) as never
      }
    ],
    ['formatUser throws', { formatUser: fail }],
    ['formatUser throws, with a key function', { secret: async () => SECRET, formatUser: fail }],
    ['formatUser rejects', { formatUser: (async () => fail()) as never }],
    ['formatUser makes null', { formatUser: () => null as never }],
    ['formatUser makes nothing', { formatUser: () => undefined as never }],
    ['formatUser makes nothing later', { formatUser: (async () => {}) as never }],
    ['the key function throws', { secret: fail }],
    ['the key function rejects', { secret: async () => fail() }],
    ['the key function rejects with nothing', { secret: nothing as never }],
    ['the key function has no key', { secret: async () => undefined as never }]
  ]
  for (const hasHook of [false, true]) {
    for (const [name, options] of cases) {
      const app = await createApp(t, { jwt: false })
      await app.register(jwt, { secret: SECRET, ...options })
      if (hasHook) {
        app.addHook('onRequest', async (request) => { await request.jwtVerify().catch(() => {}) })
      }
      app.socketRoute('/', { onOpen: () => 'in' }, () => true)
      const token = (await createApp(t)).jwt.sign({ sub: 'alice' })
      t.equal(
        (await refusal(await listen(app), [], bearer(token))).body.code,
        'FSR_ERR_TOKEN_INVALID',
        name
      )
    }
  }
})

t.test('extractToken returns a string or nothing; others are invalid tokens', async (t) => {
  const lines: string[] = []
  let token: unknown
  const app = await createApp(t, {
    jwt: false,
    fastify: { logger: { level: 'warn', stream: { write: (line) => { lines.push(line) } } } }
  })
  await app.register(jwt, { secret: SECRET, verify: { extractToken: () => token as string } })
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  const url = await listen(app)
  for (const none of [undefined, null, '']) {
    token = none
    t.equal((await refusal(url)).body.code, 'FSR_ERR_TOKEN_MISSING', String(none))
  }
  t.strictSame(lines, [])
  const valid = tokenOf(app)
  for (const odd of [Promise.resolve(valid), { token: valid }, [valid], 5, true]) {
    token = odd
    t.equal((await refusal(url)).body.code, 'FSR_ERR_TOKEN_INVALID', typeof odd)
  }
  t.equal(lines.length, 5)
  t.ok(lines.every((line) => line.includes(
    'extractToken of @fastify/jwt must return one, not a promise'
  )))
  token = valid
  t.equal(await (await connect(url)).next(), 'in')
})

t.test('a token is verified also if a hook replaces the headers', async (t) => {
  const app = await createApp(t, { plugin: { tokenFrom: ['protocol'] } })
  app.addHook('onRequest', async (request) => { request.headers = { 'x-added': 'yes' } as never })
  app.socketRoute('/', { onOpen: ({ headers }) => `${String(headers['x-added'])}` }, 'ROLE_USER')
  const url = await listen(app)
  t.equal(await (await connect(url, ['bearer', tokenOf(app)])).next(), 'yes')
  t.equal((await refusal(url, ['bearer', 'garbage'], bearer(tokenOf(app)))).status, 401)
})

t.test('a list of roles is copied, so that a later change admits no client', async (t) => {
  const app = await createApp(t)
  const roles = ['ROLE_ADMIN']
  app.socketRoute('/', { onOpen: () => 'in' }, roles)
  roles.push('ROLE_USER')
  t.equal((await refusal(await listen(app), [], bearer(tokenOf(app)))).status, 403)
})

t.test('a plain GET gets the same responses, so that a page can learn the reason', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  const ask = async (roles?: string[]) => await app.inject({
    url: '/',
    headers: roles === undefined ? {} : bearer(tokenOf(app, roles)).headers
  })
  t.equal((await ask()).json().code, 'FSR_ERR_TOKEN_MISSING')
  t.equal((await ask(['OTHER'])).json().code, 'FSR_ERR_NOT_GRANTED')
  t.equal((await ask(['ROLE_USER'])).json().code, 'FSR_ERR_UPGRADE_REQUIRED')
})

t.test('an unguarded route lets everybody in, and reads no token', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: ({ user }) => `${String(user)}` })
  const url = await listen(app)
  t.equal(await (await connect(url, [], bearer('broken'))).next(), 'null')
  const client = await connect(url, ['bearer', 'some-token'])
  t.equal(await client.next(), 'null')
  t.equal(client.socket.protocol, 'bearer', 'but answers a browser that has sent one')
})

t.test('a client that leaves while its token is verified leaves nothing behind', async (t) => {
  const app = await createApp(t, { jwt: false })
  let asked: undefined | (() => void)
  let opened = 0
  await app.register(jwt, {
    secret: async () => await new Promise<string>((resolve) => {
      asked = () => { resolve(SECRET) }
    })
  })
  const route = app.socketRoute('/', { onOpen: () => { opened++ } }, 'ROLE_USER')
  const socket = await tcp(await listen(app))
  const token = (await createApp(t)).jwt.sign({ roles: ['ROLE_USER'] })
  socket.write(handshake('/', { Authorization: `Bearer ${token}` }))
  await until(() => asked !== undefined)
  const gone = once(app.server, 'connection').then(() => {})
  socket.resetAndDestroy()
  await tcp(`ws://127.0.0.1:${(app.server.address() as { port: number }).port}`).then((other) => {
    other.destroy()
  })
  await gone
  asked!()
  await turns(20)
  t.equal(opened, 0)
  t.equal(route.clients.size, 0)
})
