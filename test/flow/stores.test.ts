import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type {
  RevocationStore,
  SocketPluginOptions,
  TicketStore,
  WsConnection
} from '../../src/index.js'
import { connect, connectAs, refusal } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { until } from '../support/until.js'

// The return values of the app's stores are checked: an invalid one admits no client, and the log
// names the fault.

const seconds = () => Math.floor(Date.now() / 1000)
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

async function createLogged (t: Test, plugin: SocketPluginOptions) {
  const lines: string[] = []
  const app = await createApp(t, {
    plugin,
    fastify: {
      logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } }
    }
  })
  app.socketRoute('/', {
    onOpen: () => 'in',
    onMessage: async (connection: WsConnection, message) => {
      await connection.renew(message.text)
      return 'renewed'
    },
    onError: (_connection, error) => (error as { code?: string }).code
  }, { isGranted: 'ROLE_USER', name: 'main', tokenFrom: ['ticket', 'header', 'message'] })
  app.post('/ticket', async (request) => ({
    ticket: await app.socketTicket(request, { route: 'main' })
  }))
  return { app, lines, url: await listen(app) }
}

const wrong: Record<string, unknown> = {
  'a text': '1700000000',
  'an empty text': '',
  'a text that is none': 'abc',
  NaN,
  Infinity: Number.POSITIVE_INFINITY,
  'a time in milliseconds': Date.now(),
  'a bigint': 5n,
  true: true,
  false: false,
  'a Date': new Date(),
  'what it was given': { sub: 'alice', before: 5 },
  'a list': [5],
  'a function': () => 5,
  'a symbol': Symbol('5')
}

const forms: Record<string, (value: unknown) => unknown> = {
  'at once': (value) => value,
  'by a promise': async (value) => value,
  'by a thenable': (value) => ({ then: (resolve: (value: unknown) => void) => { resolve(value) } })
}

for (const [form, give] of Object.entries(forms)) {
  t.test(`a RevocationStore that returns another value than a number: ${form}`, async (t) => {
    let answer: unknown
    const { app, lines, url } = await createLogged(t, {
      revocations: { revoke: () => {}, revokedBefore: () => give(answer) as undefined }
    })
    const token = tokenOf(app, undefined, { iat: seconds() - 5 })
    for (const nothing of [undefined, null, 0, -1, seconds() - 60]) {
      answer = nothing
      t.equal(await (await connectAs(token, url)).next(), 'in', String(nothing))
    }
    answer = null
    t.equal(
      await (await connectAs(
        tokenOf(app, undefined, { sub: 'bob', noTimestamp: true }),
        url
      )).next(),
      'in'
    )
    answer = seconds()
    t.equal((await refusal(url, [], bearer(token))).status, 401)
    for (const [name, value] of Object.entries(wrong)) {
      answer = value
      lines.length = 0
      const { status, body } = await refusal(url, [], bearer(token))
      t.match({ status, code: body.code }, { status: 503, code: 'FSR_ERR_STORE_FAILED' }, name)
      t.notMatch(body.message, 'revokedBefore')
      t.equal(lines.length, 1, name)
      t.match(lines[0], /revokedBefore\(\) of the RevocationStore returned/, name)
    }
  })
}

const failing: Record<string, () => unknown> = {
  throws: () => { throw new Error('out of order') },
  'throws nothing': () => { throw undefined }, // eslint-disable-line no-throw-literal
  rejects: async () => { throw new Error('out of order') },
  'rejects with nothing': () =>
    Promise.reject(), // eslint-disable-line prefer-promise-reject-errors
  'has a thenable that throws': () => ({ then () { throw new Error('out of order') } }),
  'has a then that throws when it is looked at': () => ({
    get then () { throw new Error('out of order') }
  }),
  'has a thenable that rejects': () => ({
    then (_resolve: unknown, reject: (error: Error) => void) { reject(new Error('out of order')) }
  })
}

