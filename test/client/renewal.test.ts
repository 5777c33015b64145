import t from 'tap'
import { Renewal } from '../../src/client/renewal.js'
import { tokenOf, withClock } from './clock.js'

// The calls that Renewal makes on the client, recorded.
function renewal (provide: () => undefined | string | Promise<string>) {
  const renewed: string[] = []
  const errors: unknown[] = []
  const it = new Renewal({
    before: 60_000,
    provide,
    async renew (token) { renewed.push(`${Date.now()} ${token}`) },
    report (error) { errors.push(error) }
  })
  return { it, renewed, errors }
}

t.test('a short-lived token is renewed early', async (t) => await withClock(async (tick) => {
  const { it, renewed } = renewal(() => 'next')
  it.plan(tokenOf({ exp: 20 }))
  await tick(9_999)
  t.strictSame(renewed, [])
  await tick(1)
  t.strictSame(renewed, ['10000 next'])
}))

t.test('a token without expiry is not renewed', async (t) => await withClock(async (tick) => {
  let count = 0
  const { it } = renewal(() => { count++; return 'next' })
  for (const token of [
    undefined,
    'opaque',
    'x.bnVsbA.x',
    tokenOf({}),
    tokenOf({ exp: '1000' }),
    tokenOf({ exp: 0 }),
    tokenOf({ exp: -1 })
  ]) {
    it.plan(token)
  }
  await tick(100_000_000)
  t.equal(count, 0)
}))

t.test('the provider is asked again, later', async (t) => await withClock(async (tick) => {
  const token = tokenOf({ exp: 8 })
  const asked: number[] = []
  const answers = [
    () => token,
    () => undefined,
    () => { throw new Error('no network') },
    async () => 'next'
  ]
  const { it, renewed, errors } = renewal(() => answers[asked.push(Date.now()) - 1]!())
  it.plan(token)
  for (let milliseconds = 0; milliseconds < 10_000; milliseconds += 500) await tick(500)
  t.strictSame(asked, [4_000, 6_000, 7_000])
  t.strictSame(renewed, [], 'after the expiry it is left to the next connection')
  t.match(errors, [{ message: 'no network' }])
}))

t.test('a token that comes too late is not sent', async (t) => await withClock(async (tick) => {
  for (const fails of [false, true]) {
    let settle = () => {}
    const { it, renewed, errors } = renewal(async () => {
      await new Promise<void>((resolve) => { settle = resolve })
      if (fails) throw new Error('too late')
      return 'next'
    })
    it.plan(tokenOf({ exp: Date.now() / 1_000 + 4 }))
    await tick(2_000)
    it.stop()
    settle()
    await tick(0)
    t.strictSame([renewed, errors], [[], []])
  }
}))

t.test('a token of years is not renewed at once', async (t) => await withClock(async (tick) => {
  const { it, renewed } = renewal(() => 'next')
  it.plan(tokenOf({ exp: 100_000_000 }))
  await tick(1_000_000)
  t.strictSame(renewed, [])
  it.stop()
}))
