import { Socket } from 'node:net'
import { nextTick } from 'node:process'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { copyBytes } from '../message/bytes.js'
import { FrameSocket, kTcp } from './frame-socket.js'
import { kAnnounced, kOutbox, CLOSED, CLOSING, CONNECTING, OPEN } from './socket-events.js'

// The private parts of ws 8 that direct reads rely on; the probe checks them.
export interface Receiver {
  readonly _fragmented: number
  readonly _errored: boolean
  readonly _writableState: { readonly length: number }
  write (bytes: Buffer, callback?: () => void): boolean
  _write (bytes: Buffer, encoding: BufferEncoding, callback: () => void): void
}
export interface Internals {
  _socket: null | LinkedSocket
  _readyState: 0 | 1 | 2 | 3
  _paused: boolean
  _bufferedAmount: number
  readonly _closeFrameReceived: boolean
  readonly _errorEmitted: boolean
  _pendingAutoPongs: number
  _autoPongComplete: undefined | (() => void)
  setSocket (socket: Duplex, head: Buffer, options: object): void
  emitClose (): void
}
interface ServerSettings {
  readonly autoPong?: boolean
  readonly maxPendingAutoPongs?: number
  readonly maxPayload?: number
  readonly skipUTF8Validation?: boolean
}
export type Arguments = [address: null, protocols: undefined, settings: ServerSettings]
const Base = FrameSocket as unknown as new (...given: Arguments) => FrameSocket & Internals

const kReceiver = Symbol('fastify-socket-route.receiver')
const kSender = Symbol('fastify-socket-route.sender')
const kLazy = Symbol('fastify-socket-route.socket')
type SocketEvent = 'close' | 'end' | 'error'
// A Duplex that is not a TCP socket lacks the optional methods.
type LinkedSocket = Duplex & {
  [kLazy]?: LazySocket
  setTimeout? (milliseconds: number): void
  setNoDelay? (): void
}

export const NOTHING = Buffer.alloc(0)
const PING = Buffer.from([0x89, 0])

/**
 * A server's socket of `ws` that receives the bytes of its connection directly. The receiver and
 * the sender of `ws` are created when first needed, at the latest for the closing handshake. If the
 * connection is lost before, they are never created.
 */
export abstract class LazySocket extends Base {
  declare [kAnnounced]: undefined | number
  declare [kReceiver]: null | Receiver
  declare [kSender]: null | object
  protected readonly settings: ServerSettings

  constructor (...given: Arguments) {
    super(...given)
    this.settings = given[2]
    // Only the receiver uses this closure.
    this._autoPongComplete = undefined
  }

  /** Whether Node delivers reads of TCP in the asynchronous context of the listener. @internal */
  isInContext = false

  /**
   * Called with the bytes of a read.
   *
   * @param mayHaveMore whether Node may read more at once.
   * @param isInContext whether the call is in the asynchronous context of the listener.
   * @internal
   */
  abstract read (chunk: Buffer, mayHaveMore: boolean, isInContext: boolean): void

  /** Binds the TCP socket to the current asynchronous context, so that reads need not enter it. */
  adoptContext (): void {
    const reading = this._socket as unknown as Reading
    if (reading[kBufferCallback!] !== onRead) return
    // The agent of node:http does the same when it reuses a connection.
    reading._handle?.asyncReset!(reading._handle)
    this.isInContext = true
  }

  /** Called when no more bytes will come. @internal */
  abstract readLast (): void

  /** @internal */
  get _receiver (): null | Receiver {
    this.#complete()
    return this[kReceiver]
  }

  set _receiver (receiver: null | Receiver) {
    this[kReceiver] = receiver
  }

  /** @internal */
  get _sender (): null | object {
    this.#complete()
    return this[kSender]
  }

  set _sender (sender: null | object) {
    this[kSender] = sender
  }

