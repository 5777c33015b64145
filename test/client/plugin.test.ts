import { Type } from 'typebox'
import t from 'tap'
import type { Message } from '../../src/index.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { until } from '../support/until.js'
import { withClock } from './clock.js'
import { connectTo } from './wire-server.js'

/** Answers every request with its type, as a route with a contract would. */
function reply (_connection: unknown, message: Message): undefined | object {
  const { type, id } = message.json<{ type: string, id?: number }>()
  return id === undefined ? undefined : { type: 'reply', id, data: type }
}

t.test('the client connects by its sub-protocol, and again after a restart', async (t) => {
  const start = async (port = 0) => {
    const app = await createApp(t)
    app.socketRoute('/chat', { onMessage: reply }, 'ROLE_USER')
    return {
      app,
      url: port === 0 ? await listen(app) : await app.listen({ port, host: '127.0.0.1' })
    }
  }
  const first = await start()
  const client = connectTo(t, `${first.url}/chat`, { token: () => tokenOf(first.app) })
  t.equal(await client.request('join'), 'join')
  const ended = new Promise((resolve) => { client.onClose(resolve) })
  await first.app.close()
  t.strictSame(await ended, { code: 1012, reason: 'service restart', willReconnect: true })
  await start(Number(new URL(first.url).port))
  t.equal(await client.request('again'), 'again')
})

t.test('the client comes back with a new token when the old one has expired', async (t) => {
  const clock = new TestClock()
  const app = await createApp(t, { clock })
  app.socketRoute('/chat', { onMessage: reply }, 'ROLE_USER')
  const url = await listen(app)
  let count = 0
  // This route knows nothing of renewal, and the client has no time for it.
  const client = connectTo(t, `${url}/chat`, {
    token: () => tokenOf(app, ['ROLE_USER'], {
      exp: Math.ceil(Date.now() / 1_000) + (++count === 1 ? 600 : 3_600)
    })
  })
  await client.opened
  const ended = await clock.during(new Promise((resolve) => { client.onClose(resolve) }))
  t.strictSame(ended, { code: 4401, reason: 'token expired', willReconnect: true })
  t.equal(await client.request('join'), 'join')
  t.equal(count, 2)
})

t.test('renewals and cancellations are accepted', async (t) => await withClock(async (tick) => {
  const app = await createApp(t)
  const errors: unknown[] = []
  const ended: string[] = []
  app.socketRoute('/chat', {
    schema: {
      in: {
        turned: { reply: Type.Integer() },
        who: { reply: Type.Array(Type.String()) },
        wait: {},
        count: { stream: Type.Integer() }
      },
      out: { ask: { reply: Type.Integer() } }
    },
    on: {
      turned: async (connection) => await connection.request('ask') as number,
      who: (connection) => (connection.user as { roles: string[] }).roles,
      wait: async (_connection, _data, { signal }) => await new Promise<undefined>((resolve) => {
        signal.addEventListener('abort', () => { ended.push('request'); resolve(undefined) })
      }),
      async * count () {
        try {
          for (let n = 0; ; n++) yield n
        } finally {
          ended.push('stream')
        }
      }
    }
  }, { isGranted: 'ROLE_USER', concurrency: 2 })
  let count = 0
  const client = connectTo(t, `${await listen(app)}/chat`, {
    ping: false,
    token: () => tokenOf(app, ['ROLE_USER', `ROLE_${++count}`], {
      exp: Math.ceil(Date.now() / 1_000) + (count === 1 ? 600 : 3_600)
    }),
    onError (error) { errors.push(error) }
  })
  await tick(0)
  t.strictSame(await client.request('who'), ['ROLE_USER', 'ROLE_1'])
  await tick(540_000)
  await until(() => count === 2)
  while ((await client.request('who') as string[])[1] !== 'ROLE_2');
  t.strictSame(errors, [])

  const aborting = new AbortController()
  const waiting = client.request('wait', undefined, { signal: aborting.signal })
  for await (const n of client.stream('count')) if (n === 3) break
  aborting.abort(new Error('enough'))
  await t.rejects(waiting, { message: 'enough' })
  await until(() => ended.length === 2)

  client.on('ask', () => 7)
  t.equal(await client.request('turned'), 7)
}))

t.test('the client stays away after a revocation, not after a rejected token', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/chat', { onMessage: reply }, 'ROLE_USER')
  const url = await listen(app)
  const client = connectTo(t, `${url}/chat`, { token: () => tokenOf(app) })
  await client.opened
  await app.socketRevoke({ sub: 'alice' })
  t.strictSame(await client.closed, { code: 4403, reason: 'access revoked' })

  const errors: unknown[] = []
  const refused = connectTo(t, `${url}/chat`, {
    token: () => 'not.a.token',
    reconnect: false,
    onError (error) { errors.push(error) }
  })
  t.strictSame(await refused.closed, { code: 1006, reason: '' })
  await new Promise(setImmediate)
  t.match(errors, [{ code: 'FSR_CLIENT_CONNECTION', message: 'Unexpected server response: 401' }])
})
