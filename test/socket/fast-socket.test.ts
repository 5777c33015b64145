// A fast socket compared with one of ws: for random data, reads and pauses the messages and the
// answers are the same.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Socket as TcpSocket } from 'node:net'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { WebSocket } from 'ws'
import { FastSocket } from '../../src/socket/fast-socket.js'
import { LazySocket } from '../../src/socket/lazy-socket.js'
import { findUnsupported, versionOfWs } from '../../src/socket/probe.js'
import { listen, type SocketListener } from '../../src/socket/socket-events.js'
import { until } from '../support/until.js'

const settings = {
  maxPayload: 70_000,
  maxFragments: 4,
  allowSynchronousEvents: true,
  closeTimeout: 1000,
  autoPong: true
}
type Server = FastSocket | WebSocket
const Plain = WebSocket as unknown as typeof FastSocket

class Wire extends Duplex {
  readonly written: Buffer[] = []
  override _read (): void {}
  override _write (chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.written.push(chunk)
    callback()
  }
}

// A frame of a client.
function frame (first: number, payload: Buffer, isMasked = true): Buffer {
  const { length } = payload
  const size = length < 126
    ? Buffer.from([length])
    : length < 65_536
      ? Buffer.from([126, length >> 8, length & 255])
      : Buffer.from([127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 255, length & 255])
  if (!isMasked) return Buffer.concat([Buffer.from([first]), size, payload])
  size[0]! |= 0x80
  const mask = randomBytes(4)
  return Buffer.concat([
    Buffer.from([first]),
    size,
    mask,
    payload.map((byte, index) => byte ^ mask[index & 3]!)
  ])
}

const payloads = fc.oneof(
  fc.string({ maxLength: 40, unit: 'grapheme' }).map((text) => Buffer.from(text)),
  fc.constantFrom(0, 1, 125, 126, 127, 128, 300, 4_000, 65_535, 65_536, 70_000).map(
    (length) => Buffer.alloc(length, 'é')
  ).map((bytes) => bytes.subarray(0, bytes.length & ~1))
)
const short = fc.string({ maxLength: 20 }).map((text) => Buffer.from(text))
const frames = fc.oneof(
  { weight: 8, arbitrary: payloads.map((payload) => [frame(0x81, payload)]) },
  { weight: 4, arbitrary: payloads.map((payload) => [frame(0x82, payload)]) },
  { weight: 2, arbitrary: short.map((payload) => [frame(0x89, payload)]) },
  { weight: 2, arbitrary: short.map((payload) => [frame(0x8a, payload)]) },
  {
    weight: 2,
    arbitrary: fc.tuple(payloads, short, payloads).map(([head, ping, tail]) => [
      frame(0x01, head),
      frame(0x89, ping),
      frame(0x80, tail)
    ])
  }
)
// Frames that end a connection, valid or not.
const ends = fc.constantFrom(
  Buffer.alloc(0),
  frame(0x88, Buffer.from([0x03, 0xe8, 0x62, 0x79, 0x65])),
  frame(0x88, Buffer.alloc(0)),
  frame(0x88, Buffer.from([0x03])),
  frame(0x81, Buffer.from([0xc3, 0x28])),
  frame(0x81, Buffer.concat([Buffer.alloc(200, 'a'), Buffer.from([0xff])])),
  frame(0x82, Buffer.alloc(70_001)),
  frame(0x82, Buffer.alloc(5), false),
  frame(0xc2, Buffer.alloc(5)),
  frame(0xa2, Buffer.alloc(5)),
  frame(0x83, Buffer.alloc(5)),
  frame(0x80, Buffer.alloc(5)),
  frame(0x8a, Buffer.alloc(126)),
  Buffer.concat([1, 0, 0, 0, 0].map((first) => frame(first, Buffer.alloc(1))))
)

interface Script {
  readonly bytes: Buffer
  /** The positions where the bytes are cut. */
  readonly cuts: readonly number[]
  /** After which messages the socket is paused, until what has been read is through. */
  readonly pauses: ReadonlySet<number>
  readonly end: 'none' | 'half-closed' | 'cut'
}

