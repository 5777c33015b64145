import { Duplex } from 'node:stream'
import t from 'tap'
import type { WebSocket } from 'ws'
import { countFrames } from '../../src/socket/frame-scanner.js'
import { kAnnounced, kListener } from '../../src/socket/socket-events.js'

// A frame of a client with a mask of zeroes (RFC 6455 section 5.2).
function frameOf (first: number, size: number): Buffer {
  const header = size < 126
    ? Buffer.from([first, 0x80 | size])
    : Buffer.from([first, 0x80 | 126, size >> 8, size & 0xff])
  return Buffer.concat([header, Buffer.alloc(4), Buffer.alloc(size, 'x')])
}

const TEXT = 0x81
const frames: Array<[first: number, size: number]> = [
  [TEXT, 5], [0x01, 3], [0x00, 300], [0x80, 2], [0x89, 0], [0x8a, 125], [TEXT, 70_00], [0x89, 1],
  [0x88, 2]
]
const bytes = Buffer.concat(frames.map(([first, size]) => frameOf(first, size)))
// The bytes of fragments count with their message.
const expected = [0, 0, 0, 125, 1]

t.test('frames that are no messages are counted, however they are divided', async (t) => {
  for (const part of [bytes.length, 1, 2, 3, 7, 130, 1_000]) {
    const pieces: number[] = []
    const stream = new Duplex({ read () {}, write (_chunk, _encoding, callback) { callback() } })
    countFrames(
      stream,
      {
        [kListener]: { onControlOrFragment (size: number) { pieces.push(size) } }
      } as unknown as WebSocket,
      65_536
    )
    for (let at = 0; at < bytes.length; at += part) {
      stream.emit('data', bytes.subarray(at, at + part))
    }
    t.strictSame(pieces, expected, `${part} bytes at a time`)
    stream.destroy()
  }
})

t.test('the size of a frame that is too large is known before ws refuses it', async (t) => {
  const stream = new Duplex({ read () {} })
  const socket = {} as WebSocket & { [kAnnounced]?: number }
  countFrames(stream, socket, 100)
  stream.emit('data', frameOf(TEXT, 100))
  t.equal(socket[kAnnounced], undefined)
  stream.emit('data', frameOf(TEXT, 101).subarray(0, 8))
  t.equal(socket[kAnnounced], 101)
  stream.destroy()
})

t.test('an object that is no stream, and a socket without an owner, are left alone', async (t) => {
  const stream = new Duplex({ read () {} })
  countFrames(stream, {} as WebSocket, 65_536)
  stream.emit('data', bytes)
  countFrames({}, {} as WebSocket, 65_536)
  countFrames(undefined, {} as WebSocket, 65_536)
  t.pass('nothing is told')
  stream.destroy()
})
