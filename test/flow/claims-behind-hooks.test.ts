import cookie from '@fastify/cookie'
import jwt, { type FastifyJWTOptions } from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import type { Claims, SocketPluginOptions } from '../../src/index.js'
import { connect, connectAs, connectWhenFree, refusal, type Client } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, SECRET, tokenOf } from '../support/server.js'

// The claims of a verified token count, also if formatUser or a hook of the app changes the user.

const seconds = () => Math.floor(Date.now() / 1000)
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
const open = { onOpen: () => 'in' }

type Way = (request: FastifyRequest) => Promise<unknown>
const verify: Way = (request) => request.jwtVerify()

interface HookedApp {
  readonly jwt?: Partial<FastifyJWTOptions>
  readonly plugin?: SocketPluginOptions
  readonly isGuarded?: boolean
  readonly hook: (app: FastifyInstance) => void
  readonly clock?: TestClock
}

async function createHooked (t: Test, {
  jwt: options = {},
  plugin = {},
  isGuarded = true,
  hook,
  clock
}: HookedApp): Promise<FastifyInstance> {
  const app = await createApp(t, {
    jwt: false,
    plugin: { connections: { perUser: 1 }, ...plugin },
    ...(clock === undefined ? {} : { clock })
  })
  await app.register(cookie)
  await app.register(jwt, {
    secret: SECRET,
    cookie: { cookieName: 'token', signed: false },
    ...options
  })
  hook(app)
  app.socketRoute('/', open, isGuarded ? { isGranted: () => true } : {})
  return app
}

const short: FastifyJWTOptions['formatUser'] = (user) => ({ id: (user as { sub: string }).sub })
const formatted: Partial<FastifyJWTOptions> = { formatUser: short }

const apps: Record<string, HookedApp> = {
  'no hook, formatUser': { jwt: formatted, hook: () => {} },
  'an onRequest hook': { hook: (app) => { app.addHook('onRequest', verify as never) } },
  'an onRequest hook, formatUser': {
    jwt: formatted,
    hook: (app) => { app.addHook('onRequest', verify as never) }
  },
  'a preValidation hook, formatUser': {
    jwt: formatted,
    hook: (app) => { app.addHook('preValidation', verify as never) }
  },
  'another decoratorName, formatUser': {
    jwt: { ...formatted, decoratorName: 'account' },
    hook: (app) => { app.addHook('onRequest', verify as never) }
  },
  'formatUser that changes the claims themselves': {
    jwt: {
      formatUser: (user) => {
        const { sub, exp, iat, ...others } = user as Record<string, unknown>
        return Object.assign(others, { sub: 'everybody' })
      }
    },
    hook: (app) => { app.addHook('onRequest', verify as never) }
  },
  complete: {
    jwt: { verify: { complete: true } as never },
    hook: (app) => { app.addHook('onRequest', verify as never) }
  },
  'a hook that loads the user': {
    hook: (app) => {
      app.addHook('onRequest', async (request) => {
        await request.jwtVerify();
        (request as { user: unknown }).user = { id: 7, name: 'from a database' }
      })
    }
  },
  'a hook that verifies with options of its own': {
    jwt: formatted,
    hook: (app) => {
      app.addHook('onRequest', async (request) => {
        await request.jwtVerify(
          {
            verify: {
              extractToken: ({ headers }: FastifyRequest) => headers.authorization?.slice(7)
            }
          } as never
        )
      })
    }
  },
  'a route without a guard, an onRequest hook, formatUser': {
    isGuarded: false,
    jwt: formatted,
    hook: (app) => { app.addHook('onRequest', verify as never) }
  },
  'a route without a guard, a preHandler hook': {
    isGuarded: false,
    hook: (app) => { app.addHook('preHandler', verify as never) }
  },
  'tokenFrom: [], a hook, formatUser': {
    plugin: { tokenFrom: [] },
    jwt: formatted,
    hook: (app) => { app.addHook('onRequest', verify as never) }
  },
  'tokens elsewhere, a hook, formatUser': {
    plugin: { tokenFrom: ['ticket'] },
    jwt: formatted,
    hook: (app) => { app.addHook('onRequest', verify as never) }
  }
}