  override setSocket (socket: LinkedSocket, head: Buffer): void {
    this._socket = socket
    this[kTcp] = socket
    socket[kLazy] = this
    socket.setTimeout?.(0)
    socket.setNoDelay?.()
    if (readsInto(socket)) {
      // Bytes already in the stream will not be emitted.
      const early = socket.read() as null | Buffer
      if (early !== null || head.length > 0) {
        nextTick(() => {
          this.read(early === null ? head : Buffer.concat([head, early]), false, false)
        })
      }
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

  // `setSocket` has set it, and `passOn` flushes at the end.
  override writeTo (): void {}

  // bufferedAmount of ws would create the sender.
  override get waiting (): number {
    return this.isComplete ? super.waiting : this._socket?.writableLength ?? 0
  }

  override get isSenderIdle (): boolean {
    return !this.isComplete || super.isSenderIdle
  }

  override ping (...parameters: Parameters<WebSocket['ping']>): void {
    // Flushed first, as that may pass a frame to ws for compression.
    this[kOutbox]?.flushAll()
    if (parameters.length === 0 && this._readyState === OPEN && this.isSenderIdle) {
      this._socket!.write(PING)
    } else {
      super.ping(...parameters)
    }
  }

  // Reading goes on until `stopReading`, so that a disconnect is noticed.
  override pause (): void {
    if (this._readyState !== CONNECTING && this._readyState !== CLOSED) this._paused = true
  }

  override resume (): void {
    if (this.isComplete) {
      super.resume()
    } else if (this._readyState === OPEN) {
      this._paused = false
      this._socket!.resume()
    }
  }

  /** Handles an event of the TCP socket, also while there is no receiver of `ws`. @internal */
  passOn (event: SocketEvent): void {
    const { isComplete } = this
    if (event !== 'error') {
      this.readLast()
      // Flushed after that, as messages may be answered at once: a moment later there may be no
      // socket to write to.
      this[kOutbox]?.flushAll()
    }
    if (isComplete) return
    const socket = this._socket!
    // ws reads the rest of the stream.
    if (event === 'close' && socket.readableLength > 0) this.#complete()
    // The listener of ws was added too late for this event.
    if (this.isComplete) (socket.listeners(event).at(-1) as () => void).call(socket)
    else this.#cut(event)
  }

  // Does the same as ws with nothing left to read.
  #cut (event: SocketEvent): void {
    const socket = this._socket!
    this._readyState = CLOSING
    if (event === 'end') {
      socket.end()
    } else if (event === 'error') {
      socket.destroy()
    } else {
      // Without a socket, later calls create no sender.
      this._socket = null
      this._bufferedAmount = 0
      this.emitClose()
    }
  }

  /** Whether the receiver and the sender of `ws` have been created. */
  get isComplete (): boolean {
    return this[kReceiver] !== null
  }

  #complete (): void {
    const socket = this._socket
    if (this.isComplete || socket === null) return
    const state = this._readyState
    this._autoPongComplete = () => { this._pendingAutoPongs-- }
    // The socket is open already: its listeners must not see a second event.
    const listeners = this.rawListeners('open') as Array<() => void>
    this.removeAllListeners('open')
    super.setSocket(socket, NOTHING, this.settings)
    guardReceiver(this)
    for (const listener of listeners) this.on('open', listener)
    this._readyState = state
    // The listener of ws: this class reads in its place.
    socket.removeListener('data', socket.listeners('data').at(-1) as () => void)
  }

  /** Stops reading until `resume`. */
  protected stopReading (): void {
    this._socket!.pause()
  }

  /** Clears the paused state; reading goes on with `resume`. */
  protected unpause (): void {
    if (this._readyState !== CLOSED) this._paused = false
  }

  /** Passes bytes to `ws`, which may inflate them first. */
  protected delegate (bytes: Buffer): void {
    if (!this._receiver!.write(bytes, () => { this.taken() })) this._socket!.pause()
  }

  /** Called when the receiver has taken the bytes passed to it. */
  protected abstract taken (): void