async function play (Socket: typeof FastSocket, {
  bytes: sent,
  cuts,
  pauses,
  end
}: Script): Promise<unknown> {
  // Masks are taken off in place.
  const bytes = Buffer.from(sent)
  const wire = new Wire()
  const server = new Socket(null, undefined, settings) as Server
  const events: unknown[] = []
  let messages = 0
  server.on('message', (data, isBinary) => {
    events.push(['message', String(data), isBinary])
    if (!pauses.has(messages++)) return
    server.pause()
    setImmediate(() => { server.resume() })
  })
  server.on('ping', (data) => { events.push(['ping', String(data)]) })
  server.on('pong', (data) => { events.push(['pong', String(data)]) })
  server.on('error', (error) => { events.push(['error', (error as NodeJS.ErrnoException).code]) })
  const closed = new Promise((resolve) => {
    server.on('close', (code, reason) => { resolve(events.push(['close', code, String(reason)])) })
  });
  (server as unknown as {
    setSocket (socket: Duplex, head: Buffer, options: object): void
  }).setSocket(wire, bytes.subarray(0, cuts[1]), settings)
  for (const [index, cut] of cuts.entries()) {
    if (index === 0) continue
    wire.push(bytes.subarray(cut, cuts[index + 1]))
    if (index % 3 === 0) await new Promise(setImmediate)
  }
  if (end === 'cut') wire.destroy()
  if (end === 'half-closed') wire.push(null)
  for (let turn = 0; turn < 2 * pauses.size + 4; turn++) await new Promise(setImmediate)
  // A client that has not closed is awaited no longer.
  server.terminate()
  await closed
  // A client that has left may have done so before or after an answer.
  return { events, written: end !== 'none' || Buffer.concat(wire.written).toString('hex') }
}

