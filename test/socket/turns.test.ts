import t from 'tap'
import { systemClock } from '../../src/clock.js'
import { waitForTurn, type DeferredWork } from '../../src/socket/turns.js'
import { until } from '../support/until.js'

t.test('waiting connections have 4 milliseconds in all, then the event loop goes on', async (t) => {
  let now = 0
  t.intercept(systemClock, 'now', { value: () => now })
  const seen: string[] = []
  const waiting = (name: string): DeferredWork => () => { now += 3; seen.push(name); return true }
  for (const name of ['a', 'b', 'c', 'd']) waitForTurn(waiting(name))
  setImmediate(() => {
    seen.push('others')
    setImmediate(() => { seen.push('others again') })
  })
  await until(() => seen.length === 6)
  t.strictSame(seen, ['a', 'b', 'others', 'c', 'd', 'others again'])
})

t.test('a connection that cannot be stopped in between is the last of its round', async (t) => {
  t.intercept(systemClock, 'now', { value: () => 0 })
  const seen: string[] = []
  const waiting = (name: string, canStop: boolean): DeferredWork => () => {
    seen.push(name)
    return canStop
  }
  for (const [name, canStop] of [['a', true], ['b', false], ['c', true]] as const) {
    waitForTurn(waiting(name, canStop))
  }
  setImmediate(() => { seen.push('others') })
  await until(() => seen.length === 4)
  t.strictSame(seen, ['a', 'b', 'others', 'c'])
})
