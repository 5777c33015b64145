import jwt from '@fastify/jwt'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { SocketPluginOptions, TicketStore, WsConnection } from '../../src/index.js'
import { MemoryTickets } from '../../src/auth/ticket.js'
import { connect, refusal } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, SECRET, tokenOf } from '../support/server.js'
import { mustNotBeLogged } from '../support/witness.js'

// P22: a browser asks REST for a ticket, with its token or cookie, and connects with it in the
// address.

const PAGE = 'https://app.example'

async function createTicketApp (t: Test, plugin: SocketPluginOptions = {}, clock?: TestClock) {
  const lines: string[] = []
  const app = await createApp(t, {
    plugin,
    clock,
    fastify: { logger: { level: 'trace', stream: { write: (line) => { lines.push(line) } } } }
  })
  const seen: WsConnection[] = []
  const options = {
    isGranted: 'ROLE_USER',
    tokenFrom: ['ticket', 'header'],
    origins: ['same-origin', PAGE, 'https://other.example']
  } as const
  app.socketRoute(
    '/chat/:room',
    { onOpen: (connection) => { seen.push(connection); return 'in' } },
    { ...options, name: 'chat' }
  )
  app.socketRoute('/other', { onOpen: () => 'in' }, { ...options, name: 'other' })
  app.post('/ticket', async (request) => ({
    ticket: await app.socketTicket(request, { route: 'chat' })
  }))
  const url = await listen(app)
  return { app, url, seen, lines }
}

async function ticketFor (
  app: FastifyInstance,
  token: string,
  headers: Record<string, string> = {}
): Promise<string> {
  const answer = await app.inject({
    method: 'POST',
    url: '/ticket',
    headers: { authorization: `Bearer ${token}`, ...headers }
  })
  const { ticket } = answer.json<{ ticket: string }>()
  mustNotBeLogged(ticket)
  return ticket
}

t.test('a ticket admits its user once, and reaches no log and no callback', async (t) => {
  const { app, url, seen, lines } = await createTicketApp(t)
  const ticket = await ticketFor(app, tokenOf(app))
  t.match(ticket, /^[\w-]{43}$/)
  const path = `${url}/chat/lobby?page=2&ticket=${ticket}&sort=up`
  const client = await connect(path)
  t.equal(await client.next(), 'in')
  const [connection] = seen
  t.match(connection!.user, { sub: 'alice', roles: ['ROLE_USER'] })
  t.strictSame(
    { ...connection!.query },
    { page: '2', sort: 'up' },
    'the other parameters are as they were'
  )
  t.match(await refusal(path), {
    status: 401,
    body: { code: 'FSR_ERR_TICKET_INVALID' },
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' }
  })
  t.notOk(lines.some((line) => line.includes(ticket)))
  t.ok(lines.some((line) => line.includes('/chat/lobby?page=2&sort=up')))
})

t.test('one of several clients with the same ticket at the same time is admitted', async (t) => {
  const { app, url, seen } = await createTicketApp(t)
  const ticket = await ticketFor(app, tokenOf(app))
  const answers = await Promise.allSettled(Array.from({ length: 20 }, () => connect(
    `${url}/chat/x?ticket=${ticket}`
  )))
  t.equal(answers.filter(({ status }) => status === 'fulfilled').length, 1)
  t.equal(seen.length, 1)
})

t.test('a ticket is for one route; shown at another it counts as used', async (t) => {
  const { app, url } = await createTicketApp(t)
  const ticket = await ticketFor(app, tokenOf(app))
  t.equal((await refusal(`${url}/other?ticket=${ticket}`)).body.code, 'FSR_ERR_TICKET_INVALID')
  t.equal((await refusal(`${url}/chat/x?ticket=${ticket}`)).status, 401)
})

t.test('a ticket is for the page that has asked for it', async (t) => {
  const { app, url } = await createTicketApp(t)
  const own = url.replace('ws', 'http')
  type Origin = undefined | string
  const cases: Array<[asked: Origin, connects: Origin, status: 101 | 401]> = [
    [PAGE, PAGE, 101],
    [PAGE, 'https://other.example', 401],
    [PAGE, undefined, 401],
    // A browser names no origin when a page reads from its own server.
    [undefined, own, 101],
    [undefined, undefined, 101],
    [undefined, PAGE, 401]
  ]
  for (const [asked, connects, status] of cases) {
    const ticket = await ticketFor(app, tokenOf(app), asked === undefined ? {} : { origin: asked })
    const options = connects === undefined ? {} : { origin: connects }
    const path = `${url}/chat/x?ticket=${ticket}`
    const name = `asked for by ${asked}, used by ${connects}`
    if (status === 101) t.equal(await (await connect(path, [], options)).next(), 'in', name)
    else t.equal((await refusal(path, [], options)).body.code, 'FSR_ERR_TICKET_INVALID', name)
  }
})

t.test('a ticket is good for a short time', async (t) => {
  const clock = new TestClock()
  const { app, url } = await createTicketApp(t, {}, clock)
  const ticket = await ticketFor(app, tokenOf(app))
  await clock.advance(30_000)
  t.equal((await refusal(`${url}/chat/x?ticket=${ticket}`)).body.code, 'FSR_ERR_TICKET_INVALID')
})

