import t from 'tap'
import { PartialFrame } from '../../src/socket/partial-frame.js'

const chunk = Buffer.alloc(65_536, 'x')

t.test('the beginning of a frame does not keep what it was read with', async (t) => {
  const rest = new PartialFrame(chunk, 65_500, 65_536, 60_000)
  t.not(rest.bytes.buffer, chunk.buffer)
  t.equal(rest.end - rest.start, 36)
  t.ok(rest.bytes.length <= 72, 'nor memory for what its header announces')
})

t.test('bytes that come one by one take at most twice their size', async (t) => {
  const needed = 60_000
  const rest = new PartialFrame(chunk, 0, 1, needed)
  let most = 0
  for (let count = 1; count < needed; count++) {
    if (rest.isReady) t.fail('too early')
    rest.take(chunk.subarray(0, 1), 0)
    most = Math.max(most, rest.bytes.length / (count + 1))
  }
  t.ok(rest.isReady)
  t.ok(most <= 2, String(most))
  t.equal(rest.bytes.length, needed)
  t.equal(rest.bytes.toString('latin1', rest.start, rest.end), 'x'.repeat(needed))
})

t.test('it takes what is needed, and all if it is only to wait', async (t) => {
  const frame = new PartialFrame(chunk, 0, 10, 25)
  t.equal(frame.take(chunk, 65_530), 6)
  t.equal(frame.take(chunk, 0), 9)
  t.ok(frame.isReady)
  const paused = new PartialFrame(chunk, 10_000, 65_536, 0)
  t.equal(paused.bytes, chunk, 'which is not copied')
  t.not(
    new PartialFrame(chunk, 60_000, 65_536, 0).bytes,
    chunk,
    'unless it is a small part of what it was read with'
  )
  t.ok(paused.isReady)
  t.equal(paused.take(chunk, 10), 65_526)
  t.equal(paused.end - paused.start, 55_536 + 65_526)
})
