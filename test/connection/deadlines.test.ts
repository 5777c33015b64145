import t from 'tap'
import { systemClock } from '../../src/clock.js'
import { Deadlines } from '../../src/connection/deadlines.js'

// Invariant 7
t.test('any number of deadlines has one timer, which ends with them', async (t) => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  let late: number[] = []
  const deadlines = new Deadlines<number>(systemClock, 30, (item) => { late.push(item) })
  // An unreferenced timer is not active for Node: this one keeps the test alive.
  const until = async (count: number) => { while (late.length < count) await new Promise((resolve) => { setTimeout(resolve, 1) }) }
  for (let item = 0; item < 1000; item++) deadlines.add(item)
  t.equal(timers(), before, 'and keeps no process alive')
  for (let item = 0; item < 1000; item += 2) deadlines.delete(item)
  await until(500)
  t.strictSame(late.slice(0, 3), [1, 3, 5], 'in their order')

  late = []
  deadlines.add(1)
  await new Promise((resolve) => { setTimeout(resolve, 10) })
  deadlines.add(2)
  deadlines.add(1)
  await until(2)
  t.strictSame(late, [1, 2], 'adding again does not postpone')
})

t.test('an item may be added again when its time is over', async (t) => {
  let count = 0
  await new Promise<void>((resolve) => {
    const deadlines = new Deadlines<string>(systemClock, 5, (item) => {
      if (++count === 3) resolve()
      else deadlines.add(item)
    })
    deadlines.add('again')
    setTimeout(() => {}, 1000).unref()
    const alive = setInterval(() => { if (count === 3) clearInterval(alive) }, 1)
  })
  t.equal(count, 3)
})