t.test('the expiry of the token is that of the ticket and of its connection', async (t) => {
  const clock = new TestClock()
  const { app, url } = await createTicketApp(t, { tickets: { ttl: 3_600_000 } }, clock)
  const exp = Math.floor(Date.now() / 1000) + 60
  const tickets = [
    await ticketFor(app, tokenOf(app, undefined, { exp })),
    await ticketFor(app, tokenOf(app, undefined, { exp }))
  ]
  const client = await connect(`${url}/chat/x?ticket=${tickets[0]}`)
  await clock.advance(61_000)
  t.equal((await client.closed).code, 4401)
  t.equal((await refusal(`${url}/chat/x?ticket=${tickets[1]}`)).body.code, 'FSR_ERR_TOKEN_EXPIRED')
})

t.test('a ticket asks isGranted and the revocations like the token it was made from', async (t) => {
  const { app, url } = await createTicketApp(t)
  t.equal(
    (await refusal(`${url}/chat/x?ticket=${await ticketFor(app, tokenOf(app, ['OTHER']))}`)).status,
    403
  )
  const ticket = await ticketFor(
    app,
    tokenOf(app, undefined, { iat: Math.floor(Date.now() / 1000) - 5 })
  )
  await app.socketRevoke({ sub: 'alice' })
  t.equal((await refusal(`${url}/chat/x?ticket=${ticket}`)).body.code, 'FSR_ERR_TOKEN_INVALID')
})

t.test('REST sends 401 for a ticket request without a valid token', async (t) => {
  const { app } = await createTicketApp(t)
  for (const [authorization, code] of [
    [undefined, 'FSR_ERR_TOKEN_MISSING'],
    ['Bearer broken', 'FSR_ERR_TOKEN_INVALID'],
    [`Bearer ${tokenOf(app, undefined, { exp: 5 })}`, 'FSR_ERR_TOKEN_EXPIRED']
  ] as const) {
    const answer = await app.inject({
      method: 'POST',
      url: '/ticket',
      headers: authorization === undefined ? {} : { authorization }
    })
    t.match(answer.json(), { statusCode: 401, code })
    t.match(answer.headers['www-authenticate'], /^Bearer/)
  }
  t.equal(
    (await app.inject({ method: 'POST', url: '/ticket?access_token=x&ticket=y' })).json().code,
    'FSR_ERR_TOKEN_MISSING',
    'only header and cookie count there'
  )
})

t.test('an app without tokens can issue tickets for the users of its sessions', async (t) => {
  const app = await createApp(t, { jwt: false })
  app.decorateRequest('user', null as never)
  app.addHook('onRequest', async (request) => {
    if (request.method === 'POST') Object.assign(request, { user: { id: 7, roles: ['ROLE_USER'] } })
  })
  app.socketRoute(
    '/',
    { onOpen: (connection) => connection.user as object },
    { isGranted: 'ROLE_USER', tokenFrom: ['ticket'] }
  )
  app.post('/ticket', async (request) => ({
    ticket: await app.socketTicket(request, { route: '/' })
  }))
  const url = await listen(app)
  t.strictSame(await (await connect(`${url}/?ticket=${await ticketFor(app, 'none')}`)).json(), {
    id: 7,
    roles: ['ROLE_USER']
  })
  t.equal((await refusal(url)).body.code, 'FSR_ERR_TOKEN_MISSING')
})

t.test('the log warns of a token for a ticket in a scope without @fastify/jwt', async (t) => {
  for (const isOfRoute of [true, false]) {
    const lines: Array<{ msg: string }> = []
    const app = await createApp(t, {
      jwt: false,
      fastify: {
        logger: {
          level: 'warn',
          stream: { write: (line: string) => { lines.push(JSON.parse(line)) } }
        }
      }
    })
    await app.register(async (scope) => {
      if (isOfRoute) await scope.register(jwt, { secret: SECRET })
      scope.socketRoute('/', { onOpen: () => 'in' }, {
        isGranted: 'ROLE_USER',
        tokenFrom: ['ticket']
      })
    })
    app.post('/ticket', async (request) => ({
      ticket: await app.socketTicket(request, { route: '/' })
    }))
    t.equal((await app.inject({ method: 'POST', url: '/ticket' })).statusCode, 401)
    t.strictSame(lines, [], 'not of a request without one')
    t.equal(
      (await app.inject({
        method: 'POST',
        url: '/ticket',
        headers: { authorization: 'Bearer a.b.c' }
      })).statusCode,
      401
    )
    t.match(lines[0], {
      level: 40,
      route: '/',
      msg: /@fastify\/jwt is not registered in the scope of the request/
    })
  }
})

