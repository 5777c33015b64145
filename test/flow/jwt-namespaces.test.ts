import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import t, { type Test } from 'tap'
import type { SocketPluginOptions, WsConnection } from '../../src/index.js'
import { connect, connectAs, refusal } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'

// An app may have several @fastify/jwt, each with a namespace. The option jwt names the one to use.

const seconds = () => Math.floor(Date.now() / 1000)
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
const open = { onOpen: () => 'in' }
const secretOf = (namespace: string) => `the secret of ${namespace}, which is long enough`
const renewing = {
  onOpen: () => 'in',
  onMessage: async (connection: WsConnection, message: { text: string }) => {
    await connection.renew(message.text)
    return 'renewed'
  },
  onError: (_connection: WsConnection, error: Error) => (error as { code?: string }).code
}

type Namespaces = Record<string, { sign (claims: object): string }>

async function createNamespaces (t: Test, plugin: SocketPluginOptions = {}) {
  const clock = new TestClock()
  const app = await createApp(t, { jwt: false, plugin, clock })
  await app.register(cookie)
  await app.register(jwt, {
    namespace: 'access',
    secret: secretOf('access'),
    verify: { clockTolerance: 10_000 }
  })
  await app.register(jwt, {
    namespace: 'refresh',
    secret: secretOf('refresh'),
    jwtVerify: 'verifyRefresh',
    cookie: { cookieName: 'refresh', signed: false }
  })
  const { access, refresh } = app.jwt as unknown as Namespaces
  return {
    app,
    clock,
    access: (claims: object = {}) => access!.sign({ sub: 'alice', iat: seconds() - 5, ...claims }),
    refresh: (claims: object = {}) => refresh!.sign({ sub: 'alice', ...claims })
  }
}

t.test('only tokens of the named namespace count, with its keys, cookie and times', async (t) => {
  const { app, clock, access, refresh } = await createNamespaces(t, {
    jwt: 'access',
    connections: { perUser: 3 }
  })
  app.socketRoute('/', renewing, { isGranted: () => true, tokenFrom: ['header', 'message'] })
  app.socketRoute('/refresh', open, {
    isGranted: () => true,
    jwt: { namespace: 'refresh', jwtVerify: 'verifyRefresh' }
  })
  app.socketRoute('/tickets', open, { isGranted: () => true, tokenFrom: ['ticket'] })
  app.post('/ticket', async (request) => ({
    ticket: await app.socketTicket(request, { route: '/tickets' })
  }))
  const url = await listen(app)

  t.equal((await refusal(url, [], bearer(refresh()))).body.code, 'FSR_ERR_TOKEN_INVALID')
  const client = await connectAs(access({ exp: seconds() + 5 }), url)
  client.send(refresh())
  t.strictSame(await client.take(2), ['in', 'FSR_ERR_TOKEN_INVALID'], 'nor at a renewal')
  client.send(access({ exp: seconds() + 5 }))
  t.equal(await client.next(), 'renewed')

  const later = await connect(url)
  later.send(refresh())
  t.strictSame(
    await later.closed,
    { code: 4401, reason: 'token not valid' },
    'nor as the first message'
  )
  const first = await connect(url)
  first.send(access())
  t.equal(await first.next(), 'in')

  t.equal(
    (await app.inject({ method: 'POST', url: '/ticket', ...bearer(refresh()) })).statusCode,
    401,
    'nor for a ticket'
  )
  const { ticket } = (await app.inject({
    method: 'POST',
    url: '/ticket',
    ...bearer(access())
  })).json<{ ticket: string }>()
  t.equal(await (await connect(`${url}/tickets?ticket=${ticket}`)).next(), 'in')

  const cookies = { headers: { cookie: `refresh=${refresh({ sub: 'bob' })}` } }
  t.equal(await (await connect(`${url}/refresh`, [], cookies)).next(), 'in')
  await clock.advance(17_000)
  t.equal((await client.closed).code, 4401, 'with its tolerance')
})

t.test("a user verified with another namespace than the route's does not count", async (t) => {
  const { app, access, refresh } = await createNamespaces(t, { jwt: 'access' })
  app.addHook('onRequest', async (request) => {
    const either = request as unknown as {
      accessJwtVerify (): Promise<void>
      verifyRefresh (): Promise<void>
    }
    await either.accessJwtVerify().catch(async () => { await either.verifyRefresh() })
  })
  app.socketRoute('/', open, () => true)
  const url = await listen(app)
  t.equal((await refusal(url, [], bearer(refresh()))).body.code, 'FSR_ERR_TOKEN_INVALID')
  t.equal(await (await connect(url, [], bearer(access()))).next(), 'in')
  t.equal(await app.socketRevoke({ sub: 'alice', before: seconds() }), 1)
})

t.test('a scope can name a namespace; the default is @fastify/jwt without one', async (t) => {
  const app = await createApp(t)
  await app.register(jwt, { namespace: 'staff', secret: secretOf('staff') })
  app.socketRoute('/', open, () => true)
  await app.register(async (scope) => {
    scope.socketScope({ jwt: 'staff' })
    scope.socketRoute('/staff', open, () => true)
  })
  const url = await listen(app)
  const staff = (app.jwt as unknown as Namespaces)['staff']!.sign({ sub: 'alice' })
  t.equal(await (await connectAs(staff, `${url}/staff`)).next(), 'in')
  t.equal(await (await connectAs(tokenOf(app), url)).next(), 'in')
  t.equal((await refusal(url, [], bearer(staff))).status, 401)
  t.equal((await refusal(`${url}/staff`, [], bearer(tokenOf(app)))).status, 401)
})

t.test('a missing namespace is an error at ready() that lists the existing ones', async (t) => {
  const cases: Array<[plugin: SocketPluginOptions, message: RegExp]> = [
    [{}, /only under a namespace \(access, refresh\), which the option jwt has to name/],
    [
      { jwt: 'acess' },
      /not registered under the namespace 'acess', with request\.acessJwtVerify\(\)/
    ],
    [
      { jwt: 'refresh' },
      /not registered under the namespace 'refresh', with request\.refreshJwtVerify\(\)/
    ],
    [
      { jwt: { namespace: 'access', jwtVerify: 'verifyAccess' } },
      /'access', with request\.verifyAccess\(\)/
    ],
    [{ jwt: 'toString' }, /'toString'/]
  ]
  for (const [plugin, message] of cases) {
    const { app } = await createNamespaces(t, plugin)
    app.socketRoute('/', open, () => true)
    await t.rejects(async () => { await app.ready() }, { code: 'FSR_ERR_JWT_MISSING', message })
  }
  const none = await createApp(t, { jwt: false, plugin: { jwt: 'access' } })
  none.socketRoute('/', open, () => true)
  await t.rejects(
    async () => { await none.ready() },
    { code: 'FSR_ERR_JWT_MISSING', message: /'access'/ }
  )
})

t.test('a value that names no namespace is an error at registration', async (t) => {
  for (const name of [
    '',
    5,
    null,
    [],
    { secret: 'x' },
    { namespace: '' },
    { jwtVerify: 'verify' },
    { namespace: 'a', jwtVerify: '' }
  ]) {
    await t.rejects(
      createApp(t, { jwt: false, plugin: { jwt: name as never } }),
      { code: 'FSR_ERR_OPTION_INVALID' },
      JSON.stringify(name)
    )
  }
})