for (const [name, options] of Object.entries(apps)) {
  t.test(`the claims of the token count: ${name}`, async (t) => {
    const clock = new TestClock()
    const app = await createHooked(t, { ...options, clock })
    const url = await listen(app)
    const token = (claims: object) => tokenOf(app, ['R'], { iat: seconds() - 5, ...claims })

    const alice = await connect(url, [], bearer(token({ exp: seconds() + 60 })))
    t.equal(await alice.next(), 'in')
    t.equal(
      (await refusal(url, [], bearer(token({})))).body.code,
      'FSR_ERR_CONNECTIONS_TOO_MANY',
      'perUser'
    )
    await clock.advance(62_000)
    t.strictSame(await alice.closed, { code: 4401, reason: 'token expired' }, 'expiry')

    const bob = token({ sub: 'bob' })
    const client = await connect(url, [], bearer(bob))
    await client.next()
    t.equal(await app.socketRevoke({ sub: 'bob', before: seconds() }), 1, 'socketRevoke')
    t.equal((await client.closed).code, 4403)
    t.equal((await refusal(url, [], bearer(bob))).status, 401)
  })

  t.test(`requireExpiry refuses a token without exp: ${name}`, async (t) => {
    const app = await createHooked(t, {
      ...options,
      plugin: { ...options.plugin, requireExpiry: true }
    })
    const url = await listen(app)
    t.equal((await refusal(url, [], bearer(tokenOf(app)))).body.code, 'FSR_ERR_TOKEN_INVALID')
    t.equal(
      await (await connect(url, [], bearer(tokenOf(app, [], { exp: seconds() + 60 })))).next(),
      'in'
    )
  })
}

t.test('claims of a token from any source count behind a hook as well', async (t) => {
  const places: Array<[name: string, options: Partial<FastifyJWTOptions>, hook: Way, connect: (
    url: string,
    token: string
  ) => Promise<Client>]> = [
    [
      'cookie',
      formatted,
      verify,
      (url, token) => connect(url, [], { headers: { cookie: `token=${token}` } })
    ],
    [
      'onlyCookie',
      { ...formatted, verify: { onlyCookie: true } },
      verify,
      (url, token) => connect(url, [], {
        headers: { cookie: `token=${token}`, authorization: 'Bearer of something else' }
      })
    ],
    [
      'protocol',
      formatted,
      (request) => request.jwtVerify(
        {
          verify: { extractToken: () => request.headers['sec-websocket-protocol']?.split(/, */)[1] }
        } as never
      ),
      (url, token) => connect(url, ['bearer', token])
    ],
    [
      'extractToken',
      { ...formatted, verify: { extractToken: (request) => request.headers['x-token'] as string } },
      verify,
      (url, token) => connect(url, [], { headers: { 'x-token': token } })
    ]
  ]
  for (const [name, options, hook, come] of places) {
    const app = await createHooked(t, {
      jwt: options,
      hook: (app) => {
        app.addHook('onRequest', async (request) => { await hook(request).catch(() => {}) })
      }
    })
    // The route reads the sub-protocol only after the hooks of the app.
    const url = await listen(app)
    const client = await come(url, tokenOf(app, [], { iat: seconds() - 5 }))
    t.equal(await client.next(), 'in', name)
    t.equal(await app.socketRevoke({ sub: 'alice' }), 1, name)
  }
})

t.test('claims count however @fastify/jwt parses the Authorization header', async (t) => {
  const app = await createHooked(t, {
    jwt: formatted,
    hook: (app) => { app.addHook('onRequest', verify as never) }
  })
  const url = await listen(app)
  for (const sub of ['Bearer\tx ', 'bearer\u00a0 ', 'Bearer\t\tBearer ']) {
    const client = await connect(url, [], {
      headers: { authorization: sub + tokenOf(app, [], { sub, iat: seconds() - 5 }) }
    })
    t.equal(await client.next(), 'in')
    t.equal(await app.socketRevoke({ sub }), 1, JSON.stringify(sub))
    t.equal((await client.closed).code, 4403)
  }
})

