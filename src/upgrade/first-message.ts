import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { closeCodes, type CloseReason } from '../protocol/close-codes.js'
import type { Closable, Counted, Live, LiveSet } from '../connection/connection-roles.js'
import { ConnectionContext } from '../socket/async-context.js'
import type { Deadlines } from '../connection/deadlines.js'
import type { Identity } from '../connection/identity.js'
import { Inbox } from '../connection/inbox.js'
import {
  announcedBy,
  listen,
  type SocketListener,
  OPEN,
  violationOf,
  type MessageLimits
} from '../socket/socket-events.js'
import { closeUnused } from '../connection/outbox.js'
import { closeReasonOf, errors, isOfLimit } from '../errors.js'
import { writeLog } from '../log.js'
import type { Message } from '../message/message.js'
import type { ConnectionCounts } from '../connection/connection-counts.js'

/** The connection that takes the messages after the token. */
interface Receiver {
  onMessage (message: Message): void
}

/** The state that connections of one route share until their token has arrived. */
export interface FirstMessageRoute {
  readonly name: string
  readonly live: LiveSet
  readonly counts: ConnectionCounts
  readonly tokens: Deadlines<Closable>
  readonly closing: Deadlines<Live>
  readonly limits: MessageLimits
  /** @throws a coded error if the user may not connect. */
  admit (request: FastifyRequest, token: string): Promise<Identity>
  /** Returns an error if the user must be refused at this moment, such as by a connection limit. */
  refusal (identity: Identity): undefined | Error
  open (socket: WebSocket, request: FastifyRequest, identity: Identity): Receiver
}

// The most messages and bytes that wait until a token is verified, when the user is not yet known.
// Uncompressed messages never reach so many bytes.
const EARLY = 256
const EARLY_BYTES = 131_072

/**
 * A connection whose token comes as its first message. Until then only the connection limits and
 * the drain know of it: it is no client of the route, and no callback runs.
 */
export class FirstMessage extends ConnectionContext implements Counted, Live, SocketListener {
  readonly identity = undefined
  readonly subjects = []
  readonly ip: string
  readonly route: string
  readonly #route: FirstMessageRoute
  readonly #socket: WebSocket
  readonly #request: FastifyRequest
  // The messages that one read of the socket brought after the token.
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
    // Last, as it closes the connection at once if the app is closing.
    live.add(this)
  }

  onMessage (message: Message): void {
    if (!this.#isWaiting) return
    if (this.#early !== undefined) {
      this.#early.push(message)
      const { length, bytes } = this.#early
      if (length > EARLY || bytes > EARLY_BYTES) {
        const waiting = `${length} messages with ${bytes} bytes`
        const most = `${EARLY} with ${EARLY_BYTES}`
        this.#refuse(new errors.InboxFull(waiting, most, 'behind a token'))
      }
      return
    }
    const { limits: { maxPayload }, admit } = this.#route
    this.#early = new Inbox(this.#socket, maxPayload)
    // Paused after the data that was read together with the token: a protocol violation or a close
    // frame in it must be seen before the connection opens.
    queueMicrotask(() => { if (this.#isWaiting) this.#socket.pause() })
    if (message.size > maxPayload) this.#refuse(new errors.MessageTooBig(message.size, maxPayload))
    else if (message.isBinary) this.#refuse(new errors.TokenInvalid())
    else {
      admit(this.#request, message.text)
        .then((identity) => { this.#admit(identity) })
        .catch((error: unknown) => { this.#refuse(error) })
    }
  }

  /** Limits pings, pongs and fragments before the token as messages are limited. */
  onControlOrFragment (): void {
    if (++this.#pieces <= EARLY) return
    const kind = 'pings, pongs and fragments before a token'
    this.#refuse(new errors.InboxFull(this.#pieces, EARLY, kind))
  }

  closeWith (closed: CloseReason): boolean {
    if (!this.#isWaiting) return false
    this.enter(this.#closeWith, this, closed)
    return true
  }

  #closeWith (closed: CloseReason): void {
    const { code, reason } = closed
    const level = closed === closeCodes.restart ? 'debug' : 'info'
    writeLog(this.#request, level, { code, reason }, 'the connection is closed')
    this.#close(closed)
  }

  #close (reason: CloseReason): void {
    this.#stopWaiting()
    this.#route.closing.add(this)
    closeUnused(this.#socket, reason)
    // Resumes, to read the client's close frame.
    this.#socket.resume()
  }

  onCloseTimeout (): void {
    this.#socket.terminate()
  }

  onSocketError (cause: NodeJS.ErrnoException): void {
    // ws closes the connection by itself.
    const violation = violationOf(cause, this.#route.limits, announcedBy(this.#socket))
    this.#log(violation, 'protocol violation before the token was verified')
  }

  /** The socket is closed. */
  onSocketClosed (): void {
    this.#stopWaiting()
    const { closing, counts, live } = this.#route
    closing.delete(this)
    counts.delete(this)
    live.delete(this)
  }

  #admit (identity: Identity): void {
    if (!this.#isWaiting) return
    // The client has left, or has violated the protocol: its messages are dropped.
    if (this.#socket.readyState !== OPEN) {
      this.#close(closeCodes.normal)
      return
    }
    const refusal = this.#route.refusal(identity)
    if (refusal !== undefined) throw refusal
    this.#stopWaiting()
    const { counts, live, open } = this.#route
    // The opened connection is counted instead.
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

  // An exceeded limit is logged at warn, as its option may have to be changed.
  #log (error: unknown, message: string): void {
    const level = isOfLimit(error)
      ? 'warn'
      : closeReasonOf(error) === closeCodes.handlerFailed ? 'error' : 'info'
    const write = () => { writeLog(this.#request, level, { err: error }, message) }
    this.enter(write, undefined, undefined)
  }

  #stopWaiting (): void {
    if (!this.#isWaiting) return
    this.#isWaiting = false
    this.#route.tokens.delete(this)
  }
}