for (const [what, fail] of Object.entries(failing)) {
  t.test(`a store that ${what} admits no client, at any kind of check`, async (t) => {
    let isBroken = false
    const answer = () => isBroken ? fail() as undefined : undefined
    const tickets = new Map<string, string>()
    const { app, url } = await createLogged(t, {
      revocations: { revoke: () => {}, revokedBefore: answer },
      tickets: {
        store: {
          put: (id, value) => { if (isBroken) return fail() as undefined; tickets.set(id, value) },
          take: (id) => isBroken ? fail() as undefined : tickets.get(id)
        }
      }
    })
    const token = tokenOf(app)
    const { ticket } = (await app.inject({
      method: 'POST',
      url: '/ticket',
      ...bearer(token)
    })).json<{ ticket: string }>()
    const client = await connectAs(token, url)
    await client.next()
    isBroken = true
    t.equal((await refusal(url, [], bearer(token))).body.code, 'FSR_ERR_STORE_FAILED')
    t.equal(
      (await refusal(url, [], bearer(tokenOf(app, undefined, { iss: 'a' })))).body.code,
      'FSR_ERR_STORE_FAILED'
    )
    t.match(await refusal(`${url}/?ticket=${ticket}`), {
      status: 503,
      body: { code: 'FSR_ERR_STORE_FAILED' }
    })
    t.match((await app.inject({ method: 'POST', url: '/ticket', ...bearer(token) })).json(), {
      statusCode: 503,
      code: 'FSR_ERR_STORE_FAILED'
    })
    client.send(token)
    t.equal(await client.next(), 'FSR_ERR_STORE_FAILED')
    const first = await connect(url)
    first.send(token)
    t.equal((await first.closed).code, 1011)
    isBroken = false
    client.send(token)
    t.equal(await client.next(), 'renewed')
  })
}

t.test('both subjects of a token with an issuer are looked up; either counts', async (t) => {
  const kept = new Map<string, number>()
  const asked: string[] = []
  for (const isAsync of [false, true]) {
    const store: RevocationStore = {
      revoke: ({ sub, before }) => { kept.set(sub, before) },
      revokedBefore: (sub) => {
        asked.push(sub)
        return isAsync ? Promise.resolve(kept.get(sub)) : kept.get(sub)
      }
    }
    const { app, url } = await createLogged(t, { revocations: store })
    const token = (sub: string, iss?: string) => tokenOf(app, undefined, {
      sub,
      iat: seconds() - 5,
      ...(iss === undefined ? {} : { iss })
    })
    const status = async (token: string) => (await refusal(url, [], bearer(token))).status
    await (await connectAs(token('a'), url)).next()
    t.strictSame(asked.splice(0), ['a'])
    await (await connectAs(token('a', 'x'), url)).next()
    t.strictSame(asked.splice(0), ['["x","a"]', 'a'])
    await app.socketRevoke({ sub: 'a', iss: 'x' })
    t.equal(await status(token('a', 'x')), 401)
    await (await connectAs(token('a', 'y'), url)).next()
    await app.socketRevoke({ sub: 'a' })
    t.equal(await status(token('a', 'y')), 401)
    t.equal(await status(token('a')), 401)
    t.strictSame([...kept.keys()], ['["x","a"]', 'a'])
    kept.clear()
    asked.length = 0
  }
})

t.test('an error at the second question of two ends nothing but the upgrade', async (t) => {
  const { app, url } = await createLogged(t, {
    revocations: {
      revoke: () => {},
      revokedBefore: (sub) => {
        if (sub === 'alice') throw new Error('no')
        return Promise.reject(new Error('no'))
      }
    }
  })
  t.equal((await refusal(url, [], bearer(tokenOf(app, undefined, { iss: 'x' })))).status, 503)
})

async function ticketOf (app: FastifyInstance): Promise<string> {
  return (await app.inject({
    method: 'POST',
    url: '/ticket',
    ...bearer(tokenOf(app, undefined, { iat: seconds() - 5 }))
  })).json<{ ticket: string }>().ticket
}

