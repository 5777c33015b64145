import { inflateRawSync, constants } from 'node:zlib'
import t from 'tap'
import type { WebSocket } from 'ws'
import { Inbox } from '../../src/connection/inbox.js'
import { Message } from '../../src/message/message.js'
import { FrameBatch } from '../../src/broadcast/frame-batch.js'
import { encodeFrames, Frame, wireSize, wholeOf } from '../../src/message/frame.js'
import { createOutbox } from '../support/outbox.js'

interface Decoded { readonly first: number, readonly payload: string }

function decode (parts: readonly Buffer[]): Decoded[] {
  const bytes = Buffer.concat(parts)
  const frames: Decoded[] = []
  for (let at = 0; at < bytes.length;) {
    const short = bytes[at + 1]!
    const [start, size] = short < 126
      ? [at + 2, short]
      : short === 126
        ? [at + 4, bytes.readUInt16BE(at + 2)]
        : [at + 10, Number(bytes.readBigUInt64BE(at + 2))]
    frames.push({ first: bytes[at]!, payload: bytes.toString('latin1', start, start + size) })
    at = start + size
  }
  return frames
}

const text = (size: number, letter = 'x') => new Frame(Buffer.alloc(size, letter), false)

t.test('each length of a payload has its header', async (t) => {
  for (const size of [0, 1, 24, 25, 125, 126, 8_191, 8_192, 65_535, 65_536, 100_000]) {
    const frame = text(size)
    const parts = encodeFrames([frame])
    t.strictSame(decode(parts), [{ first: 0x81, payload: 'x'.repeat(size) }], String(size))
    t.equal(parts.reduce((sum, { length }) => sum + length, 0), wireSize(frame))
  }
  t.equal(decode(encodeFrames([new Frame(Buffer.from('a'), true)]))[0]!.first, 0x82)
})

t.test('short frames are in one buffer, and large ones are not copied', async (t) => {
  const large = text(10_000)
  const parts = encodeFrames([text(5, 'a'), text(6, 'b'), large, text(7, 'c')])
  t.equal(parts.length, 3)
  t.equal(parts[1], large.bytes)
  t.strictSame(decode(parts).map(({ payload }) => payload.length), [5, 6, 10_000, 7])
  t.strictSame(decode(encodeFrames([large, large])).map(({ payload }) => payload.length), [
    10_000,
    10_000
  ])
})

t.test('a frame may be a part of what was read', async (t) => {
  const frame = new Frame(Buffer.from('..hello..'), false, 2, 7)
  t.equal(frame.decode(), 'hello')
  t.equal(String(frame.bytes), 'hello')
  t.strictSame(decode(encodeFrames([frame])), [{ first: 0x81, payload: 'hello' }])
})

// The memory that Node cuts short buffers from: what is written at once may be in it.
const pool = Buffer.allocUnsafe(1).buffer.byteLength

t.test('a bundle without some of its frames is what encoding the others would be', async (t) => {
  for (const size of [3, 9_000]) {
    const bundle = new FrameBatch()
    const frames = [...'abcdef'].map((letter) => text(letter === 'c' ? size : 3, letter))
    for (const frame of frames) bundle.add(frame, frame.decode())
    for (let from = 0; from <= 6; from++) {
      for (const without of [[], [0], [5], [1, 2], [2, 4], [0, 1, 2, 3, 4, 5]]) {
        const expected = frames.filter((_, index) => index >= from && !without.includes(index))
        const parts = bundle.encode(from, without, undefined)
        t.strictSame(
          decode(parts),
          decode(encodeFrames(expected)),
          `${size}: from ${from} without ${without.join()}`
        )
        if (expected.length === 0) t.equal(parts.length, 0, 'nothing to be written')
        for (const part of parts) {
          if (part.buffer.byteLength > Math.max(part.length, pool)) {
            t.fail('it keeps more memory than its own')
          }
        }
      }
    }
    t.equal(bundle.encode(0, [], undefined), bundle.encode(0, [], undefined), 'encoded once')
    const before = bundle.encode(0, [], undefined)
    bundle.add(text(1, 'g'), 'g')
    t.not(bundle.encode(0, [], undefined), before, 'and again when something was added')
  }
})

t.test('a compressed frame is created once, and only above the threshold', async (t) => {
  const compression = { threshold: 100, windowBits: 12, memLevel: 5 }
  const [short, long] = [text(99), new Frame(Buffer.alloc(5_000, 'ab'), true)]
  t.equal(short.deflated(compression), short)
  t.equal(long.deflated(compression), long.deflated(compression))
  const bundle = new FrameBatch()
  for (const frame of [short, long]) bundle.add(frame, '')
  const [first, second] = decode(bundle.encode(0, [], compression))
  t.equal(first!.payload.length, 99)
  t.equal(second!.first, 0xc2)
  const inflated = inflateRawSync(
    Buffer.concat([Buffer.from(second!.payload, 'latin1'), Buffer.from([0, 0, 0xff, 0xff])]),
    { finishFlush: constants.Z_SYNC_FLUSH, windowBits: 12 }
  )
  t.equal(String(inflated), 'ab'.repeat(2_500))
  t.equal(long.deflated({ threshold: 1 }), long.deflated(compression))
  t.ok(
    new Frame(Buffer.alloc(500), true).deflated({ threshold: 1 }).size < 100,
    'with the options of zlib'
  )
})

