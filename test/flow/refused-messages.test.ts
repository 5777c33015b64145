// A client that sends nothing but what its contract refuses is closed; one that makes mistakes now
// and then is not.
import { Type } from 'typebox'
import t, { type Test } from 'tap'
import type { SocketRouteOptions } from '../../src/index.js'
import { connect, type Client } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'

async function start (t: Test, options: SocketRouteOptions = {}, clock = new TestClock()): Promise<{
  client: Client
  token: string
}> {
  const app = await createApp(t, { clock })
  app.socketRoute('/', {
    schema: {
      in: { say: { data: Type.String() }, admin: { isGranted: 'ROLE_ADMIN' }, fail: {} },
      out: {}
    },
    on: { say () {}, admin () {}, fail () { throw new Error('of the app') } }
  }, { isGranted: 'ROLE_USER', ...options } as SocketRouteOptions)
  return { client: await connect(await listen(app), ['bearer', tokenOf(app)]), token: tokenOf(app) }
}

const refused: Record<string, (token: string) => string> = {
  'no JSON': () => '{',
  'no type of the contract': () => '{"type":"unknown"}',
  'wrong data': () => '{"type":"say","data":{}}',
  'no grant': () => '{"type":"admin"}',
  'a token that is none': () => '{"type":"renew","data":{"token":"none"}}'
}

for (const [name, message] of Object.entries(refused)) {
  t.test(`refusals.max of them in a row close with 4429: ${name}`, async (t) => {
    const { client, token } = await start(t, { refusals: { max: 3 } })
    for (let count = 0; count < 4; count++) client.send(message(token))
    t.strictSame(await client.closed, { code: 4429, reason: 'too many refused messages' })
    t.equal(client.unread.length, 4, 'each was answered')
  })
}

t.test('a message that is taken begins a new row, also if its handler fails', async (t) => {
  const { client } = await start(t, { refusals: { max: 3 } })
  for (const taken of ['{"type":"say","data":"a","id":1}', '{"type":"fail","id":1}']) {
    for (let count = 0; count < 3; count++) client.send('{')
    client.send(taken)
    t.match((await client.take(4)).map(String)[3], /"id":1/)
  }
  t.equal(client.socket.readyState, 1)
})

t.test('so does a token that is taken', async (t) => {
  const { client, token } = await start(t, { refusals: { max: 3 } })
  for (let round = 0; round < 2; round++) {
    for (let count = 0; count < 3; count++) client.send('{')
    client.send(JSON.stringify({ type: 'renew', id: 1, data: { token } }))
    t.match((await client.take(4)).map(String)[3], /"reply","id":1/)
  }
})

t.test('so does one that is refused when refusals.per is over', async (t) => {
  const clock = new TestClock()
  const { client } = await start(t, { refusals: { max: 3, per: 1_000 } }, clock)
  for (let round = 0; round < 3; round++) {
    for (let count = 0; count < 3; count++) client.send('{')
    await client.take(3)
    await clock.advance(1_000)
  }
  for (let count = 0; count < 4; count++) client.send('{')
  t.equal((await client.closed).code, 4429)
})

t.test('the bound is 100 in 10 seconds by default, and false is none', async (t) => {
  const { client } = await start(t)
  for (let count = 0; count < 100; count++) client.send('{')
  await client.take(100)
  t.equal(client.socket.readyState, 1)
  client.send('{')
  t.equal((await client.closed).code, 4429)

  const { client: free } = await start(t, { refusals: false })
  for (let count = 0; count < 300; count++) free.send('{')
  await free.take(300)
  t.equal(free.socket.readyState, 1)
})

t.test('an inner scope keeps what it does not name, and invalid limits are rejected', async (t) => {
  const app = await createApp(t, { plugin: { refusals: { max: 2 } } })
  app.socketRoute(
    '/inner',
    { schema: { in: { say: {} } }, on: { say () {} } },
    { refusals: { per: 60_000 } }
  )
  app.socketRoute(
    '/on-again',
    { schema: { in: { say: {} } }, on: { say () {} } },
    { refusals: { max: 1 } }
  )
  for (const given of [5, null, true, { max: 0 }, { per: 1.5 }, { count: 5 }]) {
    t.throws(
      () => app.socketRoute('/x', { onOpen () {} }, { refusals: given as never }),
      { code: 'FSR_ERR_OPTION_INVALID' },
      JSON.stringify(given)
    )
  }
  const off = await createApp(t, { plugin: { refusals: false } })
  off.socketRoute(
    '/on-again',
    { schema: { in: { say: {} } }, on: { say () {} } },
    { refusals: { max: 1 } }
  )
  for (const [url, max] of [
    [`${await listen(app)}/inner`, 2],
    [`${await listen(off)}/on-again`, 1]
  ] as const) {
    const client = await connect(url)
    for (let count = 0; count <= max; count++) client.send('{')
    t.equal((await client.closed).code, 4429)
    t.equal(client.unread.length, max + 1)
  }
})