t.test("the sub-protocol has the user's token also if the route reads none there", async (t) => {
  const app = await createHooked(t, {
    jwt: formatted,
    plugin: { tokenFrom: [] },
    hook: (app) => {
      app.addHook('onRequest', async (request) => {
        await request.jwtVerify(
          {
            verify: {
              extractToken: ({ headers }: FastifyRequest) =>
                headers['sec-websocket-protocol']?.split(/, */)[1]
            }
          } as never
        )
      })
    }
  })
  app.socketRoute('/chat', open, { isGranted: () => true, protocols: ['chat.v1'] })
  const url = await listen(app)
  const client = await connect(`${url}/chat`, [
    'bearer',
    tokenOf(app, [], { iat: seconds() - 5 }),
    'chat.v1'
  ])
  t.equal(client.socket.protocol, 'chat.v1')
  t.equal(await client.next(), 'in')
  t.equal(await app.socketRevoke({ sub: 'alice' }), 1)
})

t.test('a renewal compares the user of the token, not the user set by a hook', async (t) => {
  for (const verifies of [true, false]) {
    const app = await createHooked(t, {
      jwt: formatted,
      hook: (app) => {
        if (verifies) {
          app.addHook('onRequest', async (request) => { await request.jwtVerify().catch(() => {}) })
        }
      }
    })
    app.socketRoute('/renew', {
      onOpen: () => 'in',
      onMessage: async (connection, message) => {
        await connection.renew(message.text)
        return connection.user as object
      },
      onError: (_connection, error) => (error as { code?: string }).code
    }, { isGranted: () => true, tokenFrom: ['header', 'message'] })
    const url = await listen(app)
    for (const isFirst of [true, false]) {
      const sub = isFirst ? 'first' : 'alice'
      const token = tokenOf(app, [], { sub, iat: seconds() - 5 })
      const client = isFirst
        ? await connect(`${url}/renew`)
        : await connectAs(token, `${url}/renew`)
      if (isFirst) client.send(token)
      t.equal(await client.next(), 'in')
      client.send(tokenOf(app, [], { sub: 'bob' }))
      t.equal(await client.next(), 'FSR_ERR_TOKEN_INVALID')
      client.send(tokenOf(app, [], { sub }))
      t.strictSame(await client.json(), { id: sub })
      t.equal(await app.socketRevoke({ sub }), 1)
      t.equal((await client.closed).code, 4403)
    }
  }
})

t.test('the user stays what the hook has made of it', async (t) => {
  const app = await createHooked(t, {
    jwt: formatted,
    hook: (app) => {
      app.addHook('onRequest', async (request) => {
        await request.jwtVerify();
        (request as { user: unknown }).user = { own: true }
      })
    }
  })
  app.socketRoute(
    '/user',
    { onOpen: ({ user }) => user as object },
    (user, request) => user === request.user
  )
  app.socketRoute('/open', { onOpen: ({ user }) => user as object })
  const url = await listen(app)
  t.strictSame(await (await connectAs(tokenOf(app), `${url}/user`)).json(), { own: true })
  t.strictSame(await (await connectAs(tokenOf(app, [], { sub: 'bob' }), `${url}/open`)).json(), {
    own: true
  })
})

t.test('an unguarded route has the user of decoratorName, or null without a hook', async (t) => {
  const app = await createHooked(t, {
    isGuarded: false,
    jwt: { decoratorName: 'account' },
    hook: (app) => {
      app.addHook('onRequest', async (request) => { await request.jwtVerify().catch(() => {}) })
    }
  })
  app.socketRoute('/user', { onOpen: ({ user }) => ({ user }) })
  const url = await listen(app)
  t.match(await (await connectAs(tokenOf(app), `${url}/user`)).json(), { user: { sub: 'alice' } })
  t.strictSame(await (await connect(`${url}/user`)).json(), { user: null })
  t.strictSame(await (await connectAs('broken', `${url}/user`)).json(), { user: null })
})

