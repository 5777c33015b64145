import { isUtf8 } from 'node:buffer'
import { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { nextTick } from 'node:process'
import { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import { copyBytes } from '../message/copy.js'
import { unmask } from '../message/mask.js'
import { Message } from '../message/message.js'
import { kOwner, type SocketOwner } from './listening.js'
import { Rest } from './rest.js'
import { hold, release } from './tick.js'

// All that this plugin relies on inside ws and Node is in this file. Of ws 8 it is this, besides its public API: `isSupported` looks for
// all of it.
interface Receiver {
  readonly _state: number
  readonly _bufferedBytes: number
  readonly _fragmented: number
  readonly _errored: boolean
  readonly _writableState: { readonly length: number }
  write (bytes: Buffer): boolean
}
interface Sender {
  readonly _state: number
  readonly _bufferedBytes: number
}
interface Internals {
  _socket: null | LinkedSocket
  _readyState: 0 | 1 | 2 | 3
  _paused: boolean
  readonly _closeFrameReceived: boolean
  readonly _errorEmitted: boolean
  _pendingAutoPongs: number
  _autoPongComplete: undefined | (() => void)
  setSocket (socket: Duplex, head: Buffer, options: object): void
}
interface ServerSettings {
  readonly autoPong?: boolean
  readonly maxPendingAutoPongs?: number
  readonly maxPayload?: number
  readonly skipUTF8Validation?: boolean
}
type Arguments = [address: null, protocols: undefined, settings: ServerSettings]
const Base = WebSocket as unknown as new (...given: Arguments) => WebSocket & Internals

const kReceiver = Symbol('fastify-socket-route.receiver')
const kSender = Symbol('fastify-socket-route.sender')
const kFast = Symbol('fastify-socket-route.socket')
// What may not be there is not on a Duplex that is no TCP connection.
type LinkedSocket = Duplex & { [kFast]?: FastSocket, setTimeout? (milliseconds: number): void, setNoDelay? (): void }

const CONNECTING = 0
const OPEN = 1
const CLOSED = 3
// Bytes that a paused socket goes on to read.
const MOST_WAITING = 16_384
// Of a receiver that is not in the middle of a frame, and of a sender that is not compressing.
const AT_REST = 0
const NOTHING = Buffer.alloc(0)
const PING = Buffer.from([0x89, 0])
// First bytes of frames that are whole messages (RFC 6455 section 5.2), and of a pong.
const TEXT = 0x81
const BINARY = 0x82
const PONG = 0x8a

/**
 * A server's socket of `ws` that reads whole messages, and writes whole frames, itself. All the rest is left to `ws`: fragments,
 * what is compressed, all control frames but pongs, and whatever breaks the protocol, so that every limit holds as it does there.
 * The receiver and the sender of `ws` are made when they are first needed, which for most connections is at the close.
 */
export class FastSocket extends Base {
  declare [kOwner]: undefined | SocketOwner
  declare [kReceiver]: null | Receiver
  declare [kSender]: null | Sender
  readonly #settings: ServerSettings
  // What has been read, and cannot or must not be looked at yet.
  #rest: undefined | Rest

  constructor (...given: Arguments) {
    super(...given)
    this.#settings = given[2]
    // A closure that only its receiver uses.
    this._autoPongComplete = undefined
  }

  /** @internal */
  get _receiver (): null | Receiver {
    this.#complete()
    return this[kReceiver]
  }

  set _receiver (receiver: null | Receiver) {
    this[kReceiver] = receiver
  }

  /** @internal */
  get _sender (): null | Sender {
    this.#complete()
    return this[kSender]
  }

  set _sender (sender: null | Sender) {
    this[kSender] = sender
  }

  override setSocket (socket: LinkedSocket, head: Buffer): void {
    this._socket = socket
    socket[kFast] = this
    socket.setTimeout?.(0)
    socket.setNoDelay?.()
    if (readsInto(socket)) {
      // What has come so far is in the stream, and will not be emitted.
      const early = socket.read() as null | Buffer
      if (early !== null || head.length > 0) nextTick(() => { this.read(early === null ? head : Buffer.concat([head, early])) })
      socket.resume()
    } else {
      if (head.length > 0) socket.unshift(head)
      socket.on('data', onData)
    }
    socket.on('close', onClose)
    socket.on('end', onEnd)
    socket.on('error', onError)
    this._readyState = OPEN
    this.emit('open')
  }

  /** As `bufferedAmount`, for which `ws` needs its sender. */
  get waiting (): number {
    return this._socket!.writableLength + (this[kSender]?._bufferedBytes ?? 0)
  }

  /** Whether `ws` has nothing left to compress, so that what is written now keeps its place. */
  get isSenderIdle (): boolean {
    return this[kSender] === null || this[kSender]._state === AT_REST
  }

  /** Writes whole frames, in as many buffers as they are in. @param onWritten is called when the kernel has taken them. */
  writeFrames (parts: readonly Buffer[], onWritten?: () => void): void {
    const socket = this._socket!
    const last = parts.length - 1
    if (last === 0) {
      socket.write(parts[0], onWritten)
      return
    }
    socket.cork()
    for (let index = 0; index < last; index++) socket.write(parts[index])
    socket.write(parts[last], onWritten)
    socket.uncork()
  }

  override ping (...parameters: []): void {
    this[kOwner]?.flush()
    if (parameters.length === 0 && this._readyState === OPEN && this.isSenderIdle) this._socket!.write(PING)
    else super.ping(...parameters)
  }

  // These two ws calls by itself, when the client has sent such a frame.
  override pong (...parameters: []): void {
    this[kOwner]?.flush()
    super.pong(...parameters)
  }

  override close (code?: number, reason?: string | Buffer): void {
    this[kOwner]?.flush()
    super.close(code, reason)
  }

  override terminate (): void {
    this[kOwner]?.flush()
    super.terminate()
  }

  // The socket goes on for a while, so that it is seen if the client leaves.
  override pause (): void {
    if (this._readyState !== CONNECTING && this._readyState !== CLOSED) this._paused = true
  }

  override resume (): void {
    // Not at once, as whoever resumes is in the middle of something; but before anything else comes from the socket.
    if (this.#rest?.isReady === true) nextTick(() => { this.#readOn(false) })
    if (this[kReceiver] !== null) {
      super.resume()
    } else if (this._readyState === OPEN) {
      this._paused = false
      this._socket!.resume()
    }
  }

  /** Bytes have come. @internal */
  read (chunk: Buffer): void {
    hold()
    try {
      this.#read(chunk)
    } finally {
      release()
    }
  }

  #read (chunk: Buffer): void {
    let start = 0
    while (this.#rest !== undefined && start < chunk.length) {
      start += this.#rest.take(chunk, start)
      // Where it waits for the socket to be resumed, all of the chunk was taken.
      if (this.#rest.isReady) this.#readOn(false)
    }
    if (start < chunk.length) this.#peel(chunk, start, chunk.length, false)
    if (this._paused && this.#rest !== undefined && this.#rest.size >= MOST_WAITING) this._socket!.pause()
  }

  /** No more will come: what waits for the socket to be resumed is read now. @internal */
  readLast (): void {
    this.#readOn(true)
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) this.#delegate(rest.bytes.subarray(rest.start, rest.end))
  }

  /** Makes what `ws` has for every socket from the beginning, and answers what it does at an event of the socket. @internal */
  complete (event: 'close' | 'end' | 'error'): () => void {
    this.#complete()
    return this._socket!.listeners(event).at(-1) as () => void
  }

  get isComplete (): boolean {
    return this[kReceiver] !== null
  }

  #complete (): void {
    const socket = this._socket
    if (this[kReceiver] !== null || socket === null) return
    const state = this._readyState
    this._autoPongComplete = () => { this._pendingAutoPongs-- }
    // It has been open for a while.
    const listeners = this.rawListeners('open') as Array<() => void>
    this.removeAllListeners('open')
    super.setSocket(socket, NOTHING, this.#settings)
    for (const listener of listeners) this.on('open', listener)
    this._readyState = state
    // That of ws, in whose place this reads.
    socket.removeListener('data', socket.listeners('data').at(-1) as () => void)
  }

  #readOn (isLast: boolean): void {
    const rest = this.#rest
    if (rest === undefined) return
    this.#rest = undefined
    this.#peel(rest.bytes, rest.start, rest.end, isLast)
  }

  // Takes one frame after the other out of the bytes, until they end or the socket is paused.
  #peel (bytes: Buffer, start: number, end: number, isLast: boolean): void {
    const { maxPayload = 0 } = this.#settings
    let at = start
    while (at < end) {
      const isWaiting = this._paused && !isLast
      if (this[kReceiver] !== null) {
        if (this.#isDone) return
        if (!isWaiting && !this.#isReceiverAtRest) {
          this.#delegate(bytes.subarray(at, end))
          return
        }
      }
      const size = isWaiting ? 0 : sizeOf(bytes, at, end)
      const isOwn = size > 0 && isWhole(bytes[at]!, bytes[at + 1]!) && (maxPayload === 0 || size - headerOf(bytes[at + 1]!) <= maxPayload)
      if (size <= 0 || (isOwn && at + size > end)) {
        this.#rest = new Rest(bytes, at, end, Math.abs(size))
        return
      }
      const next = Math.min(at + size, end)
      if (!isOwn) this.#delegate(bytes.subarray(at, next))
      else if (bytes[at] === PONG) this.#pong(bytes, at, next)
      else this.#message(bytes, at, next)
      at = next
    }
  }

  #message (bytes: Buffer, at: number, end: number): void {
    const start = at + headerOf(bytes[at + 1]!)
    const isBinary = bytes[at] === BINARY
    if (isBinary && this[kOwner] === undefined && this.binaryType !== 'nodebuffer') {
      this.#delegate(bytes.subarray(at, end))
      return
    }
    const isAscii = unmask(bytes, start, end, start - 4)
    if (!isAscii && !isBinary && this.#settings.skipUTF8Validation !== true && !isUtf8(bytes.subarray(start, end))) {
      // ws says what is wrong with it.
      unmask(bytes, start, end, start - 4)
      this.#delegate(bytes.subarray(at, end))
      return
    }
    const owner = this[kOwner]
    if (owner === undefined) this.emit('message', bytes.subarray(start, end), isBinary)
    else owner.receive(new Message(bytes, isBinary, start, end))
  }

  #pong (bytes: Buffer, at: number, end: number): void {
    if (this.listenerCount('pong') === 0) return
    const start = at + headerOf(bytes[at + 1]!)
    unmask(bytes, start, end, start - 4)
    this.emit('pong', bytes.subarray(start, end))
  }

  #delegate (bytes: Buffer): void {
    if (!this._receiver!.write(bytes)) this._socket!.pause()
  }

  // Whether whatever follows counts for nothing: behind a close frame, or what breaks the protocol.
  get #isDone (): boolean {
    return this._closeFrameReceived || this._errorEmitted || this[kReceiver]?._errored === true
  }

  // Whether no message has come in part, and none is being inflated.
  get #isReceiverAtRest (): boolean {
    const receiver = this[kReceiver]
    return receiver === null || (
      receiver._state === AT_REST && receiver._bufferedBytes === 0 && receiver._fragmented === 0 && receiver._writableState.length === 0
    )
  }
}

