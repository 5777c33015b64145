import { closeCodes } from '../close-codes.js'
import type { Closable } from '../connection/live.js'
import type { WsConnection } from '../connection/connection.js'
import type { Outbox } from '../connection/outbox.js'
import { asError, closeReasonOf } from '../errors.js'
import type { Codec } from '../message/codec.js'
import { Frame } from '../message/frame.js'
import type { Message } from '../message/message.js'
import { toFrame, type Sendable } from '../message/outbound.js'
import { readText, writeLog } from '../log.js'
import type { ClientSet } from '../room/clients.js'
import { isThenable } from '../thenable.js'
import type { CloseInfo, Returned, SocketController } from './controller.js'
import { MessageFailure } from './message-failure.js'
import { isAsyncIterable } from './returned.js'
import { Streams } from './streams.js'
import { ReplyStream } from './reply-stream.js'

// Whose answer it is that is being sent: what fails in onError itself is not given to it again.
type Source = 'onOpen' | 'onMessage' | 'onClose' | 'onError'

/** Something to wait for, which never rejects, or nothing. */
export type Pending = undefined | Promise<void>

/** What callbacks need to know of the connection they are called for, and do to it. */
export interface InvokerOwner extends Closable {
  /** Whether the connection has not begun to close. */
  readonly isStaying: boolean
  /** Something runs that `onClose` has to wait for. */
  hold (work: () => Pending): void
}

/**
 * Calls the callbacks of a controller for one connection, and sends what they return. Only this file calls them, and nothing that they
 * do escapes it: no call throws, no promise is left to reject.
 */
export class ControllerInvoker {
  readonly #owner: InvokerOwner
  readonly #controller: SocketController
  readonly #clients: ClientSet
  readonly #connection: WsConnection
  readonly #outbox: Outbox
  // Of a route without a contract that has hooks to ask.
  readonly #codec: undefined | Codec
  #streams: undefined | Streams

  constructor (owner: InvokerOwner, controller: SocketController, clients: ClientSet, connection: WsConnection, outbox: Outbox, codec?: undefined | Codec) {
    this.#owner = owner
    this.#controller = controller
    this.#clients = clients
    this.#connection = connection
    this.#outbox = outbox
    this.#codec = codec
  }

  onOpen (): Pending {
    return this.#call('onOpen', () => this.#controller.onOpen?.(this.#connection, this.#clients))
  }

  /** Answers `false` if the controller has no use for messages. */
  onMessage (message: Message): false | Pending {
    // As in `#call`, without a closure for each message.
    try {
      const { onMessage } = this.#controller
      if (onMessage === undefined) return false
      return this.#deliver('onMessage', onMessage.call(this.#controller, this.#connection, message, this.#clients), undefined)
    } catch (error) {
      return this.#fail('onMessage', error, undefined)
    }
  }

  onClose (closed: CloseInfo): Pending {
    return this.#call('onClose', () => this.#controller.onClose?.(this.#connection, closed, this.#clients))
  }

  onError (error: unknown): Pending {
    return this.#call('onError', () => this.#controller.onError?.(this.#connection, asError(error), this.#clients), error)
  }

  /** Ends the streams that are being sent. */
  stopStreams (): void {
    this.#streams?.stop()
  }

  // What onError is about is `handled`, so that it is not lost if onError fails too.
  #call (source: Source, callback: () => Returned, handled?: unknown): Pending {
    try {
      return this.#deliver(source, callback(), handled)
    } catch (error) {
      return this.#fail(source, error, handled)
    }
  }

  #deliver (source: Source, returned: unknown, handled: unknown): Pending {
    if (returned === undefined || returned === null) return
    // What is asked of other values takes longer than all else that is done with a short message.
    if (returned instanceof Frame || typeof returned === 'string') return this.#reply(source, returned)
    if (isThenable(returned)) return this.#deliverLater(source, returned, handled)
    if (!isAsyncIterable(returned)) return this.#reply(source, returned)
    const pending = this.#stream(source, returned)
    if (source !== 'onOpen' && !(returned instanceof ReplyStream)) return pending.catch((error: unknown) => this.#fail(source, error, handled))
    // It may never end, and messages are not to wait for it, as the client of a contract can tell them apart; onClose waits for what its failure calls.
    pending.catch((error: unknown) => { this.#owner.hold(() => this.#fail(source, error, handled)) })
  }

  async #deliverLater (source: Source, returned: PromiseLike<unknown>, handled: unknown): Promise<void> {
    try {
      await this.#deliver(source, await returned, handled)
    } catch (error) {
      await this.#fail(source, error, handled)
    }
  }

  #reply (source: Source, message: Sendable): Pending {
    const frame = this.#codec === undefined ? toFrame(message) : this.#codec.frameOf(message, undefined, this.#connection)
    if (this.#outbox.reply(frame)) return
    if (!this.#outbox.isOpen) {
      this.#log('debug', 'a returned message was dropped, as the connection is closed')
      // Nobody holds a stream back any more, and one that never waits would never let go.
      this.stopStreams()
    }
    // What onClose returned is only to leave before the close frame.
    return source === 'onClose' ? undefined : this.#outbox.drained()
  }

  // Sends the items of a stream as fast as the client reads, until it ends or the connection does.
  #stream (source: Source, iterable: AsyncIterable<unknown>): Promise<void> {
    this.#streams ??= new Streams((error) => { this.#log('debug', 'a stream failed when it was stopped', { err: error }) })
    // The goodbye of onClose may be a stream too, as long as it can be sent.
    if (source === 'onClose' ? !this.#outbox.isOpen : !this.#owner.isStaying) {
      this.#log('debug', 'a returned stream was dropped, as the connection is closed')
      this.#streams.drop(iterable)
      return Promise.resolve()
    }
    return this.#streams.pump(iterable, (item) => this.#reply('onMessage', item as Sendable))
  }

  #fail (source: Source, error: unknown, handled: unknown): Pending {
    try {
      if (source !== 'onError' && this.#controller.onError !== undefined) return this.onError(error)
    } catch (thrown) {
      // A getter of the app's, or a proxy that a container has put before the controller.
      return this.#fail('onError', thrown, error)
    }
    // Nobody deals with it: the connection ends, the process does not.
    const reason = closeReasonOf(error)
    const level = reason === closeCodes.handlerFailed ? 'error' : 'info'
    const first = handled === undefined ? undefined : causeOf(handled)
    const details = first === undefined ? { callback: source } : { callback: source, handled: textOf(first) }
    // What onError throws again it has not dealt with.
    this.#log(level, 'connection closed after an error', { err: error, ...(handled === error || first === error ? undefined : details) })
    this.#owner.closeWith(reason)
  }

  #log (level: 'debug' | 'info' | 'error', message: string, details: object = {}): void {
    writeLog(this.#connection, level, details, message)
  }
}

// What has failed, without what a client has named its message by.
function causeOf (thrown: unknown): Error {
  const error = asError(thrown)
  return error instanceof MessageFailure ? error.error : error
}

// An error of a message that is refused has no stack.
function textOf (error: Error): undefined | string {
  return readText(error, 'stack') ?? readText(error, 'message')
}