t.test('a ticket has the claims of the token, not of the user set by a hook', async (t) => {
  const clock = new TestClock()
  const app = await createHooked(t, {
    jwt: formatted,
    plugin: { requireExpiry: true },
    clock,
    hook: (app) => {
      app.addHook('onRequest', async (request) => {
        if (request.method === 'POST') await request.jwtVerify()
      })
    }
  })
  app.socketRoute('/live', open, { isGranted: () => true, tokenFrom: ['ticket'] })
  app.post('/ticket', async (request) => ({
    ticket: await app.socketTicket(request, { route: '/live' })
  }))
  const url = await listen(app)
  const ticketOf = async (claims: object) => await app.inject({
    method: 'POST',
    url: '/ticket',
    ...bearer(tokenOf(app, [], claims))
  })
  t.equal(
    (await ticketOf({})).json<{ code: string }>().code,
    'FSR_ERR_TOKEN_INVALID',
    'requireExpiry'
  )
  const { ticket } = (await ticketOf({
    iat: seconds() - 5,
    exp: seconds() + 20
  })).json<{ ticket: string }>()
  const client = await connect(`${url}/live?ticket=${ticket}`)
  t.equal(
    (await refusal(
      `${url}/live?ticket=${(await ticketOf({ exp: seconds() + 60 })).json<{ ticket: string }>().ticket}`
    )).status,
    429,
    'perUser'
  )
  await clock.advance(22_000)
  t.equal((await client.closed).code, 4401)
})

t.test('a token that no hook has verified must be valid where the route reads it', async (t) => {
  const app = await createHooked(t, {
    hook: (app) => {
      app.addHook('onRequest', async (request) => {
        (request as { user: unknown }).user = { id: 7 }
      })
    }
  })
  app.socketRoute('/none', open, { isGranted: () => true, tokenFrom: [] })
  app.socketRoute('/open', open)
  const url = await listen(app)
  t.equal((await refusal(url, [], bearer('of something else'))).body.code, 'FSR_ERR_TOKEN_INVALID')
  t.equal(
    (await refusal(url, [], bearer(tokenOf(app, [], { exp: 5 })))).body.code,
    'FSR_ERR_TOKEN_EXPIRED'
  )
  t.equal(await (await connect(url)).next(), 'in', 'a session')
  // Elsewhere a token may have another purpose. Only one that was valid a moment ago could be the
  // user's.
  for (const path of ['/none', '/open']) {
    t.equal(await (await connect(url + path, [], bearer('of something else'))).next(), 'in')
    t.equal(
      await (await connect(url + path, [], bearer(tokenOf(app, [], { exp: 5 })))).next(),
      'in'
    )
    t.equal(
      (await refusal(url + path, [], bearer(tokenOf(app, [], { exp: seconds() - 1 })))).body.code,
      'FSR_ERR_TOKEN_EXPIRED'
    )
  }
})

t.test('a token found by extractToken must be valid on a route that takes tokens', async (t) => {
  const app = await createHooked(t, {
    jwt: { verify: { extractToken: (request) => request.headers['x-token'] as string } },
    hook: (app) => {
      app.addHook('onRequest', async (request) => {
        (request as { user: unknown }).user = { id: 7 }
      })
    }
  })
  app.socketRoute('/none', open, { isGranted: () => true, tokenFrom: [] })
  const url = await listen(app)
  const broken = { headers: { 'x-token': 'broken' } }
  t.equal((await refusal(url, [], broken)).body.code, 'FSR_ERR_TOKEN_INVALID')
  t.equal(await (await connect(`${url}/none`, [], broken)).next(), 'in')
})