  /** Whether further bytes are ignored: after a close frame or a protocol violation. */
  protected get isDone (): boolean {
    return this._closeFrameReceived || this._errorEmitted || this[kReceiver]?._errored === true
  }

  /** Whether `ws` is in the middle of a fragmented message. */
  protected get isReceiverBetweenFragments (): boolean {
    const receiver = this[kReceiver]
    return receiver !== null && receiver._fragmented !== 0
  }

  /** Whether `ws` is still inflating. */
  protected get isReceiverBusy (): boolean {
    const receiver = this[kReceiver]
    return receiver !== null && receiver._writableState.length > 0
  }
}

/**
 * Makes a receiver of `ws` ignore all bytes after it has failed. Bytes that came while it inflated
 * wait in Node, which still delivers them after the failure. `ws` 8.23.0 then throws an uncaught
 * error, with which one client could end the process.
 */
export function guardReceiver (socket: WebSocket): void {
  const { _receiver: receiver } = socket as unknown as { readonly _receiver?: Receiver }
  // An unsupported version of ws may have no receiver here.
  Object.assign(Object(receiver), { _write: writeUnlessFailed })
}

function writeUnlessFailed (
  this: Receiver,
  bytes: Buffer,
  encoding: BufferEncoding,
  callback: () => void
): void {
  if (this._errored) callback()
  else (Object.getPrototypeOf(this) as Receiver)._write.call(this, bytes, encoding, callback)
}

function onData (this: LinkedSocket, chunk: Buffer): void {
  this[kLazy]!.read(chunk, true, false)
}

// The memory for all reads from TCP. Sockets can share it, as each read copies its bytes at once.
const memory = Buffer.allocUnsafeSlow(65_536)

// Symbols under which Node stores the option `onread` of `net.connect`. Sockets of a server have no
// such option.
const [kBuffer, kBufferCallback] = ['kBuffer', 'kBufferCb'].map((name) =>
  Object.getOwnPropertySymbols(new Socket()).find(({ description }) => description === name))

interface Reading {
  readonly _handle?: null | {
    useUserBuffer? (memory: Buffer): void
    asyncReset? (resource: object): void
  }
  [key: symbol]: unknown
}

// Makes a TCP socket read into that memory and call back, rather than allocate 64 KiB for each read
// and pass it through a stream. Returns false if it cannot, as over TLS: then the socket emits
// `data`.
function readsInto (socket: Duplex): boolean {
  const reading = socket as unknown as Reading
  if (socket.constructor !== Socket || !canReadInto(reading)) return false
  reading[kBuffer!] = memory
  reading[kBufferCallback!] = onRead
  reading._handle!.useUserBuffer!(memory)
  return true
}

function canReadInto (reading: Reading): boolean {
  const { _handle: handle } = reading
  return kBuffer !== undefined && kBufferCallback !== undefined && reading[kBuffer] === null &&
    typeof handle?.useUserBuffer === 'function' && typeof handle.asyncReset === 'function'
}

/**
 * Whether this version of Node supports reading TCP without a stream; tested with a separate
 * socket.
 */
export function readsDirectly (): boolean {
  const socket = new Socket()
  // connect() creates the handle at once, and would connect in the next tick.
  socket.connect(9, '127.0.0.1')
  const isExpected = canReadInto(socket as unknown as Reading)
  socket.destroy()
  return isExpected
}

function onRead (this: LinkedSocket, count: number): boolean {
  const chunk = Buffer.allocUnsafe(count)
  copyBytes(memory, 0, count, chunk, 0)
  const lazy = this[kLazy]!
  lazy.read(chunk, count === memory.length, lazy.isInContext)
  return true
}

function onClose (this: LinkedSocket): void {
  this[kLazy]!.passOn('close')
}

function onEnd (this: LinkedSocket): void {
  this[kLazy]!.passOn('end')
}

function onError (this: LinkedSocket): void {
  this[kLazy]!.passOn('error')
}
