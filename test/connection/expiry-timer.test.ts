import t from 'tap'
import { ExpiryTimer } from '../../src/connection/expiry-timer.js'
import { TestClock } from '../support/clock.js'

// Invariant 7
t.test('any number of expiries has one timer, which ends with them', async (t) => {
  const clock = new TestClock()
  const expired: string[] = []
  const expiry = new ExpiryTimer<string>(clock, (item) => { expired.push(item) })
  const start = Math.ceil(clock.unixNow() / 1_000)
  expiry.add('never', undefined)
  expiry.delete('never', undefined)
  t.equal(clock.timers, 0)
  const ends = {
    soon: start + 5,
    'just then': start + 5,
    later: start + 60,
    'in days': start + 300_000
  }
  for (const [item, at] of Object.entries(ends)) expiry.add(item, at)
  t.equal(clock.timers, 1)
  await clock.advance(7_000)
  t.strictSame(expired, ['soon', 'just then'])
  t.equal(clock.timers, 1)
  expiry.delete('later', ends.later)
  expiry.delete('soon', ends.soon)
  t.equal(clock.timers, 1)
  expiry.delete('in days', ends['in days'])
  t.equal(clock.timers, 0)
  await clock.advance(60_000)
  t.strictSame(expired, ['soon', 'just then'])

  expiry.add('again', start + 80)
  t.equal(clock.timers, 1)
  await clock.advance(15_000)
  t.strictSame(expired, ['soon', 'just then', 'again'])
  t.equal(clock.timers, 0)
})

t.test('an expiry during reads of others is checked after the next read', async (t) => {
  const clock = new TestClock()
  const expired: number[] = []
  const expiry = new ExpiryTimer<string>(clock, () => { expired.push(clock.now()) })
  expiry.add('token', Math.ceil(clock.unixNow() / 1_000) + 2)
  // Data read with the first tick takes five seconds to handle, and may be another token.
  clock.after(999, () => { setImmediate(() => { clock.stall(5_000) }) })
  clock.stall(1_000)
  await clock.advance(0)
  t.equal(clock.now(), 6_000)
  t.strictSame(expired, [])
  await clock.advance(1_000)
  t.strictSame(expired, [7_000])
})
