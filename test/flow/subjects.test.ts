import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import socketRoutes, { type SocketPluginOptions, type WsConnection } from '../../src/index.js'
import { connect, connectAs, refusal } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'

// The identity of a user, for caps, revocations and renewals.

const seconds = () => Math.floor(Date.now() / 1000)
const open = { onOpen: () => 'in' }
const renewing = {
  onOpen: () => 'in',
  onMessage: async (connection: WsConnection, message: { text: string }) => {
    await connection.renew(message.text)
    return 'renewed'
  },
  onError: (_connection: WsConnection, error: Error) => (error as { code?: string }).code
}
const everybody = () => true

async function createIssuers (t: Test, plugin: SocketPluginOptions = {}) {
  const lines: string[] = []
  const app = await createApp(t, {
    jwt: false,
    plugin,
    fastify: {
      logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } }
    }
  })
  const scopes: Record<string, (claims?: object) => string> = {}
  for (const iss of ['customers', 'staff']) {
    await app.register(async (scope) => {
      await scope.register(jwt, {
        secret: `the secret of ${iss}, which is long enough`,
        verify: { allowedIss: iss }
      })
      scope.socketRoute('/live', renewing, {
        isGranted: everybody,
        tokenFrom: ['header', 'ticket']
      })
      scope.post('/ticket', async (request) => await app.socketTicket(request, {
        route: (request.query as { route: string }).route
      }))
      scopes[iss] = (claims = {}) => scope.jwt.sign({
        sub: '1',
        iss,
        iat: seconds() - 5,
        ...claims
      })
    }, { prefix: `/${iss}` })
  }
  const url = await listen(app)
  return { app, url, lines, customer: scopes['customers']!, staff: scopes['staff']! }
}

t.test('users of different issuers are different, also with the same sub', async (t) => {
  const { app, url, customer, staff } = await createIssuers(t, {
    connections: { perUser: { max: 1, on: 'close-oldest' } }
  })
  const one = await connectAs(staff(), `${url}/staff/live`)
  const other = await connectAs(customer(), `${url}/customers/live`)
  t.equal(await app.socketRevoke({ sub: '1', iss: 'customers', before: seconds() }), 1)
  t.strictSame(await other.closed, { code: 4403, reason: 'access revoked' })
  t.equal(
    (await refusal(`${url}/customers/live`, [], {
      headers: { authorization: `Bearer ${customer()}` }
    })).status,
    401
  )
  one.send(staff())
  t.strictSame(await one.take(2), ['in', 'renewed'])
  const newer = await connectAs(staff(), `${url}/staff/live`)
  t.strictSame(await one.closed, { code: 1008, reason: 'replaced by a newer connection' })
  newer.send(customer())
  t.strictSame(
    await newer.take(2),
    ['in', 'FSR_ERR_TOKEN_INVALID'],
    'of another issuer, which is of another key here'
  )
})

t.test('a revocation without iss is of every issuer; the log warns of several', async (t) => {
  const { app, url, lines, customer, staff } = await createIssuers(t)
  const clients = [
    await connectAs(staff(), `${url}/staff/live`),
    await connectAs(customer(), `${url}/customers/live`)
  ]
  const another = await connectAs(customer({ sub: '2' }), `${url}/customers/live`)
  t.equal(await app.socketRevoke({ sub: 1, before: seconds() }), 2)
  for (const client of clients) t.equal((await client.closed).code, 4403)
  for (const [path, token] of [['staff', staff()], ['customers', customer()]] as const) {
    t.equal(
      (await refusal(`${url}/${path}/live`, [], {
        headers: { authorization: `Bearer ${token}` }
      })).status,
      401
    )
  }
  t.equal(another.socket.readyState, 1)
  t.equal(await app.socketRevoke({ sub: 2, before: seconds() }), 1)
  t.strictSame(lines.map((line) => (JSON.parse(line) as { closed: number }).closed), [2])
  t.match(lines[0], 'set iss')
})

t.test("a ticket is not issued by a scope whose tokens are not the route's", async (t) => {
  const { app, url, customer } = await createIssuers(t)
  const ask = async (route: string) => await app.inject({
    method: 'POST',
    url: `/customers/ticket?route=${route}`,
    headers: { authorization: `Bearer ${customer()}` }
  })
  t.match((await ask('/staff/live')).json(), {
    statusCode: 500,
    code: 'FSR_ERR_OPTION_INVALID',
    message: /another @fastify\/jwt/
  })
  t.equal((await ask('/customers/live')).statusCode, 200)
  t.ok(url)
})