// Whether a frame is one that is read here, by its first two bytes: a message that is not compressed, or a pong; and masked, as all of
// a client must be.
function isWhole (first: number, second: number): boolean {
  return second >= 0x80 && (first === TEXT || first === BINARY || (first === PONG && second < 0x80 + 126))
}

// Bytes of the header of a masked frame, by its second byte.
function headerOf (second: number): number {
  return second === 0xff ? 14 : second === 0xfe ? 8 : 6
}

// Bytes of a frame; or, as a negative number, how many are needed to know that.
function sizeOf (bytes: Buffer, at: number, end: number): number {
  const count = end - at
  if (count < 2) return -2
  const second = bytes[at + 1]!
  const length = second & 0x7f
  const mask = second < 0x80 ? 0 : 4
  if (length < 126) return 2 + mask + length
  if (length === 126) return count < 4 ? -4 : 4 + mask + bytes.readUInt16BE(at + 2)
  return count < 10 ? -10 : 10 + mask + bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6)
}

function onData (this: LinkedSocket, chunk: Buffer): void {
  this[kFast]!.read(chunk)
}

// All that is read from TCP comes here first: nobody else reads meanwhile, as each socket takes a copy of its part.
const memory = Buffer.allocUnsafeSlow(65_536)

// Where Node keeps what `onread` of `net.connect` says, for which sockets of a server have no option.
const [kBuffer, kBufferCallback] = ['kBuffer', 'kBufferCb'].map((name) => Object.getOwnPropertySymbols(new Socket()).find(({ description }) => description === name))