t.test('several tokens of one request must all be of the same user', async (t) => {
  const app = await createHooked(t, {
    jwt: formatted,
    plugin: { connections: undefined },
    hook: (app) => { app.addHook('onRequest', verify as never) }
  })
  const url = await listen(app)
  const token = tokenOf(app)
  t.equal(await (await connect(url, ['bearer', token], bearer(token))).next(), 'in')
  t.equal(
    await (await connect(url, ['bearer', tokenOf(app, ['OTHER'])], bearer(token))).next(),
    'in'
  )
  t.equal(
    (await refusal(url, ['bearer', tokenOf(app, [], { sub: 'bob' })], bearer(token))).body.code,
    'FSR_ERR_TOKEN_INVALID'
  )
  const both = (cookie: string) => ({
    headers: { authorization: `Bearer ${token}`, cookie: `token=${cookie}` }
  })
  for (const stale of [
    'broken',
    tokenOf(app, [], { exp: seconds() - 1 }),
    tokenOf(app, [], { sub: 'bob', exp: 5 })
  ]) {
    t.equal(await (await connect(url, [], both(stale))).next(), 'in', 'beside a stale cookie')
  }
  t.equal((await refusal(url, [], both(tokenOf(app, [], { sub: 'bob' })))).status, 401)
  t.equal(
    await (await connect(url, ['bearer', 'broken'], {
      headers: { cookie: `token=${token}` }
    })).next(),
    'in',
    'the cookie is what the hook has verified'
  )
})

t.test('the first of several tokens of a user to be revoked or to expire counts', async (t) => {
  const clock = new TestClock()
  const ofProtocol: Way = (request) => request.jwtVerify(
    {
      verify: { extractToken: () => request.headers['sec-websocket-protocol']?.split(/, */)[1] }
    } as never
  )
  const app = await createHooked(t, {
    jwt: formatted,
    clock,
    plugin: { connections: undefined },
    hook: (app) => { app.addHook('onRequest', ofProtocol as never) }
  })
  const url = await listen(app)
  const old = tokenOf(app, [], { iat: seconds() - 100 })
  const fresh = bearer(tokenOf(app, [], { iat: seconds() - 5 }))
  const client = await connect(url, ['bearer', old], fresh)
  t.equal(await client.next(), 'in')
  t.equal(await app.socketRevoke({ sub: 'alice', before: seconds() - 50 }), 1)
  t.equal((await client.closed).code, 4403)
  t.equal((await refusal(url, ['bearer', old], fresh)).status, 401)

  const [short, long, without] = [{ exp: seconds() + 60 }, { exp: seconds() + 3_600 }, {}].map(
    (claims) => tokenOf(app, [], { sub: 'bob', ...claims })
  ) as [string, string, string]
  const clients = await Promise.all(
    [[short, long], [long, short], [short, without], [without, short]].map(
      ([header, protocol]) => connect(url, ['bearer', protocol!], bearer(header!))
    )
  )
  await clock.advance(62_000)
  for (const { closed } of clients) t.equal((await closed).code, 4401)
})

t.test('a user set without a token has its own sub, iat and exp', async (t) => {
  const clock = new TestClock()
  const users: Record<string, unknown> = {
    named: { sub: 5, iat: seconds() - 5, exp: seconds() + 30 },
    over: { sub: 'over', exp: seconds() - 1 },
    unnamed: { id: 7, sub: { odd: true }, exp: 'tomorrow' },
    text: 'alice'
  }
  for (const isGuarded of [true, false]) {
    const app = await createHooked(t, {
      isGuarded,
      clock,
      hook: (app) => {
        app.addHook('onRequest', async (request) => {
          (request as { user: unknown }).user = users[(request.query as { user: string }).user]
        })
      }
    })
    const url = await listen(app)
    const named = await connect(`${url}/?user=named`)
    t.equal((await refusal(`${url}/?user=named`)).status, 429)
    t.equal((await refusal(`${url}/?user=over`)).body.code, 'FSR_ERR_TOKEN_EXPIRED')
    for (const user of ['unnamed', 'unnamed', 'text']) {
      t.equal(await (await connect(`${url}/?user=${user}`)).next(), 'in')
    }
    t.equal(await app.socketRevoke({ sub: 5, before: seconds() }), 1)
    t.equal((await named.closed).code, 4403)
    t.equal((await refusal(`${url}/?user=named`)).status, 401)
  }
})