t.test('a store of the app keeps tickets, and never sees one that could be used', async (t) => {
  const kept = new Map<string, string>()
  const ttls: number[] = []
  let isBroken = false
  const store: TicketStore = {
    put: async (id, value, ttl) => { kept.set(id, value); ttls.push(ttl) },
    take: async (id) => {
      if (isBroken) throw new Error('out of order')
      const value = kept.get(id) ?? null
      kept.delete(id)
      return value
    }
  }
  const { app, url, lines } = await createTicketApp(t, { tickets: { store, ttl: 60_000 } })
  const ticket = await ticketFor(app, tokenOf(app))
  t.strictSame(ttls, [60_000])
  t.notOk([...kept].flat().some((text) => text.includes(ticket)))
  const [[id, value]] = [...kept] as [[string, string]]
  t.equal(await (await connect(`${url}/chat/x?ticket=${ticket}`)).next(), 'in')
  t.equal(kept.size, 0)
  t.equal((await refusal(`${url}/chat/x?ticket=${ticket}`)).status, 401)
  t.equal((await refusal(`${url}/chat/x?ticket=${id}`)).status, 401)
  // A store that forgets nothing.
  kept.set(id, JSON.stringify({ ...JSON.parse(value), end: Date.now() - 1 }))
  t.equal((await refusal(`${url}/chat/x?ticket=${ticket}`)).status, 401)
  isBroken = true
  const { status, body } = await refusal(`${url}/chat/x?ticket=${ticket}`)
  t.match(
    { status, code: body.code },
    { status: 503, code: 'FSR_ERR_STORE_FAILED' },
    'no client is admitted'
  )
  t.notMatch(body.message, 'out of order', 'the client is not told why')
  t.ok(lines.some((line) => line.includes('out of order')), 'but the log')
  isBroken = false
  kept.set(id, 'not JSON')
  t.equal((await refusal(`${url}/chat/x?ticket=${ticket}`)).status, 503)
})

t.test('tickets in this process are bounded in bytes, expire, and are taken once', async (t) => {
  const store = new MemoryTickets(new TestClock())
  const mega = 'x'.repeat(1_000_000)
  for (let count = 0; count < 100; count++) store.put(`${count}`, mega, 60_000)
  t.equal(store.take('0'), undefined)
  t.equal(store.take('32'), undefined)
  t.equal(store.take('33'), mega)
  t.equal(store.take('34'), mega)
  t.equal(store.take('34'), undefined)
  t.equal(store.take('99'), mega)
  t.equal(store.take('99'), undefined)

  const clock = new TestClock()
  const brief = new MemoryTickets(clock)
  brief.put('a', 'x', 1)
  clock.stall(2)
  brief.put('b', 'y', 60_000)
  t.equal(brief.take('a'), undefined)
  t.equal(brief.take('b'), 'y')

  brief.put('larger than all may be', 'x'.repeat(70_000_000), 60_000)
  t.equal(brief.take('larger than all may be'), undefined)
  for (let count = 0; count < 100; count++) brief.put(`${count}`, mega, 60_000)
  t.equal(brief.take('32'), undefined, 'and the next are bounded as before')
  t.equal(brief.take('33'), mega)
})

t.test('invalid ticket requests throw: the route, the user, the options', async (t) => {
  const app = await createApp(t, { plugin: { tokenFrom: ['ticket'] } })
  app.socketRoute('/guarded', { onOpen: () => 'in' }, {
    tokenFrom: ['header'],
    isGranted: 'ROLE_USER'
  })
  app.socketRoute('/open', { onOpen: () => 'in' })
  app.socketRoute('/right', { onOpen: () => 'in' }, 'ROLE_USER')
  app.post('/:name', async (request) => await app.socketTicket(request, {
    route: `/${(request.params as { name: string }).name}`
  }))
  for (const name of ['nowhere', 'guarded', 'open']) {
    t.match(
      (await app.inject({ method: 'POST', url: `/${name}` })).json(),
      { code: 'FSR_ERR_OPTION_INVALID', statusCode: 500 },
      name
    )
  }
  await t.rejects(
    app.socketTicket({ headers: {}, user: { id: 1n } } as never, { route: '/right' }),
    { code: 'FSR_ERR_OPTION_INVALID' }
  )
  for (const options of [
    undefined,
    '/right',
    {},
    { rout: '/right' },
    { route: '/right', ttl: 5 },
    new Map()
  ]) {
    await t.rejects(
      app.socketTicket({ headers: {}, user: { id: 1 } } as never, options as never),
      { code: 'FSR_ERR_OPTION_INVALID' }
    )
  }
  for (const request of [undefined, {}, '/right']) {
    await t.rejects(app.socketTicket(request as never, { route: '/right' }), {
      code: 'FSR_ERR_OPTION_INVALID',
      message: /^The first argument of socketTicket\(\)/
    })
  }
  for (const tickets of [
    { ttl: 0 },
    { ttl: '1' },
    { store: 5 },
    { store: {} },
    { store: { put: () => {} } },
    { other: 1 },
    5,
    null
  ]) {
    await t.rejects(
      createApp(t, { plugin: { tickets: tickets as never } }),
      { code: 'FSR_ERR_OPTION_INVALID' },
      JSON.stringify(tickets)
    )
  }
})
