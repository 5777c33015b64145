import t from 'tap'
import { RenewalGrace } from '../../src/connection/renewal-grace.js'
import { TestClock } from '../support/clock.js'

const MOST = 64

t.test('a bounded number of connections read on at a time', async (t) => {
  const clock = new TestClock()
  const overtime = new RenewalGrace(clock, 10_000)
  const told: string[] = []
  const add = (name: string): boolean => overtime.read({
    onExpired () { told.push(name) },
    onRenewalTimeout () {}
  })
  for (let index = 0; index < MOST; index++) t.ok(add('one of many'))
  t.notOk(add('one too many'))
  await clock.advance(1_000)
  t.equal(told.length, MOST)
  t.ok(add('later'))
})

t.test('a check of a token has its time, and no more', async (t) => {
  const clock = new TestClock()
  const overtime = new RenewalGrace(clock, 10_000)
  const told: string[] = []
  const items = ['slow', 'in time'].map((name) => ({
    onExpired () {},
    onRenewalTimeout () { told.push(name) }
  }))
  for (const item of items) overtime.verify(item)
  await clock.advance(9_000)
  overtime.delete(items[1]!)
  await clock.advance(1_000)
  t.strictSame(told, ['slow'])
})
