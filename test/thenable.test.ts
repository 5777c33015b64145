import { runInNewContext } from 'node:vm'
import t from 'tap'
import { attempt, discard, isThenable, then } from '../src/thenable.js'
import { connect, refusal } from './support/client.js'
import { createApp, listen, tokenOf } from './support/server.js'

const native = Promise.resolve(1)
class Own extends Promise<number> {}
// A promise of Node whose own method throws.
const spoilt = Object.assign(Promise.resolve(1), { then: () => { throw new Error('called') } })

const thenables: Record<string, () => unknown> = {
  'a promise': () => native,
  'a promise of another realm': () => runInNewContext('Promise.resolve(1)'),
  'a promise of a subclass': () => Own.resolve(1),
  'a promise whose then was replaced': () => spoilt,
  'an object with then': () => ({
    then: (resolve: (value: number) => void) => { setImmediate(resolve, 1) }
  }),
  'a function with then': () => Object.assign(
    () => {},
    { then: (resolve: (value: number) => void) => { resolve(1) } }
  ),
  'a proxy of a thenable': () => new Proxy(
    { then: (resolve: (value: number) => void) => { resolve(1) } },
    {}
  ),
  'a thenable that settles twice, and throws': () => ({
    then: (resolve: (value: number) => void, reject: (error: unknown) => void) => {
      resolve(1)
      reject(new Error('again'))
      throw new Error('and again')
    }
  })
}

for (const [what, make] of Object.entries(thenables)) {
  t.test(`${what} is waited for`, async (t) => {
    t.ok(isThenable(make()))
    const order: unknown[] = []
    const pending = then(make(), (value) => { order.push(value) })
    order.push('at once')
    await pending
    t.strictSame(order, ['at once', 1])
    t.equal(await attempt(make, (value) => Number(value) + 1, () => 'failed'), 2)
    discard(make())
  })
}

for (const value of [
  undefined,
  null,
  0,
  '',
  'then',
  true,
  Symbol('then'),
  {},
  { then: 1 },
  () => {},
  []
]) {
  t.test(`${typeof value} ${JSON.stringify(value)} is not waited for`, async (t) => {
    t.notOk(isThenable(value))
    t.equal(then(value, (same) => same), value)
    t.equal(attempt(() => value, (same) => same, () => 'failed'), value)
  })
}

t.test('a failure, at once or later, is passed on, and nothing after it', async (t) => {
  const failures: Record<string, () => unknown> = {
    throws: () => { throw undefined }, // eslint-disable-line no-throw-literal
    rejects: () => Promise.reject(), // eslint-disable-line prefer-promise-reject-errors
    'has a then that throws': () => ({
      then () { throw undefined } // eslint-disable-line no-throw-literal
    }),
    'has a getter that throws': () => ({
      get then () { throw undefined } // eslint-disable-line no-throw-literal
    })
  }
  for (const [what, fail] of Object.entries(failures)) {
    t.strictSame(await attempt(fail, () => 'gone on', (error) => [error]), [undefined], what)
  }
  t.throws(
    () => attempt(() => 1, () => { throw new Error('later') }, () => 'failed'),
    { message: 'later' }
  )
  await t.rejects(
    attempt(
      async () => 1,
      () => { throw new Error('later') },
      async () => 'failed'
    ) as Promise<unknown>,
    { message: 'later' }
  )
})

// As a library, or a tool that watches asynchronous code, may put one there.
t.test('async functions are awaited also if the global Promise was replaced', async (t) => {
  const app = await createApp(t)
  class Replaced<Value> extends Promise<Value> {}
  t.intercept(globalThis, 'Promise', { value: Replaced as never })
  t.notOk((async () => {})() instanceof Promise)
  const allows = async (_user: unknown, request: { url: string }) => request.url !== '/?out'
  app.socketRoute('/', {
    schema: {
      in: {
        ask: { data: { type: 'integer' }, reply: { type: 'integer' }, isGranted: async () => true },
        list: { stream: { type: 'integer' } }
      }
    },
    on: { ask: async (_connection, data) => data as number, async * list () { yield 1 } },
    onOpen: async () => {}
  }, { isGranted: allows, preMessage: async () => {} })
  const url = await listen(app)
  const headers = { authorization: `Bearer ${tokenOf(app)}` }
  t.equal((await refusal(`${url}/?out`, [], { headers })).status, 403)
  const client = await connect(url, [], { headers })
  client.send('{"type":"ask","id":1,"data":7}')
  t.strictSame(await client.json(), { type: 'reply', id: 1, data: 7 })
  client.send('{"type":"list","id":2}')
  t.strictSame((await client.take(2)).map(String), [
    '{"type":"reply","id":2,"data":1,"more":true}',
    '{"type":"reply","id":2}'
  ])
  await client.close()
  await app.close()
})

t.test('a discarded promise may reject', async (t) => {
  await discard(Promise.reject(new Error('it is not awaited')))
  await discard({ get then () { throw new Error('nor for this') } })
  t.pass('the process goes on')
})