t.test('a part of a bundle is no larger than its frames', async (t) => {
  const bundle = new FrameBatch()
  for (let count = 0; count < 7; count++) bundle.add(text(8_000), '')
  bundle.add(text(3), '')
  const [part] = bundle.encode(0, [0, 1, 2, 3, 4, 5, 6], undefined)
  t.equal(part!.length, 5)
  t.ok(part!.buffer.byteLength <= pool)
  bundle.compact()
  const [waiting] = bundle.encode(0, [0, 1, 2, 3, 4, 5, 6], undefined)
  t.strictSame(waiting, part)
  t.ok(waiting!.buffer.byteLength <= 512, 'a waiting frame keeps no part of the pool')
})

t.test('only the frames that a receiver lacks are encoded for it', async (t) => {
  let copied = 0
  class Counted extends Frame {
    override copyTo (target: Buffer, at: number): number {
      copied++
      return super.copyTo(target, at)
    }
  }
  const bundle = new FrameBatch()
  for (let count = 1; count <= 1_000; count++) {
    bundle.add(new Counted(Buffer.from('x'), false), 'x')
    bundle.encode(count - 1, [], undefined)
  }
  t.ok(copied < 2_000, String(copied))
})

t.test('bytes that are not there any more are not announced', async (t) => {
  for (const compression of [undefined, { threshold: 1 }]) {
    const bytes = new Uint8Array(9_000)
    const bundle = new FrameBatch()
    const frame = new Frame(Buffer.from(bytes.buffer), true)
    t.equal(frame.bytes.length, 9_000)
    bundle.add(frame, '')
    structuredClone(bytes, { transfer: [bytes.buffer] })
    t.throws(() => bundle.encode(0, [], compression), TypeError)
  }
})

t.test('a message that waits keeps no more memory than it needs', async (t) => {
  const read = Buffer.alloc(65_536, 'a')
  for (const source of [read, Buffer.from(read.buffer, 7, 60_000)]) {
    const message = new Message(source, false, 100, 110)
    t.equal(message.bytes.buffer.byteLength, 65_536)
    message.compact()
    t.equal(message.bytes.buffer.byteLength, 512, 'shared with others')
    t.equal(message.text, 'aaaaaaaaaa')
    t.equal(message.size, 10)
  }
  const large = new Message(read, false, 0, 40_000)
  large.compact()
  t.equal(large.bytes.buffer, read.buffer)
  const medium = new Message(read, false, 0, 200)
  medium.compact()
  t.equal(medium.bytes.buffer.byteLength, 200, 'memory of its own')
  medium.compact()
  t.equal(medium.size, 200)
})

t.test('a waiting message keeps no more of the pool, of any size in this Node', async (t) => {
  const { poolSize } = Buffer
  t.teardown(() => { Buffer.poolSize = poolSize })
  for (const size of [8_192, 65_536]) {
    Buffer.poolSize = size
    const message = new Message(Buffer.from('of the pool'.repeat(3)), false, 1, 11)
    message.compact()
    t.equal(message.bytes.buffer.byteLength, 512)
  }
})

t.test('short messages that wait share memory, and do not overwrite each other', async (t) => {
  const read = Buffer.alloc(65_536)
  const messages = Array.from({ length: 100 }, (_, index) => {
    read.fill(String(index).padEnd(100), 0, 100)
    const message = new Message(read, false, 0, 100)
    message.compact()
    return message
  })
  t.strictSame(messages.map(({ text }) => text.trim()), messages.map((_, index) => String(index)))
  t.ok(new Set(messages.map(({ bytes }) => bytes.buffer)).size <= 21)
})

t.test('messages that wait for a handler or a slow client are kept compact', async (t) => {
  const create = () => new Message(Buffer.alloc(65_536, 'a'), false, 100, 110)
  const [first, second, third] = [create(), create(), create()]
  new Inbox({ pause () {} } as unknown as WebSocket, 65_536).push(first)
  const socket = { readyState: 1, bufferedAmount: 70_000, send () {} } as unknown as WebSocket
  const outbox = createOutbox(socket, { overflow: 'drop-oldest' })
  outbox.send(second, second)
  outbox.reply(third)
  for (const message of [first, second, third]) t.equal(message.bytes.buffer.byteLength, 512)
})

t.test('bytes that the app has made less of are not replaced by others', async (t) => {
  const Resizable = ArrayBuffer as unknown as new (
    length: number,
    options: object
  ) => ArrayBuffer & {
    resize (length: number): void
  }
  const buffer = new Resizable(100_000, { maxByteLength: 100_000 })
  const frame = new Frame(Buffer.from(buffer, 80_000, 10_000), true)
  buffer.resize(50_000)
  frame.compact()
  t.throws(() => wholeOf(frame), /detached or resized/)
})
