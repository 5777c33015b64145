import t from 'tap'
import { PendingRequests } from '../../src/connection/pending-requests.js'
import type { Outbox } from '../../src/connection/outbox.js'
import type { Frame } from '../../src/message/frame.js'
import type { Request } from '../../src/message/codec.js'
import { TestClock } from '../support/clock.js'

const cancel = {} as Frame

function exchange (): { exchange: PendingRequests, sent: Frame[], clock: TestClock } {
  const sent: Frame[] = []
  const clock = new TestClock()
  return {
    exchange: new PendingRequests(
      clock,
      { send: (frame: Frame) => sent.push(frame) } as unknown as Outbox
    ),
    sent,
    clock
  }
}

const request = (id: number, accept: Request['accept'] = (data) => data): Request => ({
  id,
  frame: cancel,
  cancel,
  accept
})

t.test('an answered request cannot be cancelled, and keeps no listener', async (t) => {
  const { exchange: one, sent } = exchange()
  const controller = new AbortController()
  const asked = one.wait(request(1), { signal: controller.signal })
  one.answered(1, 'yes')
  one.answered(1, 'again')
  one.refused(1, new Error('late'))
  controller.abort()
  t.equal(await asked, 'yes')
  t.same(sent, [], 'no cancellation is sent')
})

t.test('an answer may be validated by something that waits', async (t) => {
  const { exchange: one } = exchange()
  const asked = one.wait(request(1, async (data) => `${String(data)}!`), {})
  one.answered(1, 'yes')
  t.equal(await asked, 'yes!')
})

t.test('the end of the connection rejects what is pending', async (t) => {
  const { exchange: one } = exchange()
  const asked = one.wait(request(1), {})
  t.ok(one.isBusy)
  one.abort()
  await t.rejects(asked, { code: 'FSR_ERR_REQUEST_ENDED' })
  t.notOk(one.isBusy)
})

t.test('an answer is awaited for ten seconds by default; the timer ends with it', async (t) => {
  const { exchange: one, clock } = exchange()
  const asked = one.wait(request(1), {})
  t.equal(clock.timers, 1)
  one.answered(1, 'yes')
  await asked
  t.equal(clock.timers, 0)
  let error: undefined | Error
  one.wait(request(2), {}).catch((given: Error) => { error = given })
  await clock.advance(9_999)
  t.equal(error, undefined)
  await clock.advance(1)
  t.match(error, { code: 'FSR_ERR_REQUEST_TIMEOUT' })
})

t.test('an answer that came while the event loop was held up has come in time', async (t) => {
  const { exchange: one, clock } = exchange()
  const asked = one.wait(request(1), {})
  clock.after(9_999, () => { setImmediate(() => { one.answered(1, 'yes') }) })
  clock.stall(60_000)
  await clock.advance(0)
  t.equal(await asked, 'yes')
})

t.test('a signal that cannot be listened to leaves nothing running', async (t) => {
  const { exchange: one, sent, clock } = exchange()
  const signal = {
    aborted: false,
    addEventListener () { throw new Error('of a library') }
  } as unknown as AbortSignal
  for (const id of [1, 2]) {
    await t.rejects(one.wait(request(id), { signal }), { message: 'of a library' })
  }
  t.notOk(one.isBusy)
  t.equal(clock.timers, 0)
  t.same(sent, [])
})

t.test('a request without a limit starts no timer', async (t) => {
  const { exchange: one, clock } = exchange()
  const times: number[] = []
  t.intercept(clock, 'after', { value: (milliseconds: number) => times.push(milliseconds) })
  for (const timeout of [Infinity, 2 ** 31 - 1, 5_000]) {
    one.wait(request(timeout), { timeout }).catch(() => {})
  }
  t.strictSame(times, [2 ** 31 - 1, 5_000])
})
