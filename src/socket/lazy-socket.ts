import { Socket } from 'node:net'
import { nextTick } from 'node:process'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { copyBytes } from '../message/copy.js'
import { FrameSocket } from './frame-socket.js'
import { kAnnounced, kOwner } from './socket-events.js'
import { CLOSED, CLOSING, CONNECTING, OPEN } from './ready-state.js'

// The private parts of ws 8 that direct reads rely on, and the probe looks for.
export interface Receiver {
  readonly _fragmented: number
  readonly _errored: boolean
  readonly _writableState: { readonly length: number }
  write (bytes: Buffer, callback?: () => void): boolean
  _write (bytes: Buffer, encoding: BufferEncoding, callback: () => void): void
}
export interface Sender {
  readonly _state: number
  readonly _bufferedBytes: number
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
// What may not be there is not on a Duplex that is no TCP connection.
type LinkedSocket = Duplex & { [kLazy]?: LazySocket, setTimeout? (milliseconds: number): void, setNoDelay? (): void }

// Of a sender that is not compressing.
export const AT_REST = 0
export const NOTHING = Buffer.alloc(0)
const PING = Buffer.from([0x89, 0])

/**
 * A server's socket of `ws` that is given the bytes of its connection as they come. The receiver and the sender of `ws` are made when they
 * are first needed: at a closing handshake, at the latest; never, if the connection is cut.
 */
export abstract class LazySocket extends Base {
  declare [kAnnounced]: undefined | number
  declare [kReceiver]: null | Receiver
  declare [kSender]: null | Sender
  protected readonly settings: ServerSettings

  constructor (...given: Arguments) {
    super(...given)
    this.settings = given[2]
    // A closure that only its receiver uses.
    this._autoPongComplete = undefined
  }

  /** Whether what Node reads from TCP comes in the asynchronous context of the owner. @internal */
  isInContext = false

  /**
   * Bytes have come.
   *
   * @param mayHaveMore whether more may be read at once.
   * @param isInContext whether it is called in the asynchronous context of the owner.
   * @internal
   */
  abstract read (chunk: Buffer, mayHaveMore: boolean, isInContext: boolean): void

  /** Gives the TCP connection the asynchronous context that is entered: reading then needs to enter none. */
  adoptContext (): void {
    const reading = this._socket as unknown as Reading
    if (reading[kBufferCallback!] !== onRead) return
    // As the agent of node:http does with a connection that it uses again.
    reading._handle?.asyncReset!(reading._handle)
    this.isInContext = true
  }

  /** No more bytes will come. @internal */
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
  get _sender (): null | Sender {
    this.#complete()
    return this[kSender]
  }

  set _sender (sender: null | Sender) {
    this[kSender] = sender
  }

  override setSocket (socket: LinkedSocket, head: Buffer): void {
    this._socket = socket
    this.writeTo(socket)
    socket[kLazy] = this
    socket.setTimeout?.(0)
    socket.setNoDelay?.()
    if (readsInto(socket)) {
      // What has come so far is in the stream, and will not be emitted.
      const early = socket.read() as null | Buffer
      if (early !== null || head.length > 0) nextTick(() => { this.read(early === null ? head : Buffer.concat([head, early]), false, false) })
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

  // Of ws it would need the sender.
  override get waiting (): number {
    return (this._socket?.writableLength ?? 0) + (this[kSender]?._bufferedBytes ?? 0)
  }

  override get isSenderIdle (): boolean {
    return this[kSender] === null || this[kSender]._state === AT_REST
  }

  override ping (...parameters: Parameters<WebSocket['ping']>): void {
    // First, as it may leave something to ws that is to be compressed.
    this[kOwner]?.flush()
    if (parameters.length === 0 && this._readyState === OPEN && this.isSenderIdle) this._socket!.write(PING)
    else super.ping(...parameters)
  }

  // Bytes go on to come for a while, so that it is seen if the client leaves: until `stopReading`.
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

  /** An event of the TCP connection, for which there may be nothing of `ws` yet. @internal */
  passOn (event: SocketEvent): void {
    const { isComplete } = this
    if (event !== 'error') {
      this.readLast()
      // Behind that, as some of it may be answered at once: a moment later there may be no socket to write to.
      this[kOwner]?.flush()
    }
    if (isComplete) return
    const socket = this._socket!
    // What is left in the stream ws reads.
    if (event === 'close' && socket.readableLength > 0) this.#complete()
    // Its listener has come too late for this event.
    if (this.isComplete) (socket.listeners(event).at(-1) as () => void).call(socket)
    else this.#cut(event)
  }

  // As ws does, which has nothing to finish reading.
  #cut (event: SocketEvent): void {
    const socket = this._socket!
    this._readyState = CLOSING
    if (event === 'end') {
      socket.end()
    } else if (event === 'error') {
      socket.destroy()
    } else {
      // What is asked of it from now on then needs no sender.
      this._socket = null
      this._bufferedAmount = 0
      this.emitClose()
    }
  }

  /** Whether `ws` has what it has for every socket from the beginning. */
  get isComplete (): boolean {
    return this[kReceiver] !== null
  }

  #complete (): void {
    const socket = this._socket
    if (this.isComplete || socket === null) return
    const state = this._readyState
    this._autoPongComplete = () => { this._pendingAutoPongs-- }
    // It has been open for a while.
    const listeners = this.rawListeners('open') as Array<() => void>
    this.removeAllListeners('open')
    super.setSocket(socket, NOTHING, this.settings)
    guardReceiver(this)
    for (const listener of listeners) this.on('open', listener)
    this._readyState = state
    // That of ws, in whose place this reads.
    socket.removeListener('data', socket.listeners('data').at(-1) as () => void)
  }

