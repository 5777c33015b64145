import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { createApp } from '../../examples/roles/app.js'
import { connect, connectAs, refusal } from '../support/client.js'
import { startExample } from '../support/example.js'
import { listen, SECRET } from '../support/server.js'

async function start (t: Test): Promise<{ app: FastifyInstance, url: string }> {
  const app = await createApp({ secret: SECRET })
  t.teardown(() => app.close())
  return { app, url: await listen(app) }
}

async function login (app: FastifyInstance, name: string): Promise<string> {
  const response = await app.inject({ method: 'POST', url: '/login', payload: { name } })
  return response.json<{ token: string }>().token
}

// The routes that each user may use; the others reject with 403.
const table: ReadonlyArray<readonly [path: string, rule: string, names: readonly string[]]> = [
  ['/users', 'a role, also by way of the hierarchy', ['alice', 'bob', 'carol']],
  ['/staff', 'any role of a list', ['bob', 'carol', 'dave']],
  ['/red', 'a predicate', ['alice', 'carol']],
  ['/teams/blue', 'an async predicate that looks at the request', ['bob']],
  ['/teams/red', 'the same for another parameter', ['alice', 'carol']],
  ['/control', 'a role in the options', ['carol']],
  ['/newsroom/drafts', 'a scope', ['bob', 'carol']],
  ['/newsroom/scoops', 'a scope and the route: both must agree', ['carol']]
]

for (const [path, rule, names] of table) {
  t.test(`${path} is guarded by ${rule}`, async (t) => {
    const { app, url } = await start(t)
    for (const name of ['alice', 'bob', 'carol', 'dave']) {
      const token = await login(app, name)
      if (names.includes(name)) {
        const client = await connectAs(token, url + path)
        t.equal(await client.next(), `Hello ${name}!`)
        await client.close()
      } else {
        const { status, body } = await refusal(url + path, [], {
          headers: { authorization: `Bearer ${token}` }
        })
        t.match(
          { status, body },
          { status: 403, body: { code: 'FSR_ERR_NOT_GRANTED' } },
          `${name} stays out`
        )
      }
    }
    t.match(
      await refusal(url + path),
      { status: 401, body: { code: 'FSR_ERR_TOKEN_MISSING' } },
      'and so does who has no token'
    )
  })
}

t.test('/lobby is open to everyone', async (t) => {
  const { url } = await start(t)
  const client = await connect(`${url}/lobby`)
  t.equal(await client.next(), 'Hello whoever you are!')
  await client.close()
})

t.test('the token comes in the header, in the sub-protocol list or in a cookie', async (t) => {
  const { app, url } = await start(t)
  const response = await app.inject({ method: 'POST', url: '/login', payload: { name: 'alice' } })
  const { token } = response.json<{ token: string }>()

  const byHeader = await connectAs(token, `${url}/users`)
  t.equal(await byHeader.next(), 'Hello alice!')
  t.equal(byHeader.socket.protocol, '')

  const byProtocol = await connect(`${url}/users`, ['bearer', token])
  t.equal(await byProtocol.next(), 'Hello alice!')
  t.equal(byProtocol.socket.protocol, 'bearer', 'the token is not echoed')

  const cookie = String(response.headers['set-cookie'])
  t.match(cookie, /; HttpOnly; SameSite=Strict$/)
  const byCookie = await connect(`${url}/users`, [], { headers: { cookie: cookie.split(';')[0]! } })
  t.equal(await byCookie.next(), 'Hello alice!')

  const forged = { headers: { cookie: `token=${token}x` } }
  t.match(await refusal(`${url}/users`, [], forged), {
    status: 401,
    body: { code: 'FSR_ERR_TOKEN_INVALID' }
  })
  await Promise.all([byHeader.close(), byProtocol.close(), byCookie.close()])
})

t.test('who has no name there gets no token', async (t) => {
  const { app } = await start(t)
  const response = await app.inject({ method: 'POST', url: '/login', payload: { name: 'mallory' } })
  t.equal(response.statusCode, 401)
})

t.test('it runs', async (t) => {
  const { url } = await startExample(t, 'roles')
  const response = await fetch(`${url}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"carol"}'
  })
  const { token } = await response.json() as { token: string }
  const client = await connectAs(token, `${url.replace('http', 'ws')}/newsroom/scoops`)
  t.equal(await client.next(), 'Hello carol!')
  await client.close()
})
