import t from 'tap'
import { clockOf, kClock, systemClock } from '../src/clock.js'
import { TestClock } from './support/clock.js'

t.test('the system clock has timers that do not keep the process alive', async (t) => {
  const before = [performance.now(), Date.now()] as const
  t.ok(systemClock.now() >= before[0])
  t.ok(systemClock.unixNow() >= before[1])
  await new Promise<void>((resolve) => { systemClock.after(1, resolve, true) })
  let runs = 0
  await new Promise<void>((resolve) => {
    const timer = systemClock.every(1, () => {
      if (++runs === 3) resolve()
    })
    t.notOk((timer as NodeJS.Timeout).hasRef())
    t.teardown(() => { systemClock.cancel(timer) })
    t.teardown(() => { clearTimeout(alive) })
    const alive = setTimeout(() => {}, 60_000)
  })
  const timers = [systemClock.after(1, () => { runs = -1 }), systemClock.after(60_000, () => {})]
  for (const timer of timers) systemClock.cancel(timer)
  systemClock.cancel(undefined)
  t.notOk((timers[1] as NodeJS.Timeout).hasRef())
  await new Promise<void>((resolve) => { systemClock.after(5, resolve, true) })
  t.ok(runs >= 3, 'a cancelled timer does not run')
})

t.test('an app has the clock of the machine unless it is given another', async (t) => {
  const clock = new TestClock()
  t.equal(clockOf({}), systemClock)
  t.equal(clockOf({ [kClock]: clock }), clock)
})

t.test('the clock of tests runs what is due in its order, and what is late at once', async (t) => {
  const clock = new TestClock()
  const ran: string[] = []
  const note = (name: string) => () => { ran.push(`${name} ${clock.now()}`) }
  const every = clock.every(40, note('every'))
  clock.after(50, note('after'))
  clock.cancel(clock.after(10, note('never')))
  await clock.advance(100)
  t.strictSame(ran.splice(0), ['every 40', 'after 50', 'every 80'])
  clock.stall(95)
  t.strictSame(ran, [])
  await clock.advance(45)
  t.strictSame(
    ran.splice(0),
    ['every 195', 'every 235'],
    'as a timer of Node that is late does not catch up'
  )
  clock.cancel(every)
  const start = clock.unixNow()
  t.equal(
    await clock.during(
      new Promise((resolve) => { clock.after(60_000, () => { resolve('done') }) })
    ),
    'done'
  )
  t.equal(clock.unixNow() - start, 60_000)
})