t.test('a renewal by a token of another issuer is rejected, also with the same key', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', renewing, 'ROLE_USER')
  const client = await connectAs(tokenOf(app, undefined, { iss: 'a' }), await listen(app))
  for (const [claims, answer] of [
    [{ iss: 'b' }, 'FSR_ERR_TOKEN_INVALID'],
    [{}, 'FSR_ERR_TOKEN_INVALID'],
    [{ iss: 'a' }, 'renewed']
  ] as const) {
    client.send(tokenOf(app, undefined, claims))
    if (answer === 'FSR_ERR_TOKEN_INVALID' && 'iss' in claims) await client.next()
    t.equal(await client.next(), answer)
  }
})

t.test('subject identifies users by a claim or a function, at every level', async (t) => {
  const app = await createApp(t, { plugin: { subject: 'id', connections: { perUser: 1 } } })
  app.socketRoute('/id', open, 'ROLE_USER')
  app.socketRoute('/tenant', open, {
    isGranted: 'ROLE_USER',
    subject: ({ tenant, id }) => `${String(tenant)}/${String(id)}`
  })
  await app.register(async (scope) => {
    scope.socketScope({ subject: 'sub' })
    scope.socketRoute('/sub', open, 'ROLE_USER')
  })
  const url = await listen(app)
  const token = (claims: object) => tokenOf(app, undefined, {
    iat: seconds() - 5,
    iss: 'x',
    tenant: 't',
    ...claims
  })
  const status = async (path: string, claims: object) =>
    (await refusal(url + path, ['bearer', token(claims)])).status

  const seven = await connectAs(token({ sub: 'a', id: 7 }), `${url}/id`)
  t.equal(await status('/id', { sub: 'b', id: '7' }), 429, 'a number is its digits')
  await connectAs(token({ sub: 'a', id: 8 }), `${url}/id`)
  const tenant = await connectAs(token({ id: 9 }), `${url}/tenant`)
  t.equal(await status('/tenant', { id: 9 }), 429)
  await connectAs(token({ id: 9, tenant: 'other' }), `${url}/tenant`)
  const named = await connectAs(token({ sub: 'a' }), `${url}/sub`)
  t.equal(await status('/sub', { sub: 'a', iss: 'y' }), 429, 'for any issuer')

  t.equal(
    await app.socketRevoke({ sub: 7, iss: 'x', before: seconds() }),
    0,
    'such a subject has no issuer'
  )
  for (const [sub, client] of [[7, seven], ['t/9', tenant], ['a', named]] as const) {
    t.equal(await app.socketRevoke({ sub, before: seconds() }), 1)
    t.equal((await client.closed).code, 4403)
  }
  t.equal(await status('/tenant', { id: 9 }), 401)
})

t.test('a renewal has to be of the subject that is named', async (t) => {
  const app = await createApp(t, { plugin: { subject: 'id' } })
  app.socketRoute('/', renewing, 'ROLE_USER')
  const client = await connectAs(tokenOf(app, undefined, { id: 7 }), await listen(app))
  client.send(tokenOf(app, undefined, { id: 8 }))
  t.strictSame(await client.take(2), ['in', 'FSR_ERR_TOKEN_INVALID'])
  client.send(tokenOf(app, undefined, { sub: 'bob', id: 7 }))
  t.equal(await client.next(), 'renewed')
})