t.test('a TicketStore that returns another value than it was given admits no client', async (t) => {
  let change: (value: string) => unknown = (value) => value
  let kept = ''
  const store: TicketStore = {
    put: (_id, value) => { kept = value },
    take: () => change(kept) as string
  }
  const { app, lines, url } = await createLogged(t, { tickets: { store } })
  const altered = (changes: object) => (value: string) => JSON.stringify({
    ...JSON.parse(value),
    ...changes
  })
  const cases: Record<string, (value: string) => unknown> = {
    'not JSON': () => 'not JSON',
    'an empty text': () => '',
    null: () => 'null',
    'a number': () => '5',
    'a list': () => '[]',
    'an empty object': () => '{}',
    'its bytes': (value) => Buffer.from(value),
    'what was in it': (value) => JSON.parse(value),
    true: () => true,
    'no user': altered({ user: undefined }),
    'a user that is null': altered({ user: null }),
    'no end': altered({ end: undefined }),
    'an end that is a text': altered({ end: '9999999999999' }),
    'an exp that is a text': altered({ exp: '9999999999' }),
    'an iat that is null': altered({ iat: null }),
    'a sub that is a number': altered({ sub: 5 }),
    'a subject that is an object': altered({ subject: {} }),
    'an origin that is a list': altered({ origin: [] }),
    'a route that is none': altered({ route: 5 }),
    'all in a prototype': (value) => `{"__proto__":${value}}`,
    'a user with a prototype': (value) => value.replace(
      '"user":{',
      '"user":{"__proto__":{"roles":["ROLE_USER"]},'
    ),
    'a user with a constructor': (value) => value.replace(
      '"user":{',
      '"user":{"constructor":{"prototype":{"roles":["ROLE_USER"]}},'
    )
  }
  for (const [form, give] of Object.entries(forms)) {
    for (const [name, by] of Object.entries(cases)) {
      const ticket = await ticketOf(app)
      change = (value) => give(by(value))
      lines.length = 0
      const { status, body } = await refusal(`${url}/?ticket=${ticket}`)
      t.match(
        { status, code: body.code },
        { status: 503, code: 'FSR_ERR_STORE_FAILED' },
        `${name}, ${form}`
      )
      t.equal(lines.length, 1, name)
      t.match(lines[0], /take\(\) of the TicketStore returned/, name)
      t.notMatch(lines[0], 'ROLE_USER', name)
    }
    for (const nothing of [undefined, null]) {
      const ticket = await ticketOf(app)
      change = () => give(nothing)
      t.equal((await refusal(`${url}/?ticket=${ticket}`)).body.code, 'FSR_ERR_TICKET_INVALID')
    }
    const ticket = await ticketOf(app)
    change = give
    t.equal(await (await connect(`${url}/?ticket=${ticket}`)).next(), 'in')
  }
})

t.test('a user that is nothing as JSON, or reaches for a prototype, gets no ticket', async (t) => {
  const app = await createApp(t, { jwt: false })
  app.socketRoute('/', { onOpen: () => 'in' }, { isGranted: () => true, tokenFrom: ['ticket'] })
  await app.ready()
  for (const user of [
    { toJSON: () => undefined },
    { toJSON: () => null },
    () => {},
    JSON.parse('{"__proto__":{"a":1}}')
  ]) {
    await t.rejects(app.socketTicket({ headers: {}, user } as never, { route: '/' }), {
      code: 'FSR_ERR_OPTION_INVALID'
    })
  }
})

t.test('a store that never answers is waited for no longer than an upgrade may take', async (t) => {
  const clock = new TestClock()
  let asked = 0
  const app = await createApp(t, {
    clock,
    plugin: {
      revocations: {
        revoke: () => {},
        revokedBefore: () => { asked++; return new Promise<undefined>(() => {}) }
      }
    }
  })
  app.socketRoute('/', { onOpen: () => 'in' }, {
    isGranted: 'ROLE_USER',
    tokenFrom: ['header', 'message']
  })
  const url = await listen(app)
  const cut = t.rejects(connect(url, [], bearer(tokenOf(app))), /hang up|ECONNRESET/)
  const first = await connect(url)
  first.send(tokenOf(app))
  await until(() => asked === 2)
  await clock.advance(11_000)
  await cut
  t.strictSame(await first.closed, { code: 4401, reason: 'token missing' })
})

t.test('on a route without a guard a store that fails is told as what it is, too', async (t) => {
  const revocations = { revokedBefore () { throw new Error('down') }, revoke () {} }
  const app = await createApp(t, { plugin: { revocations } })
  app.addHook('onRequest', async (request) => { await request.jwtVerify().catch(() => {}) })
  app.socketRoute('/open', { onOpen: () => 'in' })
  const url = await listen(app)
  t.match(
    await refusal(`${url}/open`, [], { headers: { authorization: `Bearer ${tokenOf(app)}` } }),
    { status: 503, body: { code: 'FSR_ERR_STORE_FAILED' } }
  )
  t.equal(await (await connect(`${url}/open`)).next(), 'in')
})