t.test('requireExpiry needs the exp of a guarded user without a token', async (t) => {
  const app = await createHooked(t, {
    plugin: { requireExpiry: true },
    hook: (app) => {
      app.addHook('onRequest', async (request) => {
        (request as { user: unknown }).user = {
          id: 7,
          ...(request.query as object),
          exp: Number((request.query as { exp?: string }).exp) || undefined
        }
      })
    }
  })
  app.socketRoute('/open', open)
  const url = await listen(app)
  t.equal((await refusal(url)).body.code, 'FSR_ERR_TOKEN_INVALID')
  t.equal(await (await connect(`${url}/?exp=${seconds() + 60}`)).next(), 'in')
  t.equal(await (await connect(`${url}/open`)).next(), 'in')
})

interface SessionsApp extends Omit<HookedApp, 'hook'> {
  readonly sessions: Record<string, object>
}

// An app whose hook finds sessions by a header, and whose clients may also send a token.
async function createWithSessions (t: Test, {
  sessions,
  plugin,
  ...others
}: SessionsApp): Promise<FastifyInstance> {
  const hook = (app: FastifyInstance): void => {
    app.addHook('onRequest', async (request) => {
      (request as { user: unknown }).user = sessions[String(request.headers['x-session'])]
    })
  }
  return await createHooked(t, {
    plugin: { tokenFrom: ['header', 'ticket'], connections: { perUser: 1 }, ...plugin },
    ...others,
    hook
  })
}

const beside = (session: string, token: string) => ({
  headers: { 'x-session': session, authorization: `Bearer ${token}` }
})

t.test('the names of a session and of a token beside it both count', async (t) => {
  for (const isGuarded of [true, false]) {
    const app = await createWithSessions(t, {
      isGuarded,
      sessions: {
        alice: { sub: 'alice', iat: seconds() - 5 },
        ageless: { sub: 'ageless' },
        nameless: { id: 7 }
      }
    })
    const url = await listen(app)
    const token = (sub: string) => tokenOf(app, [], { sub, iat: seconds() - 5 })

    const first = await connect(url, [], beside('alice', token('mallory')))
    t.equal(await first.next(), 'in')
    t.equal((await refusal(url, [], beside('alice', token('another')))).status, 429, 'the session')
    t.equal((await refusal(url, [], beside('nameless', token('mallory')))).status, 429, 'the token')
    t.equal(await app.socketRevoke({ sub: 'alice', before: seconds() - 1 }), 1)
    t.equal((await first.closed).code, 4403)
    t.equal(
      (await refusal(url, [], beside('alice', tokenOf(app, [], { sub: 'mallory' })))).status,
      401,
      'a new token makes no session new'
    )

    const second = await connectWhenFree(url, [], beside('ageless', token('mallory')))
    t.equal(await app.socketRevoke({ sub: 'mallory', before: seconds() - 1 }), 1)
    t.equal((await second.closed).code, 4403)
    t.equal((await refusal(url, [], beside('ageless', token('mallory')))).status, 401)
    const third = await connectWhenFree(url, [], beside('ageless', token('bob')))
    await app.socketRevoke({ sub: 'ageless', before: 1 })
    t.equal((await third.closed).code, 4403, 'nothing tells how old the session is')
    t.equal((await refusal(url, [], beside('ageless', token('bob')))).status, 401)
  }
})

t.test('a session revoked during the upgrade is rejected, despite a token', async (t) => {
  const app = await createWithSessions(t, {
    sessions: { alice: { sub: 'alice', iat: seconds() - 5 } }
  })
  app.socketRoute('/late', open, {
    isGranted: () => true,
    preHandler: async () => { await app.socketRevoke({ sub: 'alice' }) }
  })
  t.equal(
    (await refusal(
      `${await listen(app)}/late`,
      [],
      beside('alice', tokenOf(app, [], { sub: 'mallory' }))
    )).status,
    401
  )
})

