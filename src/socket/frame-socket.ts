import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import { kOwner, type SocketOwner } from './socket-events.js'

const kTcp = Symbol('fastify-socket-route.tcp')

/**
 * A server's socket of `ws` that takes frames as they are to be written, and writes them to the connection that Node hands over at the
 * upgrade, behind all that `ws` has written. It needs no more than the public API of `ws` and Node.
 */
export class FrameSocket extends WebSocket {
  declare [kOwner]: undefined | SocketOwner
  declare [kTcp]: Duplex

  /** Frames are written to this connection from now on. */
  writeTo (tcp: Duplex): void {
    this[kTcp] = tcp
  }

  /** Bytes that were written and that the kernel has not taken yet. */
  get waiting (): number {
    return this.bufferedAmount
  }

  /** Whether `ws` has nothing left to compress, so that what is written now keeps its place. */
  get isSenderIdle (): boolean {
    return this.bufferedAmount === this[kTcp].writableLength
  }

  /** Writes whole frames, in as many buffers as they are in. @param onWritten is called when the kernel has taken them. */
  writeFrames (parts: readonly Buffer[], onWritten?: () => void): void {
    const tcp = this[kTcp]
    const last = parts.length - 1
    if (last === 0) {
      tcp.write(parts[0], onWritten)
      return
    }
    tcp.cork()
    for (let index = 0; index < last; index++) tcp.write(parts[index])
    tcp.write(parts[last], onWritten)
    tcp.uncork()
  }

  override ping (...parameters: Parameters<WebSocket['ping']>): void {
    this[kOwner]?.flush()
    super.ping(...parameters)
  }

  // ws calls these two by itself, when the client has sent such a frame.
  override pong (...parameters: Parameters<WebSocket['pong']>): void {
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
}