interface Reading {
  readonly _handle?: null | { useUserBuffer? (memory: Buffer): void }
  [key: symbol]: unknown
}

// Has a TCP socket read into that memory and call back, rather than allocate 64 KiB for each read and pass it through a stream. Answers
// whether it will: otherwise, as over TLS, it emits `data`.
function readsInto (socket: Duplex): boolean {
  const reading = socket as unknown as Reading
  const handle = reading._handle
  if (socket.constructor !== Socket || kBuffer === undefined || kBufferCallback === undefined) return false
  if (typeof handle?.useUserBuffer !== 'function' || reading[kBuffer] !== null) return false
  reading[kBuffer] = memory
  reading[kBufferCallback] = onRead
  handle.useUserBuffer(memory)
  return true
}

function onRead (this: LinkedSocket, count: number): boolean {
  const chunk = Buffer.allocUnsafe(count)
  copyBytes(memory, 0, count, chunk, 0)
  this[kFast]!.read(chunk)
  return true
}

function onClose (this: LinkedSocket): void {
  passOn(this, 'close')
}

function onEnd (this: LinkedSocket): void {
  passOn(this, 'end')
}

function onError (this: LinkedSocket): void {
  passOn(this, 'error')
}

function passOn (socket: LinkedSocket, event: 'close' | 'end' | 'error'): void {
  const fast = socket[kFast]!
  const { isComplete } = fast
  if (event === 'end') fast[kOwner]?.flush()
  if (event !== 'error') fast.readLast()
  // The listener of ws, if it has none yet for this event.
  if (!isComplete) fast.complete(event).call(socket)
}

