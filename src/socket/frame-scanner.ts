import { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { headerOf, isData, isFinal, PONG, sizeOf } from '../message/header.js'
import { kAnnounced, kListener, type SocketListener } from './socket-events.js'
import { beginTurn } from './turns.js'

const kCounter = Symbol('fastify-socket-route.counter')
type CountedStream = Duplex & { [kCounter]?: FrameCounter }

// A close frame is the last of its connection.
const CLOSE = 0x88

/**
 * Reports control frames and fragments to the owner of a socket that `ws` reads, as `ws` emits no
 * event for fragments.
 *
 * @param stream the stream that the socket reads; with `injectWS` it may be something else.
 * @param maxPayload bytes of the largest message.
 */
export function countFrames (stream: unknown, socket: WebSocket, maxPayload: number): void {
  if (!(stream instanceof Duplex)) return
  (stream as CountedStream)[kCounter] = new FrameCounter(socket, maxPayload)
  stream.prependListener('data', onData)
}

function onData (this: CountedStream, chunk: Buffer): void {
  beginTurn(this, true)
  this[kCounter]!.read(chunk)
}

/** Finds the frames in the bytes of a client; parses only their headers. */
class FrameCounter {
  readonly #socket: WebSocket & { readonly [kListener]?: SocketListener, [kAnnounced]?: number }
  readonly #maxPayload: number
  // Bytes until the next frame begins.
  #ahead = 0
  // The start of an incomplete header.
  #rest: undefined | Buffer

  constructor (socket: WebSocket, maxPayload: number) {
    this.#socket = socket
    this.#maxPayload = maxPayload
  }

  read (chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    this.#rest = undefined
    let at = this.#ahead
    while (at + 1 < bytes.length) {
      const size = sizeOf(bytes, at, bytes.length)
      if (size < 0) break
      this.#count(bytes[at]!, size - headerOf(bytes[at + 1]!))
      at += size
    }
    this.#ahead = Math.max(0, at - bytes.length)
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at))
  }

  #count (first: number, size: number): void {
    if (size > this.#maxPayload) this.#socket[kAnnounced] = size
    if (isData(first)) {
      if (!isFinal(first)) this.#socket[kListener]?.onControlOrFragment(0, false)
    } else if (first !== CLOSE) {
      this.#socket[kListener]?.onControlOrFragment(size, first === PONG)
    }
  }
}