  /** From now on no bytes come, until `resume`. */
  protected stopReading (): void {
    this._socket!.pause()
  }

  /** Goes on, before bytes do: those come again with `resume`. */
  protected unpause (): void {
    if (this._readyState !== CLOSED) this._paused = false
  }

  /** Leaves bytes to `ws`, which may inflate them first. */
  protected delegate (bytes: Buffer): void {
    if (!this._receiver!.write(bytes, () => { this.taken() })) this._socket!.pause()
  }

  /** The receiver has taken what it was left. */
  protected abstract taken (): void

  /** Whether whatever follows counts for nothing: behind a close frame, or what breaks the protocol. */
  protected get isDone (): boolean {
    return this._closeFrameReceived || this._errorEmitted || this[kReceiver]?._errored === true
  }

  /** Whether `ws` has been left the beginning of a message in fragments. */
  protected get isReceiverBetweenFragments (): boolean {
    const receiver = this[kReceiver]
    return receiver !== null && receiver._fragmented !== 0
  }

  /** Whether `ws` is inflating what it was left. */
  protected get isReceiverBusy (): boolean {
    const receiver = this[kReceiver]
    return receiver !== null && receiver._writableState.length > 0
  }
}

/**
 * Has a receiver of `ws` that has failed take nothing any more. What came while it inflated waits in Node, which goes on to hand it over
 * after the failure; `ws` 8.23.0 then throws where nobody catches it, and one client would end the process.
 */
export function guardReceiver (socket: WebSocket): void {
  const { _receiver: receiver } = socket as unknown as { readonly _receiver?: Receiver }
  // Of a ws that is made in another way there may be none.
  Object.assign(Object(receiver), { _write: writeUnlessFailed })
}

function writeUnlessFailed (this: Receiver, bytes: Buffer, encoding: BufferEncoding, callback: () => void): void {
  if (this._errored) callback()
  else (Object.getPrototypeOf(this) as Receiver)._write.call(this, bytes, encoding, callback)
}

function onData (this: LinkedSocket, chunk: Buffer): void {
  this[kLazy]!.read(chunk, true, false)
}

// All that is read from TCP comes here first: nobody else reads meanwhile, as each socket takes a copy of its part.
const memory = Buffer.allocUnsafeSlow(65_536)

// Where Node keeps what `onread` of `net.connect` says, for which sockets of a server have no option.
const [kBuffer, kBufferCallback] = ['kBuffer', 'kBufferCb'].map((name) => Object.getOwnPropertySymbols(new Socket()).find(({ description }) => description === name))

interface Reading {
  readonly _handle?: null | { useUserBuffer? (memory: Buffer): void, asyncReset? (resource: object): void }
  [key: symbol]: unknown
}

// Has a TCP socket read into that memory and call back, rather than allocate 64 KiB for each read and pass it through a stream. Answers
// whether it will: otherwise, as over TLS, it emits `data`.
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

/** Whether Node is made as this file expects, so that TCP is read without a stream: looked at on a socket of its own. */
export function readsDirectly (): boolean {
  const socket = new Socket()
  // Its handle is made at once; it would connect in the next tick.
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