/**
 * Whether the `ws` that is installed is made as this file expects: on a socket of its own, everything used here is looked at while
 * it does what it is used for.
 */
export function isSupported (Socket: typeof FastSocket = FastSocket): boolean {
  const duplex = new Duplex({ write (_chunk, _encoding, callback) { callback() } })
  let isExpected = false
  try {
    isExpected = isAsExpected(Socket, duplex)
  } catch {
    // Something is not there at all.
  }
  duplex.removeAllListeners().destroy()
  return isExpected
}

function isAsExpected (Socket: typeof FastSocket, duplex: Duplex): boolean {
  const fast = new Socket(null, undefined, { maxPayload: 100, autoPong: true, maxPendingAutoPongs: 2 })
  fast.setSocket(duplex, NOTHING)
  const before = [fast._readyState, fast._paused, fast._closeFrameReceived, fast._errorEmitted, fast._socket === duplex, duplex.listenerCount('data')]
  const { _receiver: receiver, _sender: sender } = fast
  const atRest = shapeOf(receiver!)
  receiver!.write(Buffer.from([0x89, 0x80, 0, 0, 0, 0]))
  const pongs = fast._pendingAutoPongs
  // The beginning of a message in fragments, and half a frame.
  receiver!.write(Buffer.from([0x01, 0x80, 0, 0, 0, 0]))
  receiver!.write(Buffer.from([0x80]))
  const busy = shapeOf(receiver!)
  const isClosing = (receiver!.write(Buffer.from([0x80, 0, 0, 0, 0, 0x88, 0x80, 0, 0, 0, 0])), fast._closeFrameReceived)
  return isEqual(before, [OPEN, false, false, false, true, 1]) &&
    isEqual(atRest, [AT_REST, 0, 0, false, 0]) && isEqual(busy, [AT_REST, 1, 1, false, 0]) && isClosing && pongs === 1 &&
    isEqual([sender!._state, sender!._bufferedBytes, duplex.listenerCount('data')], [AT_REST, 0, 1])
}

function shapeOf (receiver: Receiver): unknown[] {
  return [receiver._state, receiver._bufferedBytes, receiver._fragmented, receiver._errored, receiver._writableState.length]
}

function isEqual (values: readonly unknown[], expected: readonly unknown[]): boolean {
  return values.every((value, index) => value === expected[index])
}

const canDetach = typeof (ServerResponse.prototype as Partial<ServerResponse>).detachSocket === 'function'

/**
 * Takes the response that `@fastify/websocket` makes for each upgrade off the socket, where it would stay, with the request, as long as
 * the connection. Nothing of it fires after an upgrade but `close`: whoever listens to that still gets it.
 */
export function releaseResponse (response: ServerResponse): void {
  const { socket } = response
  if (canDetach && socket !== null && response.listenerCount('close') === 0) response.detachSocket(socket)
}
