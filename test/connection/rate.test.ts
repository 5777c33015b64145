import t from 'tap'
import { systemClock } from '../../src/clock.js'
import { Meter } from '../../src/connection/rate.js'

t.test('a window ends when its timer says so, if that is a moment too early as well', async (t) => {
  const meter = new Meter(systemClock, { messages: 2, bytes: Infinity, per: 60_000, tolerance: 3 })
  for (let window = 0; window < 3; window++) {
    t.strictSame([meter.take(1), meter.take(1), meter.take(1)], [true, true, false])
    t.equal(meter.isExcessive, false)
    meter.turn()
  }
  t.equal(meter.take(1), true)
  t.equal(meter.isExcessive, true, 'no window was counted as one in which the client was silent')
})