t.test('a connection replaces the oldest of the session and of the token', async (t) => {
  const app = await createWithSessions(t, {
    plugin: { connections: { perUser: { max: 1, on: 'close-oldest' } } },
    sessions: { alice: { sub: 'alice' }, bob: { sub: 'bob' } }
  })
  const url = await listen(app)
  const come = (session: string, sub: string) => connect(
    url,
    [],
    beside(session, tokenOf(app, [], { sub }))
  )
  const older = [await come('alice', 'one'), await come('bob', 'two')]
  const both = await come('alice', 'two')
  for (const { closed } of older) t.equal((await closed).code, 1008)
  const again = await come('alice', 'two')
  t.equal((await both.closed).code, 1008)
  t.equal(await again.next(), 'in')
})

t.test('the end of a session ends its connection, also with a token beside it', async (t) => {
  const clock = new TestClock()
  const exp = seconds() + 30
  const sessions = {
    short: { sub: 'alice', exp },
    long: { exp: exp + 3_600 },
    over: { sub: 'alice', exp: 5 },
    odd: { exp: 'tomorrow' }
  }
  const app = await createWithSessions(t, {
    clock,
    sessions,
    plugin: { connections: undefined }
  })
  const url = await listen(app)
  const token = (claims: object) => tokenOf(app, [], { ...claims })
  const ends = [
    ['short', { exp: exp + 600 }],
    ['short', {}],
    ['long', { exp }],
    ['odd', { exp }]
  ] as const
  const clients = await Promise.all(ends.map(([session, claims]) => connect(
    url,
    [],
    beside(session, token(claims))
  )))
  const stays = await connect(url, [], beside('long', token({})))
  await clock.advance(32_000)
  for (const { closed } of clients) t.equal((await closed).code, 4401)
  t.equal(stays.socket.readyState, stays.socket.OPEN)
  t.equal((await refusal(url, [], beside('over', token({})))).body.code, 'FSR_ERR_TOKEN_EXPIRED')
})

t.test('a forged token cannot extend a session where expired tokens are valid', async (t) => {
  const clock = new TestClock()
  const exp = seconds() + 30
  const app = await createWithSessions(t, {
    clock,
    isGuarded: false,
    jwt: { verify: { ignoreExpiration: true } },
    sessions: { alice: { sub: 'alice', exp } }
  })
  const forged = `e30.${Buffer.from(JSON.stringify({ sub: 'alice', exp })).toString('base64url')}.c2ln`
  const client = await connect(await listen(app), [], beside('alice', forged))
  await clock.advance(32_000)
  t.equal((await client.closed).code, 4401)
})

t.test('tickets and renewals of a session with a token beside it go by both names', async (t) => {
  const app = await createWithSessions(t, {
    sessions: { alice: { sub: 'alice', iat: seconds() - 5 } }
  })
  app.socketRoute('/live', {
    schema: { in: {}, out: {} },
    on: {}
  }, { isGranted: () => true, tokenFrom: ['header', 'ticket'] })
  app.post('/ticket', async (request) => ({
    ticket: await app.socketTicket(request, { route: '/live' })
  }))
  const url = await listen(app)
  const both = beside('alice', tokenOf(app, [], { sub: 'mallory', iat: seconds() - 5 }))
  const { ticket } = (await app.inject({
    method: 'POST',
    url: '/ticket',
    ...both
  })).json<{ ticket: string }>()
  const client = await connect(`${url}/live?ticket=${ticket}`)
  t.equal((await refusal(url, [], both)).status, 429)
  client.send(JSON.stringify({
    type: 'renew',
    id: 1,
    data: { token: tokenOf(app, [], { sub: 'mallory' }) }
  }))
  t.match(await client.json(), { type: 'reply', id: 1 })
  t.equal(
    (await refusal(url, [], beside('alice', tokenOf(app, [], { sub: 'another' })))).status,
    429,
    'it is still of the session'
  )
  t.equal(await app.socketRevoke({ sub: 'alice' }), 1)
  t.equal((await client.closed).code, 4403)
  t.equal(
    (await connectWhenFree(
      url,
      [],
      bearer(tokenOf(app, [], { sub: 'mallory' }))
    )).socket.readyState,
    1,
    'nothing is left of the two'
  )
})

