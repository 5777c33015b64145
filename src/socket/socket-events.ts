import type { WebSocket } from 'ws'
import { errors } from '../errors.js'
import { removeErrorListeners } from '../host/fastify-websocket-internals.js'
import { Message } from '../message/message.js'
import type { ConnectionContext } from './async-context.js'
import type { Flushable } from './flush-queue.js'

/** Handles the events of a socket. */
export interface SocketListener extends ConnectionContext {
  /** A message has come. Called in the context of the listener. */
  onMessage (message: Message): void
  /**
   * A ping, a pong or a fragment has come. The last fragment is reported as a message instead.
   *
   * @param bytes the size of the payload; 0 for a fragment, whose bytes count with the message.
   */
  onControlOrFragment (bytes: number, isPong: boolean): void
  /** `ws` reports a protocol violation or a failed connection. */
  onSocketError (cause: NodeJS.ErrnoException): void
  /** The socket is closed. */
  onSocketClosed (code: number, reason: string): void
}

/** The frames that wait to be written to a socket. */
export interface PendingFrames extends Flushable {
  /** Writes the frames that were gathered for this socket alone. */
  flush (): void
  /** Writes all of them, before something else is written. */
  flushAll (): void
}

/** On a socket: its listener. */
export const kListener = Symbol('fastify-socket-route.listener')

/** On a socket: its outbox, if there is one. */
export const kOutbox = Symbol('fastify-socket-route.outbox')

/** On a socket: payload bytes of the last frame that exceeded `maxPayload`. */
export const kAnnounced = Symbol('fastify-socket-route.announced')
type OwnSocket = WebSocket & {
  [kListener]: undefined | SocketListener
  [kOutbox]: undefined | PendingFrames
  [kAnnounced]?: number
}

/** Returns the payload bytes of the frame that exceeded `maxPayload`, if a single frame did. */
export function announcedBy (socket: WebSocket): undefined | number {
  return (socket as OwnSocket)[kAnnounced]
}

/**
 * Sets the listener of a socket, in place of an earlier one.
 *
 * @param outbox is flushed before `ws` writes a frame of its own, and before the socket is closed.
 */
export function listen (
  socket: WebSocket,
  listener: SocketListener,
  outbox?: PendingFrames
): void {
  const own = socket as OwnSocket
  const hasListeners = own[kListener] !== undefined
  own[kListener] = listener
  own[kOutbox] = outbox
  if (hasListeners) return
  removeErrorListeners(socket)
  socket.on('message', onMessage)
  socket.on('error', onError)
  socket.on('close', onClose)
}

function onMessage (this: WebSocket, data: unknown, isBinary: boolean): void {
  const listener = (this as OwnSocket)[kListener]!
  // ws gives a Buffer, as binaryType is left at 'nodebuffer'.
  listener.enter(listener.onMessage, listener, new Message(data as Buffer, isBinary))
}

function onError (this: WebSocket, cause: NodeJS.ErrnoException): void {
  (this as OwnSocket)[kListener]!.onSocketError(cause)
}

function onClose (this: WebSocket, code: number, reason: Buffer): void {
  (this as OwnSocket)[kListener]!.onSocketClosed(code, reason.toString('utf8'))
}

/** The values of `readyState` of a socket. */
export const CONNECTING = 0
export const OPEN = 1
export const CLOSING = 2
export const CLOSED = 3

/** The limits of the messages of one connection. */
export interface MessageLimits {
  /** Bytes of a message. */
  readonly maxPayload: number
  readonly maxFragments: number
}

/**
 * Maps an error of ws to an error of this plugin. ws itself sends the close code.
 *
 * @param announced payload bytes of the frame that is too large, if a single frame is.
 */
export function violationOf (
  cause: NodeJS.ErrnoException,
  { maxPayload, maxFragments }: MessageLimits,
  announced: undefined | number
): Error {
  switch (cause.code) {
    case 'WS_ERR_INVALID_UTF8': return new errors.MessageNotUtf8({ cause })
    case 'WS_ERR_TOO_MANY_BUFFERED_PARTS':
      return new errors.FragmentsTooMany(maxFragments, { cause })
    case 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH':
    case 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH':
      return new errors.MessageTooBig(announced ?? `more than ${maxPayload}`, maxPayload, { cause })
    case 'Z_DATA_ERROR': return new errors.MessageNotInflated({ cause })
    default: return new errors.ProtocolViolated({ cause })
  }
}
