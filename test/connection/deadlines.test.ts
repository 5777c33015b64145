import t from 'tap'
import { Deadlines } from '../../src/connection/deadlines.js'
import { FairTimer } from '../../src/connection/fair-timer.js'
import { TestClock } from '../support/clock.js'

// Invariant 7
t.test('any number of deadlines has one timer, which ends with them', async (t) => {
  const clock = new TestClock()
  let late: number[] = []
  const deadlines = new Deadlines<number>(clock, 3_000, (item) => { late.push(item) })
  for (let item = 0; item < 1000; item++) deadlines.add(item)
  t.equal(clock.timers, 1)
  for (let item = 0; item < 1000; item += 2) deadlines.delete(item)
  await clock.advance(2_990)
  t.strictSame(late, [])
  await clock.advance(10)
  t.strictSame(late.slice(0, 3), [1, 3, 5], 'in their order')
  t.equal(late.length, 500)
  t.equal(clock.timers, 0)

  late = []
  deadlines.add(1)
  await clock.advance(1_000)
  deadlines.add(2)
  deadlines.add(1)
  await clock.advance(2_000)
  t.strictSame(late, [1], 'adding again does not postpone')
  await clock.advance(1_000)
  t.strictSame(late, [1, 2])
})

t.test('an item may be added again when its time is over', async (t) => {
  const clock = new TestClock()
  const at: number[] = []
  const deadlines = new Deadlines<string>(clock, 5_000, (item, due) => {
    at.push(due)
    if (at.length < 3) deadlines.add(item)
  })
  deadlines.add('again')
  await clock.advance(60_000)
  t.strictSame(at, [5_000, 10_000, 15_000])
})

t.test('data that came in time is read before a deadline passes', async (t) => {
  const clock = new TestClock()
  const late: string[] = []
  const deadlines = new Deadlines<string>(clock, 5_000, (item) => { late.push(item) })
  deadlines.add('in time')
  deadlines.add('silent')
  clock.after(4_999, () => { setImmediate(() => { deadlines.delete('in time') }) })
  clock.stall(5_000)
  await clock.advance(0)
  t.strictSame(late, ['silent'])
})

t.test('who became late while others were read is looked at after the next read', async (t) => {
  const clock = new TestClock()
  const late: Array<[string, number]> = []
  const deadlines = new Deadlines<string>(clock, 5_000, (item) => {
    late.push([item, clock.now()])
  })
  deadlines.add('first')
  await clock.advance(10)
  deadlines.add('second')
  // Data read when the first is due takes two seconds to handle.
  clock.after(4_989, () => { setImmediate(() => { clock.stall(2_000) }) })
  clock.stall(4_990)
  await clock.advance(0)
  t.strictSame(late, [['first', 7_000]])
  await clock.advance(2_000)
  t.strictSame(late, [['first', 7_000], ['second', 8_001]])
})

t.test('after a blocked event loop a deadline is extended once, up to a second', async (t) => {
  for (const [stall, grace] of [[10, 0], [400, 400], [30_000, 1_000]] as const) {
    const clock = new TestClock()
    const late: number[] = []
    const deadlines = new Deadlines<string>(clock, 5_000, () => { late.push(clock.now()) })
    deadlines.add('item')
    clock.stall(5_000 + stall)
    await clock.advance(Math.max(0, grace - 1))
    t.equal(late.length, grace === 0 ? 1 : 0)
    clock.stall(1 + stall)
    await clock.advance(0)
    t.equal(late.length, 1, `held up for ${stall} ms, again and again`)
  }
})

t.test('a timer that was cancelled after it has fired does nothing', async (t) => {
  const clock = new TestClock()
  let runs = 0
  const timer = new FairTimer(clock, { due: 1_000, grace: 0 }, () => { runs++ })
  clock.after(1_000, () => { timer.cancel() })
  await clock.advance(5_000)
  t.equal(runs, 0)
})

t.test('a time that is over when it begins is no negative delay', async (t) => {
  const clock = new TestClock()
  await clock.advance(2_000)
  let runs = 0
  const timer = new FairTimer(clock, { due: 1_990, grace: 0 }, () => { runs++ })
  await clock.advance(1)
  t.equal(runs, 1)
  timer.cancel()
})
