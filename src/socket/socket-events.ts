import type { WebSocket } from 'ws'
import { Message } from '../message/message.js'
import type { ConnectionContext } from './async-context.js'

/** Who takes what comes from a socket. */
export interface SocketOwner extends ConnectionContext {
  /** A message has come. It is called in the context of the owner. */
  onMessage (message: Message): void
  /**
   * A frame has come that is no message: a ping, a pong, or a fragment, of which the last is a message.
   *
   * @param bytes of payload; none for a fragment, as its bytes count with the message.
   */
  onControlOrFragment (bytes: number, isPong: boolean): void
  /** What `ws` says of a client that breaks the protocol, or of a connection that fails. */
  onSocketError (cause: NodeJS.ErrnoException): void
  /** The socket is closed. */
  onSocketClosed (code: number, reason: string): void
  /** Something else is about to be written: what was gathered goes first. */
  flush (): void
}

/** What an owner listens to; one listener for all sockets. */
export const kOwner = Symbol('fastify-socket-route.owner')

/** On a socket: bytes of payload of the last frame that was larger than it may be. */
export const kAnnounced = Symbol('fastify-socket-route.announced')
type OwnedSocket = WebSocket & { [kOwner]: undefined | SocketOwner, [kAnnounced]?: number }

/** How large the frame of a socket was that is larger than it may be, if it was one frame. */
export function announcedBy (socket: WebSocket): undefined | number {
  return (socket as OwnedSocket)[kAnnounced]
}

/** Gives a socket to an owner, in the place of the one before. */
export function listen (socket: WebSocket, owner: SocketOwner): void {
  const owned = socket as OwnedSocket
  const hasListeners = owned[kOwner] !== undefined
  owned[kOwner] = owner
  if (hasListeners) return
  // Those of @fastify/websocket would cut the connection before the close frame has left.
  socket.removeAllListeners('error')
  socket.on('message', onMessage)
  socket.on('error', onError)
  socket.on('close', onClose)
}

function onMessage (this: WebSocket, data: unknown, isBinary: boolean): void {
  const owner = (this as OwnedSocket)[kOwner]!
  // ws gives a Buffer, as binaryType is left at 'nodebuffer'.
  owner.enter(owner.onMessage, owner, new Message(data as Buffer, isBinary))
}

function onError (this: WebSocket, cause: NodeJS.ErrnoException): void {
  (this as OwnedSocket)[kOwner]!.onSocketError(cause)
}

function onClose (this: WebSocket, code: number, reason: Buffer): void {
  (this as OwnedSocket)[kOwner]!.onSocketClosed(code, reason.toString('utf8'))
}