t.test('a user without a subject is rejected; the log has the reason and no value', async (t) => {
  const lines: string[] = []
  const logger = { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } }
  const odd: Record<string, (id: unknown) => unknown> = {
    promise: async (id) => id,
    thenable: (id) => ({ then: (resolve: (id: unknown) => void) => { resolve(id) } }),
    undefined: () => undefined,
    null: () => null,
    'an empty one': () => '',
    NaN: () => NaN,
    object: (id) => ({ id }),
    array: (id) => [id],
    'a throw of nothing': () => { throw undefined }, // eslint-disable-line no-throw-literal
    'a throw': (id) => { throw new RangeError(`of ${String(id)}`) }
  }
  const app = await createApp(t, { fastify: { logger } })
  for (const [name, subject] of Object.entries(odd)) {
    app.socketRoute(`/${name.replaceAll(' ', '-')}`, open, {
      isGranted: everybody,
      subject: ({ id }) => subject(id) as string,
      name
    })
  }
  app.socketRoute('/claim', open, { isGranted: everybody, subject: 'id' })
  app.addHook('onRequest', async (request) => {
    if ('user' in (request.query as object)) (request as { user: unknown }).user = { roles: [] }
  })
  const url = await listen(app)
  const token = tokenOf(app, [], { id: 'secret-id' })
  for (const route of app.socketRoutes.values()) {
    if (route.name === '/claim') continue
    t.equal(
      (await refusal(url + route.path, ['bearer', token])).body.code,
      'FSR_ERR_TOKEN_INVALID',
      route.name
    )
  }
  t.equal(lines.length, Object.keys(odd).length)
  t.ok(lines.every((line) => line.includes('a user has no subject')))
  t.match(lines.at(-1), /the function subject threw a RangeError/)
  t.notOk(lines.some((line) => line.includes('secret-id')))
  t.equal((await refusal(`${url}/claim`, ['bearer', tokenOf(app)])).status, 401)
  t.equal((await refusal(`${url}/claim?user`)).status, 401, 'nor is a user that a hook has set')
})

t.test('on a route without a guard a user without a subject is let in', async (t) => {
  const app = await createApp(t, { plugin: { subject: 'id' } })
  app.addHook('onRequest', async (request) => { await request.jwtVerify() })
  app.socketRoute('/', open)
  t.equal(await (await connectAs(tokenOf(app), await listen(app))).next(), 'in')
})

t.test('a sub that is no name, and an iss that is none, are no users', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', open, 'ROLE_USER')
  const url = await listen(app)
  for (const claims of [
    { sub: '' },
    { sub: 2 ** 53 },
    { sub: 0.5 },
    { sub: true },
    { iss: 5 },
    { iss: ['a'] },
    { iss: null }
  ]) {
    t.equal(
      (await refusal(url, ['bearer', tokenOf(app, undefined, claims)])).body.code,
      'FSR_ERR_TOKEN_INVALID',
      JSON.stringify(claims)
    )
  }
})

t.test('a user who is called like one of an issuer is not taken for that', async (t) => {
  const app = await createApp(t, { plugin: { connections: { perUser: 1 } } })
  app.socketRoute('/', open, 'ROLE_USER')
  const url = await listen(app)
  const of = (claims: object) => tokenOf(app, undefined, { iat: seconds() - 5, ...claims })
  const real = await connectAs(of({ iss: 'a', sub: 'b' }), url)
  const called = await connectAs(of({ sub: '["a","b"]' }), url)
  await connectAs(of({ sub: '["a"]' }), url)
  t.equal(await app.socketRevoke({ sub: '["a","b"]', before: seconds() }), 1)
  t.equal((await called.closed).code, 4403)
  t.equal(await app.socketRevoke({ sub: 'b', iss: 'a', before: seconds() }), 1)
  t.equal((await real.closed).code, 4403)
})

t.test('an invalid subject is an error at registration', async (t) => {
  for (const subject of ['', 5, null, [], {}]) {
    await t.rejects(
      async () => { await Fastify().register(socketRoutes, { subject: subject as never }) },
      { code: 'FSR_ERR_OPTION_INVALID' },
      JSON.stringify(subject)
    )
  }
})

t.test('perUser without subjects is logged once for each route', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    plugin: { connections: { perUser: 1 } },
    fastify: {
      logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } }
    }
  })
  app.socketRoute('/', open, 'ROLE_USER')
  app.socketRoute('/first', open, { isGranted: 'ROLE_USER', tokenFrom: ['message'] })
  app.socketRoute('/open', open)
  const url = await listen(app)
  const token = tokenOf(app, undefined, { sub: undefined })
  for (const path of ['/', '/']) t.equal(await (await connectAs(token, url + path)).next(), 'in')
  t.equal(await (await connect(`${url}/open`)).next(), 'in')
  const first = await connect(`${url}/first`)
  first.send(token)
  t.equal(await first.next(), 'in')
  t.strictSame(lines.map((line) => (JSON.parse(line) as { route: string }).route), ['/', '/first'])
})