t.test('a user that a hook makes from a token has a second name only if it says so', async (t) => {
  const users: Record<string, (user: Record<string, unknown>) => unknown> = {
    'another object': () => ({ id: 7 }),
    'one that says more': (user) => ({ ...user, name: 'Alice' }),
    'what formatUser has made, and more': (user) => Object.assign(user, { name: 'Alice' }),
    'one with a name that is none': () => ({ sub: { odd: true } }),
    'a class with getters': () =>
      new (class { readonly #sub = 'alice'; get sub () { return this.#sub } })(),
    'a text': () => 'alice'
  }
  for (const [name, make] of Object.entries(users)) {
    const isNameless = typeof make({}) !== 'object' || name.endsWith('none')
    for (const subject of [
      undefined,
      'sub',
      ({ tenant, sub }: Claims) => `${String(tenant)}/${String(sub)}`
    ] as const) {
      // A function of the app makes a name of anything.
      if (isNameless && typeof subject === 'function') continue
      const app = await createHooked(t, {
        jwt: {
          formatUser: (claims) => ({
            ...claims as object,
            roles: [],
            exp: undefined,
            ...(name.startsWith('what') && { sub: 'everybody' })
          })
        },
        plugin: { connections: { perUser: 1 }, ...(subject !== undefined && { subject }) },
        hook: (app) => {
          app.addHook('onRequest', async (request) => {
            await request.jwtVerify();
            (request as { user: unknown }).user = make(request.user as never)
          })
        }
      })
      const url = await listen(app)
      const token = (sub: string) => tokenOf(app, [], {
        sub,
        tenant: 'acme',
        iss: 'issuer',
        exp: seconds() + 60
      })
      const clients = [await connect(url, [], bearer(token('alice')))]
      if (name !== 'a class with getters') {
        clients.push(await connect(url, [], bearer(token('bob'))))
      }
      t.equal((await refusal(url, [], bearer(token('alice')))).status, 429, name)
      for (const client of clients) t.equal(await client.next(), 'in', name)
    }
  }
})

t.test('an async formatUser is awaited; if it fails there is no user', async (t) => {
  const formatUser = async (claims: object) => {
    await undefined
    if ((claims as { sub: string }).sub === 'banned') throw new Error('is in no log')
    return { name: 'of a database', roles: ['R'] }
  }
  for (const hasHook of [false, true]) {
    const app = await createHooked(t, {
      jwt: { formatUser: formatUser as never },
      isGuarded: false,
      plugin: { connections: { perUser: 9 } },
      hook: (app) => {
        if (hasHook) {
          app.addHook('onRequest', async (request) => { await request.jwtVerify().catch(() => {}) })
        }
      }
    })
    app.socketRoute('/guarded', {
      onOpen: ({ user }) => user as object
    }, (user, request) => user === request.user &&
      (user as { name?: string }).name !== undefined)
    app.socketRoute('/role', { onOpen: ({ user }) => user as object }, 'R')
    app.socketRoute('/none', open, { isGranted: () => true, tokenFrom: [] })
    app.socketRoute('/open', { onOpen: ({ user }) => ({ user }) })
    const url = await listen(app)
    const [alice, banned] = ['alice', 'banned'].map((sub) => bearer(tokenOf(app, [], {
      sub,
      iat: seconds() - 5
    }))) as [ReturnType<typeof bearer>, ReturnType<typeof bearer>]
    for (const path of ['/guarded', '/role']) {
      t.strictSame(await (await connect(url + path, [], alice)).json(), {
        name: 'of a database',
        roles: ['R']
      })
      t.equal((await refusal(url + path, [], banned)).body.code, 'FSR_ERR_TOKEN_INVALID')
    }
    t.equal((await refusal(`${url}/none`, [], banned)).body.code, 'FSR_ERR_TOKEN_MISSING')
    t.strictSame(await (await connect(`${url}/open`, [], banned)).json(), { user: null })
    t.strictSame(await (await connect(`${url}/open`, [], alice)).json(), {
      user: hasHook ? { name: 'of a database', roles: ['R'] } : null
    })
    t.equal(await app.socketRevoke({ sub: 'alice' }), hasHook ? 3 : 2)
  }
})