const scripts = fc.tuple(
  fc.array(frames, { maxLength: 12 }), ends, fc.array(frames, { maxLength: 2 }), fc.array(
    fc.nat(),
    { maxLength: 12 }
  ), fc.uniqueArray(fc.nat(10), { maxLength: 3 }), fc.constantFrom(
    'none' as const,
    'half-closed' as const,
    'cut' as const
  )
).map(([before, last, after, places, pauses, end]): Script => {
  const bytes = Buffer.concat([...before.flat(), last, ...after.flat()])
  return {
    bytes,
    cuts: [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort(
      (one, other) => one - other
    ),
    pauses: new Set(pauses),
    end
  }
})

t.test('a fast socket sees and answers what one of ws does', async (t) => {
  await fc.assert(fc.asyncProperty(scripts, async (script) => {
    assert.deepStrictEqual(await play(FastSocket, script), await play(Plain, script))
  }), { numRuns: 300 })
  t.pass('for all data')
})

t.test('a ws that differs is not read directly, and the differing part is named', async (t) => {
  t.equal(await findUnsupported(FastSocket), undefined)
  type Damage = (prototype: Record<string, (
    this: FastSocket,
    ...given: never[]
  ) => unknown>) => void
  const replaced = (name: string, value: unknown): Damage => (prototype) => {
    Object.defineProperty(prototype, name, { get: () => value, set () {} })
  }
  const broken: Record<string, Array<readonly [name: string, Damage]>> = {
    'WebSocket.setSocket': [
      ['a timer of the connection is set', (prototype) => {
        const { _receiver: get } = Object.getOwnPropertyDescriptors(
          LazySocket.prototype
        ) as unknown as Record<string, PropertyDescriptor>
        Object.defineProperty(prototype, '_receiver', {
          ...get,
          get (this: FastSocket) {
            (this._socket as unknown as TcpSocket).setTimeout(60_000)
            return get!.get!.call(this) as unknown
          }
        })
      }],
      ['another listener comes first', (prototype) => {
        const { _sender: sender } = Object.getOwnPropertyDescriptors(
          LazySocket.prototype
        ) as unknown as Record<string, PropertyDescriptor>
        Object.defineProperty(prototype, '_sender', {
          ...sender,
          get (this: FastSocket) {
            const made: unknown = sender!.get!.call(this)
            this._socket!.prependListener(
              'end',
              this._socket!.listeners('end').at(-1) as () => void
            ).removeListener('end', this._socket!.listeners('end').at(-1) as () => void)
            return made
          }
        })
      }]
    ],
    'WebSocket._receiver': [['there is no receiver', replaced('_receiver', null)]],
    'WebSocket._sender': [['there is no sender', replaced('_sender', undefined)]],
    'WebSocket._socket': [[
      'the connection is kept elsewhere',
      (prototype) => { prototype['terminate'] = () => {} }
    ]],
    'WebSocket.terminate': [[
      'a terminated socket gets a receiver',
      (prototype) => {
        prototype['terminate'] = function () {
          this._receiver!.write(Buffer.alloc(0))
          this._socket!.destroy()
        }
      }
    ]],
    'Receiver._fragmented': [[
      'the receiver keeps its state elsewhere',
      replaced('_receiver', { write: () => true, _writableState: { length: 0 } })
    ]],
    'WebSocket._closeFrameReceived': [[
      'a close frame is noted elsewhere',
      replaced('_closeFrameReceived', false)
    ]],
    'WebSocket._pendingAutoPongs': [['pongs are not counted', replaced('_pendingAutoPongs', 0)]],
    'WebSocket.emitClose': [
      ['a close is told elsewhere', (prototype) => { prototype['emitClose'] = () => {} }],
      [
        'a close changes no state',
        (prototype) => {
          prototype['emitClose'] = function () { this.emit('close', 1006, Buffer.alloc(0)) }
        }
      ]
    ],
    'WebSocket._readyState': [['a socket is never open', replaced('_readyState', 0)]],
    'WebSocket.isPaused': [['a pause changes nothing', replaced('isPaused', false)]],
    'WebSocket.close': [
      ['a close sends nothing', (prototype) => { prototype['close'] = () => {} }],
      ['the answer to a close is not taken', (prototype) => { prototype['read'] = () => {} }]
    ]
  }
  for (const [part, each] of Object.entries(broken)) {
    for (const [name, damage] of each) {
      class Broken extends FastSocket {}
      damage(Broken.prototype as never)
      t.equal(await findUnsupported(Broken), part, name)
    }
  }
})

t.test('the version of a ws that does not tell it is unknown', async (t) => {
  t.match(versionOfWs(), /^8\.\d+\.\d+$/)
  t.equal(versionOfWs(() => { throw new Error('not exported') }), 'of an unknown version')
})

t.test('a listener for the opening of a socket is called once', async (t) => {
  const wire = new Wire()
  const socket = new FastSocket(null, undefined, settings)
  let opened = 0
  socket.on('open', () => { opened++ })
  socket.setSocket(wire, Buffer.alloc(0))
  t.equal(opened, 1)
  // For this ws needs its own parts.
  socket.send('a')
  t.equal(opened, 1)
  t.equal(socket.listenerCount('open'), 1)
  t.equal(Buffer.concat(wire.written).toString('hex'), '810161')
})

t.test('a TCP socket that is gone already is left to its stream', async (t) => {
  const socket = new TcpSocket()
  const fast = new FastSocket(null, undefined, {})
  fast.setSocket(socket, Buffer.alloc(0))
  t.equal(socket.listenerCount('data'), 1)
  fast.pause()
  t.equal(fast.isPaused, true)
  fast.terminate()
  await new Promise((resolve) => { fast.on('close', resolve) })
  fast.pause()
  fast.resume()
  t.equal(fast.readyState, WebSocket.CLOSED)
})

t.test('a fragment does not keep what was read with it', async (t) => {
  const kept: Buffer[] = []
  class Recording extends FastSocket {
    protected override delegate (bytes: Buffer): void {
      kept.push(bytes)
      super.delegate(bytes)
    }
  }
  const socket = new Recording(null, undefined, settings)
  const messages: string[] = []
  socket.on('message', (data) => { messages.push(String(data)) })
  socket.setSocket(new Wire(), Buffer.alloc(0))
  // Each read has memory of its own.
  const read = (...frames: Buffer[]) => {
    const bytes = Buffer.concat(frames)
    const chunk = Buffer.allocUnsafeSlow(bytes.length)
    bytes.copy(chunk)
    socket.read(chunk, false, false)
    return chunk
  }
  const others = frame(0x8a, Buffer.alloc(125))
  const many = Buffer.concat(Array.from({ length: 500 }, () => others))

  const first = frame(0x01, Buffer.from('begins'))
  read(frame(0x81, Buffer.from('before')), first, many)
  const second = frame(0x00, Buffer.from(' in'))
  read(many, second.subarray(0, 3))
  read(second.subarray(3), many)
  for (const bytes of kept) t.ok(bytes.buffer.byteLength <= 512, `${bytes.buffer.byteLength} bytes`)
  t.equal(kept.length, 2)

  const large = frame(0x00, Buffer.alloc(1_000, ' '))
  const chunk = read(others, large, others)
  t.equal(kept[2]!.buffer, chunk.buffer, 'most of the read is not copied')
  read(frame(0x80, Buffer.from('the end')))
  t.strictSame(messages, ['before', `begins in${' '.repeat(1_000)}the end`])
})

t.test('without a limit a message may be of any size', async (t) => {
  const wire = new Wire()
  const socket = new FastSocket(null, undefined, {})
  const sizes: number[] = []
  socket.on('message', (data) => { sizes.push((data as Buffer).length) })
  socket.setSocket(wire, Buffer.alloc(0))
  const bytes = frame(0x82, Buffer.alloc(200_000))
  for (const [from, to] of [[0, 3], [3, 9], [9, bytes.length]]) {
    wire.push(bytes.subarray(from, to))
    await new Promise(setImmediate)
  }
  await new Promise(setImmediate)
  t.strictSame(sizes, [200_000])
})

t.test('a protocol violation is rejected at its first bytes', async (t) => {
  for (const Socket of [FastSocket, Plain]) {
    const wire = new Wire()
    const socket = new Socket(null, undefined, settings);
    (socket as unknown as {
      setSocket (socket: Duplex, head: Buffer, options: object): void
    }).setSocket(wire, Buffer.alloc(0), settings)
    const failed = new Promise<NodeJS.ErrnoException>((resolve) => { socket.on('error', resolve) })
    wire.push(Buffer.from([0x83, 0xff]))
    t.equal((await failed).code, 'WS_ERR_INVALID_OPCODE')
    socket.terminate()
  }
})

t.test('a receiver that has failed takes nothing any more', async (t) => {
  const socket = new FastSocket(null, undefined, settings)
  const failures: unknown[] = []
  socket.on('error', (error) => { failures.push((error as NodeJS.ErrnoException).code) })
  socket.setSocket(new Wire(), Buffer.alloc(0))
  const receiver = socket._receiver!
  const write = (bytes: Buffer) => new Promise<unknown>((resolve) => {
    receiver._write(bytes, 'utf8', resolve as () => void)
  })
  t.match(await write(frame(0x83, Buffer.alloc(1))), { code: 'WS_ERR_INVALID_OPCODE' })
  t.equal(await write(frame(0x83, Buffer.alloc(1))), undefined)
  socket.terminate()
})

t.test('a client that pings and does not read is cut, as with ws', async (t) => {
  for (const Socket of [FastSocket, Plain]) {
    const wire = new Wire()
    wire._write = () => {}
    const socket = new Socket(null, undefined, { ...settings, maxPendingAutoPongs: 10 });
    (socket as unknown as {
      setSocket (socket: Duplex, head: Buffer, options: object): void
    }).setSocket(wire, Buffer.alloc(0), settings)
    for (let count = 0; count < 10; count++) wire.push(frame(0x89, Buffer.alloc(1)))
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
    t.equal(socket._socket!.destroyed, false)
    wire.push(frame(0x89, Buffer.alloc(1)))
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
    t.equal(socket._socket!.destroyed, true)
  }
})

t.test('a connection is not held back, and not ended for its silence', async (t) => {
  for (const Socket of [FastSocket, Plain]) {
    const called: unknown[] = []
    const wire = Object.assign(new Wire(), {
      setTimeout: (milliseconds: number) => { called.push(['setTimeout', milliseconds]) },
      setNoDelay: (isOn = true) => { called.push(['setNoDelay', isOn]) }
    })
    const socket = new Socket(null, undefined, settings);
    (socket as unknown as {
      setSocket (socket: Duplex, head: Buffer, options: object): void
    }).setSocket(wire, Buffer.alloc(0), settings)
    t.strictSame(called, [['setTimeout', 0], ['setNoDelay', true]])
    socket.terminate()
  }
})

t.test('bytes that the receiver of ws cannot take yet are not read', async (t) => {
  for (const Socket of [FastSocket, Plain]) {
    const wire = new Wire()
    const socket = new Socket(null, undefined, settings);
    (socket as unknown as {
      setSocket (socket: Duplex, head: Buffer, options: object): void
    }).setSocket(wire, Buffer.alloc(0), settings)
    // As while it inflates.
    socket._receiver!.write = () => false
    wire.push(frame(0x89, Buffer.alloc(1)))
    await new Promise(setImmediate)
    t.equal(wire.isPaused(), true)
    socket.terminate()
  }
})

t.test('a ping with a payload is left to ws', async (t) => {
  const wire = new Wire()
  const socket = new FastSocket(null, undefined, settings)
  socket.setSocket(wire, Buffer.alloc(0))
  socket.ping()
  t.equal(socket.isComplete, false)
  socket.ping('now')
  t.equal(Buffer.concat(wire.written).toString('hex'), '8900' + '89036e6f77')
})

t.test('nothing is created of a socket that was cut, which behaves as that of ws', async (t) => {
  for (const Socket of [FastSocket, Plain]) {
    const wire = new Wire()
    const socket = new Socket(null, undefined, settings);
    (socket as unknown as {
      setSocket (socket: Duplex, head: Buffer, options: object): void
    }).setSocket(wire, Buffer.alloc(0), settings)
    const closed = once(socket, 'close')
    wire.destroy(new Error('cut'))
    t.same(await closed, [1006, Buffer.alloc(0)])
    const sent = new Promise<unknown>((resolve) => { socket.send('late', resolve) })
    socket.ping()
    socket.close(1000)
    socket.terminate()
    socket.resume()
    t.match(await sent, { message: 'WebSocket is not open: readyState 3 (CLOSED)' })
    t.equal(socket.readyState, WebSocket.CLOSED)
    t.equal(socket.bufferedAmount, 4)
    t.equal(wire.written.length, 0)
    if (socket instanceof FastSocket) t.same([socket.isComplete, socket.waiting], [false, 0])
  }
})

t.test('bytes left in the stream when it closes are read', async (t) => {
  for (const Socket of [FastSocket, Plain]) {
    const wire = new Wire()
    const socket = new Socket(null, undefined, settings);
    (socket as unknown as {
      setSocket (socket: Duplex, head: Buffer, options: object): void
    }).setSocket(wire, Buffer.alloc(0), settings)
    const messages: string[] = []
    socket.on('message', (message: Buffer) => { messages.push(message.toString()) })
    socket.pause()
    // More than a paused one goes on to read, and then some.
    wire.push(frame(0x82, Buffer.alloc(20_000)))
    await new Promise(setImmediate)
    wire.push(frame(0x81, Buffer.from('last')))
    await new Promise(setImmediate)
    wire.destroy()
    await once(socket, 'close')
    t.same(messages.map((message) => message.length), [20_000, 4], Socket.name)
  }
})

t.test('replies to a read are written at its end, in memory in the next tick', async (t) => {
  const socket = new FastSocket(null, undefined, settings)
  socket.setSocket(new Wire(), Buffer.alloc(0))
  let [depth, deepest, rounds, gathered] = [0, 0, 0, 0]
  const outbox = {
    flush () {
      if (gathered === 0) return
      gathered = 0
      deepest = Math.max(deepest, ++depth)
      if (++rounds < 100) socket.read(frame(0x81, Buffer.from('again')), false, true)
      depth--
    },
    flushAll () {}
  }
  const listener = { onMessage () { gathered += socket.isReading ? 1 : NaN } }
  listen(socket, listener as unknown as SocketListener, outbox)
  socket.read(
    Buffer.concat(['one', 'two'].map((text) => frame(0x81, Buffer.from(text)))),
    false,
    true
  )
  t.equal(rounds, 1)
  t.notOk(socket.isReading)
  await until(() => rounds === 100)
  t.strictSame(
    [rounds, deepest],
    [100, 2],
    'not each answer deeper in the stack than the one before'
  )
})
