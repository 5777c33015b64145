import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { closeCodes, type CloseReason } from '../close-codes.js'
import type { Closable, Live, LiveSet } from '../connection/live.js'
import { ConnectionContext } from '../socket/async-context.js'
import type { Deadlines } from '../connection/deadlines.js'
import type { Identity } from '../connection/identity.js'
import { Inbox } from '../connection/inbox.js'
import { announcedBy, listen, type SocketOwner } from '../socket/socket-events.js'
import { closeUnused } from '../connection/outbox.js'
import { OPEN } from '../socket/ready-state.js'
import { violationOf, type MessageLimits } from '../socket/violation.js'
import { closeReasonOf, errors, isOfLimit } from '../errors.js'
import { writeLog } from '../log.js'
import type { Message } from '../message/message.js'
import type { ConnectionCounts, Counted } from '../connection/connection-counts.js'

/** What takes over when it is known who is connected. */
interface Receiver {
  onMessage (message: Message): void
}

/** What the connections of one route have in common until their token has come. */
export interface FirstMessageRoute {
  readonly name: string
  readonly live: LiveSet
  readonly counts: ConnectionCounts
  readonly tokens: Deadlines<Closable>
  readonly closing: Deadlines<Live>
  readonly limits: MessageLimits
  /** @throws a coded error if the user may not come in. */
  admit (request: FastifyRequest, token: string): Promise<Identity>
  /** The reason not to let a user in at this very moment, if there is one. */
  refusal (identity: Identity): undefined | Error
  open (socket: WebSocket, request: FastifyRequest, identity: Identity): Receiver
}

// What may wait for the check of a token, before anybody knows who is asking. What is not compressed never comes to so many bytes.
const EARLY = 256
const EARLY_BYTES = 131_072

/**
 * A connection whose token is to come as its first message. Until it has, nobody knows of the connection but the caps and the drain:
 * it is no client of the route, and no callback runs.
 */
export class FirstMessage extends ConnectionContext implements Counted, Live, SocketOwner {
  readonly identity = undefined
  readonly subjects = []
  readonly ip: string
  readonly route: string
  readonly #route: FirstMessageRoute
  readonly #socket: WebSocket
  readonly #request: FastifyRequest
  // What one read of the socket brought after the token.
  #early: undefined | Inbox
  #isWaiting = true
  // Pings, pongs and fragments so far.
  #pieces = 0

  constructor (route: FirstMessageRoute, socket: WebSocket, request: FastifyRequest) {
    super()
    this.ip = request.ip
    this.route = route.name
    this.#route = route
    this.#socket = socket
    this.#request = request
  }

  open (): void {
    listen(this.#socket, this)
    const { counts, tokens, live } = this.#route
    counts.add(this)
    tokens.add(this)
    // Last, as it ends the connection at once if the app is closing.
    live.add(this)
  }

  onMessage (message: Message): void {
    if (!this.#isWaiting) return
    if (this.#early !== undefined) {
      this.#early.push(message)
      if (this.#early.length > EARLY || this.#early.bytes > EARLY_BYTES) this.#refuse(new errors.InboxFull(`${this.#early.length} messages with ${this.#early.bytes} bytes`, `${EARLY} with ${EARLY_BYTES}`, 'behind a token'))
      return
    }
    const { limits: { maxPayload }, admit } = this.#route
    this.#early = new Inbox(this.#socket, maxPayload)
    // After what was read together with the token: whoever breaks the protocol there, or leaves, is not to be opened.
    queueMicrotask(() => { if (this.#isWaiting) this.#socket.pause() })
    if (message.size > maxPayload) this.#refuse(new errors.MessageTooBig(message.size, maxPayload))
    else if (message.isBinary) this.#refuse(new errors.TokenInvalid())
    else admit(this.#request, message.text).then((identity) => { this.#admit(identity) }).catch((error: unknown) => { this.#refuse(error) })
  }

  /** Who has not said who it is has as little use for many of these as for many messages. */
  onControlOrFragment (): void {
    if (++this.#pieces > EARLY) this.#refuse(new errors.InboxFull(this.#pieces, EARLY, 'pings, pongs and fragments before a token'))
  }

  closeWith (closed: CloseReason): boolean {
    if (!this.#isWaiting) return false
    this.enter(this.#closeWith, this, closed)
    return true
  }

  #closeWith (closed: CloseReason): void {
    const { code, reason } = closed
    writeLog(this.#request, closed === closeCodes.restart ? 'debug' : 'info', { code, reason }, 'the connection is closed')
    this.#close(closed)
  }

  #close (reason: CloseReason): void {
    this.#forget()
    this.#route.closing.add(this)
    closeUnused(this.#socket, reason)
    // The client's answer to the close frame is to be read.
    this.#socket.resume()
  }

  expire (): void {
    this.#socket.terminate()
  }

  onSocketError (cause: NodeJS.ErrnoException): void {
    // ws closes the connection by itself.
    this.#log(violationOf(cause, this.#route.limits, announcedBy(this.#socket)), 'the client broke a rule before its token was verified')
  }

  flush (): void {
    // Nothing is sent before the token has come.
  }

  /** The socket is closed. */
  onSocketClosed (): void {
    this.#forget()
    const { closing, counts, live } = this.#route
    closing.delete(this)
    counts.delete(this)
    live.delete(this)
  }

  #admit (identity: Identity): void {
    if (!this.#isWaiting) return
    // It has left, or has broken the protocol: what it has sent before is for nobody.
    if (this.#socket.readyState !== OPEN) {
      this.#close(closeCodes.normal)
      return
    }
    const refusal = this.#route.refusal(identity)
    if (refusal !== undefined) throw refusal
    this.#forget()
    const { counts, live, open } = this.#route
    // The one that takes over is counted instead.
    counts.delete(this)
    const receiver = open(this.#socket, this.#request, identity)
    live.delete(this)
    const early = this.#early!
    for (let { next } = early; next !== undefined; { next } = early) {
      early.shift()
      receiver.onMessage(next)
    }
  }

  #refuse (error: unknown): void {
    if (!this.#isWaiting) return
    this.#log(error, 'the token of a first message was refused')
    this.#close(closeReasonOf(error))
  }

  // What an option bounds is for those to see who may have to change it.
  #log (error: unknown, message: string): void {
    const level = isOfLimit(error) ? 'warn' : closeReasonOf(error) === closeCodes.handlerFailed ? 'error' : 'info'
    this.enter(() => { writeLog(this.#request, level, { err: error }, message) }, undefined, undefined)
  }

  #forget (): void {
    if (!this.#isWaiting) return
    this.#isWaiting = false
    this.#route.tokens.delete(this)
  }
}
