import { randomBytes } from 'node:crypto'
import t from 'tap'
import { unmask } from '../../src/message/bytes.js'

t.test('a mask is removed from a payload of any length and alignment', async (t) => {
  for (const length of [
    ...Array(40).keys(),
    63,
    64,
    125,
    126,
    127,
    128,
    129,
    130,
    131,
    150,
    151,
    152,
    153,
    1_000,
    16_387
  ]) {
    for (let offset = 0; offset < 4; offset++) {
      // In memory that begins at a multiple of eight.
      const bytes = Buffer.from(new ArrayBuffer(length + 12), offset, length + 8)
      bytes.set(randomBytes(length + 8))
      const [key, start, end] = [1, 6, 6 + length]
      const expected = Buffer.from(bytes)
      for (let index = start; index < end; index++) {
        expected[index]! ^= expected[key + ((index - start) & 3)]!
      }
      const isAscii = unmask(bytes, start, end, key)
      if (!bytes.equals(expected)) t.fail(`${length} bytes at ${offset}`)
      if (isAscii !== expected.subarray(start, end).every((byte) => byte < 128)) {
        t.fail(`ASCII: ${length} bytes at ${offset}`)
      }
    }
  }
  t.pass('each as byte by byte')
})

t.test('a single byte that is not ASCII is seen wherever it is', async (t) => {
  for (const length of [1, 2, 3, 4, 5, 127, 128, 129, 130, 131, 145]) {
    for (let place = 0; place < length; place++) {
      const bytes = Buffer.alloc(4 + length, 'a').fill(0, 0, 4)
      if (!unmask(bytes, 4, 4 + length, 0)) t.fail(`${length} bytes of ASCII`)
      bytes[4 + place] = 0x80
      if (unmask(bytes, 4, 4 + length, 0)) t.fail(`${place} of ${length}`)
    }
  }
  t.pass('each')
})
