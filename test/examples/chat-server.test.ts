import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { createChat } from '../../examples/chat/app.js'
import { connect, refusal, type Client } from '../support/client.js'
import { startExample } from '../support/example.js'

interface Chat {
  readonly app: FastifyInstance
  /**
   * Connects to a room, with a token as a browser sends it, and waits until the client has come in.
   */
  enter (room: string, token?: string): Promise<Member>
  /** Signs a demo user in and answers the token. */
  signIn (name: string): Promise<string>
  url (room: string): string
}

interface Member {
  readonly client: Client
  readonly name: string
}

async function createServer (t: Test): Promise<Chat> {
  const app = await createChat({ secret: 'a secret of the tests, thirty-two bytes or more' })
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const url = (room: string) => `ws://127.0.0.1:${port}/chat/${room}`
  return {
    app,
    url,
    async enter (room, token) {
      const client = await connect(url(room), token === undefined ? [] : ['bearer', token])
      const { you } = await next(client, 'welcome') as { you: string }
      return { client, name: you }
    },
    async signIn (name) {
      const response = await app.inject({
        method: 'POST',
        url: '/login',
        body: { name, password: name }
      })
      return response.json<{ token: string }>().token
    }
  }
}

// The data of the next message of a type; those of other types before it are passed over.
async function next (client: Client, type: string): Promise<unknown> {
  for (;;) {
    const message = await client.json() as { type: string, data?: unknown }
    if (message.type === type) return message.data ?? message
  }
}

