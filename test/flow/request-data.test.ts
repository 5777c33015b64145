// The part of the request that callbacks reach: values that the app has picked for connection.data.
import { once } from 'node:events'
import cookie from '@fastify/cookie'
import t from 'tap'
import type { FastifyRequest } from 'fastify'
import { connect, connectAs, refusal } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'

interface OfTeam extends FastifyRequest { team: { name: string }, visitor: { visits: number } }
interface Picked { tenant: string, visits: number, theme: undefined | string, id: string }

t.test('data of a route is what connection.data is at first, in every callback', async (t) => {
  const app = await createApp(t)
  await app.register(cookie)
  app.decorateRequest('team', null)
  app.addHook('onRequest', async (request) => { (request as OfTeam).team = { name: 'acme' } })
  // As sessions do: loaded later than the request comes.
  app.addHook('preValidation', async (request) => {
    await new Promise(setImmediate);
    (request as OfTeam).visitor = { visits: 3 }
  })
  const closed: unknown[] = []
  const data = async (request: OfTeam) => ({
    tenant: request.team.name,
    visits: request.visitor.visits,
    theme: request.cookies['theme'],
    id: request.id
  })
  const route = app.socketRoute<{ Data: Picked }>('/', {
    onOpen: ({ data }) => ({ ...data, hasId: data.id !== '' }),
    onMessage (connection) {
      connection.data.visits++
      return `${connection.data.tenant} ${connection.data.visits}`
    },
    onClose: ({ data }) => { closed.push(data.visits) }
  }, { data, preHandler: async (request) => { (request as OfTeam).visitor.visits++ } })
  const url = await listen(app)
  const client = await connect(url, [], { headers: { cookie: 'theme=dark' } })
  t.match(await client.json(), { tenant: 'acme', visits: 4, theme: 'dark', hasId: true })
  client.send('x')
  t.equal(await client.next(), 'acme 5')
  t.equal([...route.clients][0]!.data.tenant, 'acme', 'from anywhere')
  await client.close()
  t.strictSame(closed, [5])
  const other = await connect(url)
  t.match(await other.json(), { visits: 4 }, 'each has its own')
})

t.test('data may be sync, empty, and beside a contract or first message', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/sync', { onOpen: ({ data }) => data }, { data: ({ url }) => ({ url }) })
  app.socketRoute('/none', { onOpen: ({ data }) => data }, { data: () => undefined as never })
  app.socketRoute<{ Data: { url: string } }>('/first', { onOpen: ({ data }) => data }, {
    isGranted: 'ROLE_USER',
    tokenFrom: ['message'],
    data: ({ url }) => ({ url })
  })
  app.socketRoute('/contract', {
    schema: { in: { ask: { reply: {} } } },
    on: { ask: (connection) => connection.data }
  }, { data: ({ url }) => ({ url }) })
  const url = await listen(app)
  t.strictSame(await (await connect(`${url}/sync`)).json(), { url: '/sync' })
  t.strictSame(await (await connect(`${url}/none`)).json(), {})
  const first = await connect(`${url}/first`)
  first.send(tokenOf(app))
  t.strictSame(await first.json(), { url: '/first' })
  const asking = await connect(`${url}/contract`)
  asking.socket.send(JSON.stringify({ type: 'ask', id: 1 }))
  t.strictSame(await asking.json(), { type: 'reply', id: 1, data: { url: '/contract' } })
})

t.test('data that fails rejects the upgrade, and runs for admitted upgrades only', async (t) => {
  const app = await createApp(t)
  let asked = 0
  const options = (fail: () => unknown) => ({
    isGranted: 'ROLE_USER',
    data: () => { asked++; return fail() as Record<string, unknown> }
  })
  app.socketRoute(
    '/throws',
    { onOpen: () => 'in' },
    options(() => { throw Object.assign(new Error('no session'), { statusCode: 403 }) })
  )
  app.socketRoute(
    '/rejects',
    { onOpen: () => 'in' },
    options(async () => { throw new Error('no') })
  )
  app.socketRoute(
    '/nothing',
    { onOpen: () => 'in' },
    options(async () => await Promise.reject( // eslint-disable-line prefer-promise-reject-errors
      undefined
    ))
  )
  const url = await listen(app)
  const headers = { authorization: `Bearer ${tokenOf(app)}` }
  t.match(await refusal(`${url}/throws`, [], { headers }), {
    status: 403,
    body: { message: 'no session' }
  })
  t.equal((await refusal(`${url}/rejects`, [], { headers })).status, 500)
  t.equal((await refusal(`${url}/nothing`, [], { headers })).status, 500)
  t.equal(asked, 3)
  t.equal((await refusal(`${url}/throws`)).status, 401)
  t.equal((await app.inject({ url: '/throws', headers })).statusCode, 426)
  t.equal(asked, 3)
  t.throws(
    () => app.socketRoute('/wrong', { onOpen () {} }, { data: {} as never }),
    { code: 'FSR_ERR_OPTION_INVALID', message: /\(request\) => data/ }
  )
})

t.test('the request is released, whatever data has taken from it', async (t) => {
  const app = await createApp(t)
  const seen: FastifyRequest[] = []
  app.socketRoute('/', { onOpen: () => 'in' }, {
    isGranted: 'ROLE_USER',
    data: (request) => { seen.push(request); return { large: true } }
  })
  const client = await connectAs(tokenOf(app), await listen(app))
  await client.next()
  t.notOk(Object.getOwnPropertySymbols(seen[0]!).some(
    ({ description }) => description === 'fastify-socket-route.data'
  ))
  client.socket.terminate()
  await once(client.socket, 'close')
})

t.test('data is not asked for a handshake of inject(), which has no socket', async (t) => {
  const app = await createApp(t)
  let asked = 0
  app.socketRoute('/', { onOpen: () => 'in' }, { data: () => ({ asked: ++asked }) })
  const headers = {
    connection: 'upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.alloc(16).toString('base64')
  }
  t.equal((await app.inject({ url: '/', headers })).statusCode, 426)
  t.equal(asked, 0)
})
