import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import { kListener, kOutbox, type PendingFrames, type SocketListener } from './socket-events.js'

/** On a `FrameSocket`: the TCP socket that it writes to. */
export const kTcp = Symbol('fastify-socket-route.tcp')

const kSocket = Symbol('fastify-socket-route.frame-socket')
type LinkedSocket = Duplex & { [kSocket]?: FrameSocket }

/**
 * A server's socket of `ws` whose outbox writes encoded frames directly to the TCP socket of the
 * upgrade, behind all that `ws` has written. It uses only public API of `ws` and Node.
 */
export class FrameSocket extends WebSocket {
  declare [kListener]: undefined | SocketListener
  declare [kOutbox]: undefined | PendingFrames
  declare [kTcp]: Duplex
  /** Whether the socket handles a read, at the end of which it flushes its outbox itself. */
  isReading = false

  /** Sets the TCP socket that frames are written to, and that `ws` reads. */
  writeTo (tcp: LinkedSocket): void {
    this[kTcp] = tcp
    tcp[kSocket] = this
    tcp.prependListener('end', onEnd)
  }

  /** Bytes that were written, but not yet taken by the kernel. */
  get waiting (): number {
    return this.bufferedAmount
  }

  /** Whether `ws` has nothing left to compress, so that frames written now stay in order. */
  get isSenderIdle (): boolean {
    return this.bufferedAmount === this[kTcp].writableLength
  }

  /** Has `ws` send a message, which may compress it first, behind all frames that were written. */
  sendByWs (...parameters: Parameters<WebSocket['send']>): void {
    super.send(...parameters)
  }

  // Only the app calls it.
  override send (data: Parameters<WebSocket['send']>[0], ...others: unknown[]): void {
    this[kOutbox]?.flushAll()
    super.send(data, ...others as [])
  }

  override ping (...parameters: Parameters<WebSocket['ping']>): void {
    this[kOutbox]?.flushAll()
    super.ping(...parameters)
  }

  // ws itself calls pong() and close() when the client has sent a ping or a close frame.
  override pong (...parameters: Parameters<WebSocket['pong']>): void {
    this[kOutbox]?.flushAll()
    super.pong(...parameters)
  }

  override close (code?: number, reason?: string | Buffer): void {
    this[kOutbox]?.flushAll()
    super.close(code, reason)
  }

  override terminate (): void {
    this[kOutbox]?.flushAll()
    super.terminate()
  }
}

// Replies to the last messages are still gathered when ws ends the TCP socket, as Node may emit
// `end` in the same tick.
function onEnd (this: LinkedSocket): void {
  this[kSocket]![kOutbox]?.flushAll()
}
