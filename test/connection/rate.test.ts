import t from 'tap'
import { Meter } from '../../src/connection/rate.js'
import { EventLoopDelay } from '../../src/connection/event-loop-delay.js'
import { TestClock } from '../support/clock.js'

function meterOf (rate: { messages?: number, bytes?: number } = {}) {
  const clock = new TestClock()
  const stalls = new EventLoopDelay(clock)
  const meter = new Meter(
    clock,
    { messages: Infinity, bytes: Infinity, per: 1_000, tolerance: 3, ...rate },
    stalls
  )
  // How many of so many messages are taken at once.
  const take = (count: number, bytes = 1) => {
    let taken = 0
    while (taken < count && meter.admit(bytes)) taken++
    return taken
  }
  return { clock, stalls, meter, take }
}

t.test('a window ends when its timer says so, if that is a moment too early as well', async (t) => {
  const { meter } = meterOf({ messages: 2 })
  for (let window = 0; window < 3; window++) {
    t.strictSame([meter.admit(1), meter.admit(1), meter.admit(1)], [true, true, false])
    t.equal(meter.isExcessive, false)
    meter.startWindow()
  }
  t.equal(meter.admit(1), true)
  t.equal(meter.isExcessive, true, 'no window was counted as one in which the client was silent')
})

t.test('messages within the rate of a blocked event loop are taken at once', async (t) => {
  for (const [rate, bytes] of [[{ messages: 20 }, 1], [{ bytes: 20_000 }, 1_000]] as const) {
    const { clock, take, meter } = meterOf(rate)
    t.equal(take(20, bytes), 20)
    clock.stall(5_100)
    // Messages read in the turn that took so long.
    t.equal(take(30, bytes), 20, 'the blocked loop is not known yet')
    await clock.advance(0)
    t.equal(take(100, bytes), 100)
    t.equal(take(1, bytes), 0, 'and no more')
    await clock.advance(1_000)
    t.equal(take(100, bytes), 20, 'the next window is as all others')
    t.equal(meter.isExcessive, false)
  }
})

t.test('a stall that has ended long ago, and one that is short, explain nothing', async (t) => {
  const { clock, take } = meterOf({ messages: 20 })
  clock.stall(5_000)
  await clock.advance(3_000)
  t.equal(take(100), 20)
  clock.stall(140)
  await clock.advance(1_000)
  t.equal(take(100), 20)
})

t.test('any number of meters has one timer, which ends with them', async (t) => {
  const { clock, stalls, meter } = meterOf()
  t.equal(clock.timers, 1)
  const other = new Meter(clock, { messages: 1, bytes: 1, per: 1_000, tolerance: 1 }, stalls)
  t.equal(clock.timers, 1)
  meter.stopWatchingStalls()
  t.equal(clock.timers, 1)
  other.stopWatchingStalls()
  t.equal(clock.timers, 0)
})

t.test('one message of each kind that keeps a connection is free in five seconds', async (t) => {
  const { clock, meter } = meterOf()
  t.equal(meter.isFree(100, undefined), false)
  t.equal(meter.isFree(16_385, 'renew'), false)
  for (let round = 0; round < 2; round++) {
    for (const kind of ['alive', 'renew'] as const) {
      t.strictSame([meter.isFree(16_384, kind), meter.isFree(1, kind)], [true, false], kind)
    }
    await clock.advance(4_999)
    t.equal(meter.isFree(1, 'alive'), false)
    await clock.advance(1)
  }
})

t.test('one pong is free for each ping', async (t) => {
  const { meter } = meterOf()
  t.equal(meter.ponged(), false)
  for (let round = 0; round < 2; round++) {
    meter.pinged()
    t.strictSame([meter.ponged(), meter.ponged()], [true, false])
  }
})