const say = (client: Client, text: unknown): void => {
  client.send(JSON.stringify({ type: 'say', data: { text } }))
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

t.test('login issues a token for the right password only', async (t) => {
  const { app } = await createServer(t)
  const login = (body: object) => app.inject({ method: 'POST', url: '/login', body })
  const answer = await login({ name: 'bob', password: 'bob' })
  t.match(answer.json(), { name: 'bob', roles: ['ROLE_ADMIN'], token: /^ey/ })
  t.match(app.jwt.decode(answer.json().token), { name: 'bob', exp: Number }, 'the token ends')
  for (const body of [
    { name: 'bob', password: 'alice' },
    { name: 'carol', password: 'carol' },
    { name: 'constructor', password: 'x' }
  ]) {
    t.equal((await login(body)).statusCode, 401)
  }
  t.equal((await login({ name: 'bob' })).statusCode, 400)
})

t.test('everyone enters the public room, as a guest', async (t) => {
  const { enter } = await createServer(t)
  const one = await enter('public')
  const two = await enter('public')
  t.match(one.name, /^guest-[0-9a-f]{4}$/)
  say(two.client, ' hello ')
  for (const { client } of [one, two]) {
    t.match(await next(client, 'message'), { from: two.name, text: 'hello', at: Number })
  }
})

t.test('the members room is for users, the admin room for admins', async (t) => {
  const { enter, signIn, url } = await createServer(t)
  const alice = await signIn('alice')
  const bob = await signIn('bob')
  t.match(await refusal(url('members')), { status: 401, body: { code: 'FSR_ERR_TOKEN_MISSING' } })
  t.match(await refusal(url('admin'), ['bearer', alice]), {
    status: 403,
    body: { code: 'FSR_ERR_NOT_GRANTED' }
  })
  t.equal((await enter('members', alice)).name, 'alice')
  t.equal((await enter('members', bob)).name, 'bob', 'an admin is a user too')
  t.equal((await enter('admin', bob)).name, 'bob')
})

t.test('a plain GET says why a room refuses', async (t) => {
  const { app, signIn } = await createServer(t)
  const ask = async (token?: string) => await app.inject({
    url: '/chat/admin',
    headers: token === undefined ? {} : bearer(token)
  })
  t.match((await ask()).json(), { statusCode: 401, code: 'FSR_ERR_TOKEN_MISSING' })
  t.match((await ask('nonsense')).json(), { statusCode: 401, code: 'FSR_ERR_TOKEN_INVALID' })
  t.match((await ask(await signIn('alice'))).json(), {
    statusCode: 403,
    code: 'FSR_ERR_NOT_GRANTED'
  })
  t.match((await ask(await signIn('bob'))).json(), {
    statusCode: 426,
    code: 'FSR_ERR_UPGRADE_REQUIRED'
  })
})

t.test('members are listed by name, once however many connections they have', async (t) => {
  const { enter, signIn } = await createServer(t)
  const alice = await signIn('alice')
  const first = await enter('members', alice)
  const bob = await enter('members', await signIn('bob'))
  t.same(await next(first.client, 'members'), { names: ['alice', 'bob'] })
  const second = await enter('members', alice)
  t.same(await next(bob.client, 'members'), { names: ['alice', 'bob'] })
  await second.client.close()
  t.same(await next(bob.client, 'members'), { names: ['alice', 'bob'] })
  await first.client.close()
  t.same(await next(bob.client, 'members'), { names: ['bob'] })
})

t.test('an invalid message gets an error, to the sender alone, who stays connected', async (t) => {
  const { enter } = await createServer(t)
  const guest = await enter('public')
  const other = await enter('public')
  const bad = [
    'no JSON',
    'null',
    '7',
    '{}',
    '{"text":"hello"}',
    '{"type":"shout"}',
    '{"type":"say"}',
    '{"type":"say","data":{"text":{}}}',
    '{"type":"say","data":{"text":"  "}}',
    JSON.stringify({ type: 'say', data: { text: 'x'.repeat(501) } })
  ]
  for (const text of bad) {
    guest.client.send(text)
    t.match(
      await next(guest.client, 'error'),
      { code: /^FSR_ERR_/, message: String },
      text.slice(0, 40)
    )
  }
  say(guest.client, 'sorry')
  t.match(await other.client.json(), { type: 'message', data: { text: 'sorry' } })
})

t.test('a route without a contract sends what came, as it came', async (t) => {
  const { app } = await createServer(t)
  const { port } = app.server.address() as AddressInfo
  const client = await connect(`ws://127.0.0.1:${port}/echo`)
  client.send('{"type": "whatever" }')
  client.send(Buffer.from([1, 2]))
  t.same(await client.take(2), ['{"type": "whatever" }', Buffer.from([1, 2])])
})

t.test('an admin announces to the clients of every room', async (t) => {
  const { app, enter, signIn } = await createServer(t)
  const bob = await signIn('bob')
  const all = [
    await enter('public'),
    await enter('members', await signIn('alice')),
    await enter('admin', bob)
  ]
  const announce = (headers: Record<string, string>, body: object = { text: 'Lunch!' }) =>
    app.inject({ method: 'POST', url: '/announce', headers, body })
  t.equal((await announce({})).statusCode, 401)
  t.equal((await announce(bearer(await signIn('alice')))).statusCode, 403)
  t.equal((await announce(bearer(bob), { text: '' })).statusCode, 400)
  t.same((await announce(bearer(bob))).json(), { reached: 3 })
  for (const { client } of all) {
    t.same(await next(client, 'announcement'), { from: 'bob', text: 'Lunch!' })
  }
})

t.test('when the server stops it says goodbye, and that clients may come back', async (t) => {
  const { app, enter } = await createServer(t)
  const { client } = await enter('public')
  const closing = app.close()
  t.match(await next(client, 'system'), { text: /Goodbye/ })
  t.equal((await client.closed).code, 1012)
  await closing
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`on ${signal} everyone gets a goodbye, and the process ends with 0`, async (t) => {
    const { url, stop } = await startExample(t, 'chat', { HOST: '127.0.0.1' })
    const clients = await Promise.all([1, 2, 3].map(() => connect(
      `${url.replace('http', 'ws')}/chat/public`
    )))
    for (const client of clients) await next(client, 'welcome')
    const exitCode = stop(signal)
    for (const client of clients) {
      t.match(await next(client, 'system'), { text: /Goodbye/ })
      t.strictSame(await client.closed, { code: 1012, reason: 'service restart' })
    }
    t.equal(await exitCode, 0)
  })
}

t.test('a port that is taken is said, with the exit code 1', async (t) => {
  const { app } = await createServer(t)
  const { port } = app.server.address() as AddressInfo
  const child = spawn(process.execPath, ['.build/examples/chat/server.js'], {
    env: { ...process.env, HOST: '127.0.0.1', PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe']
  })
  let said = ''
  child.stderr.on('data', (chunk) => { said += String(chunk) })
  const [code] = await once(child, 'close')
  t.match(said, `Port ${port} is taken`)
  t.equal(code, 1)
})

t.test('the page is served with a policy that allows only its own scripts', async (t) => {
  const { app } = await createServer(t)
  for (const url of ['/', '/chat.js', '/reconnecting.js', '/style.css', '/favicon.svg']) {
    const response = await app.inject({ url })
    t.equal(response.statusCode, 200, url)
    t.match(response.headers['content-security-policy'], /default-src 'self'/)
  }
})
