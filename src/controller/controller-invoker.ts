import { closeCodes } from '../protocol/close-codes.js'
import type { ConnectionHost, WsConnection } from '../connection/connection.js'
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
import { MessageFailure } from './message-errors.js'
import { isAsyncIterable } from './return-value.js'
import { Streams } from './streams.js'
import { ReplyStream } from './reply-stream.js'

// The callback whose return value is sent. An error of onError is not passed to onError again.
type Source = 'onOpen' | 'onMessage' | 'onClose' | 'onError'

/** A promise that never rejects, or `undefined` if there is nothing to wait for. */
export type Pending = undefined | Promise<void>

/**
 * Calls the callbacks of a controller for one connection, and sends their return values. Only this
 * file calls callbacks. No error escapes it: no method throws, and no promise rejects unhandled.
 */
export class ControllerInvoker {
  readonly #host: ConnectionHost
  readonly #controller: SocketController
  readonly #clients: ClientSet
  readonly #connection: WsConnection
  readonly #outbox: Outbox
  // Set on a route with preSend hooks and no contract.
  readonly #codec: undefined | Codec
  #streams: undefined | Streams

  constructor (
    host: ConnectionHost,
    controller: SocketController,
    clients: ClientSet,
    connection: WsConnection,
    outbox: Outbox,
    codec?: undefined | Codec
  ) {
    this.#host = host
    this.#controller = controller
    this.#clients = clients
    this.#connection = connection
    this.#outbox = outbox
    this.#codec = codec
  }

  onOpen (): Pending {
    return this.#call('onOpen', () => this.#controller.onOpen?.(this.#connection, this.#clients))
  }

  /** Returns `false` if the controller has no `onMessage`. */
  onMessage (message: Message): false | Pending {
    // As in `#call`, without a closure for each message.
    try {
      const { onMessage } = this.#controller
      if (onMessage === undefined) return false
      return this.#deliver(
        'onMessage',
        onMessage.call(this.#controller, this.#connection, message, this.#clients),
        undefined
      )
    } catch (error) {
      return this.#fail('onMessage', error, undefined)
    }
  }

  onClose (closed: CloseInfo): Pending {
    return this.#call('onClose', () =>
      this.#controller.onClose?.(this.#connection, closed, this.#clients))
  }

  onError (error: unknown): Pending {
    return this.#call('onError', () =>
      this.#controller.onError?.(this.#connection, asError(error), this.#clients), error)
  }

  /** Stops the streams that are being sent. */
  stopStreams (): void {
    this.#streams?.stop()
  }

  // @param handled the error passed to onError; logged as well if onError fails.
  #call (source: Source, callback: () => Returned, handled?: unknown): Pending {
    try {
      return this.#deliver(source, callback(), handled)
    } catch (error) {
      return this.#fail(source, error, handled)
    }
  }

  #deliver (source: Source, returned: unknown, handled: unknown): Pending {
    if (returned === undefined || returned === null) return
    // These two first: the checks for other values take longer than all else for a short message.
    if (returned instanceof Frame || typeof returned === 'string') {
      return this.#reply(source, returned)
    }
    if (isThenable(returned)) return this.#deliverLater(source, returned, handled)
    if (!isAsyncIterable(returned)) return this.#reply(source, returned)
    const pending = this.#stream(source, returned)
    if (source !== 'onOpen' && !(returned instanceof ReplyStream)) {
      return pending.catch((error: unknown) => this.#fail(source, error, handled))
    }
    // Messages do not wait for a stream of onOpen, which may never end, nor for one of a contract,
    // whose frames carry an id. onClose waits for the onError that its failure calls.
    pending.catch((error: unknown) => {
      this.#host.delayOnClose(() => this.#fail(source, error, handled))
    })
  }

  async #deliverLater (
    source: Source,
    returned: PromiseLike<unknown>,
    handled: unknown
  ): Promise<void> {
    try {
      await this.#deliver(source, await returned, handled)
    } catch (error) {
      await this.#fail(source, error, handled)
    }
  }

  #reply (source: Source, message: Sendable): Pending {
    const frame = this.#codec !== undefined
      ? this.#codec.frameOf(message, undefined, this.#connection)
      : message instanceof Frame ? message : toFrame(message)
    if (this.#outbox.reply(frame)) return
    if (!this.#outbox.isOpen) {
      this.#log('debug', 'a returned message was dropped, as the connection is closed')
      // A closed outbox has no backpressure: a stream that never waits would go on for ever.
      this.stopStreams()
    }
    // After onClose there is nothing to pace: the close frame follows its return value at once.
    return source === 'onClose' ? undefined : this.#outbox.drained()
  }

  // Sends the items of a stream as fast as the client reads, until the stream or connection ends.
  #stream (source: Source, iterable: AsyncIterable<unknown>): Promise<void> {
    this.#streams ??= new Streams((error) => {
      this.#log('debug', 'a stream failed when it was stopped', { err: error })
    })
    // onClose may return a stream as well, which is sent while the outbox is open.
    if (source === 'onClose' ? !this.#outbox.isOpen : !this.#host.isStaying) {
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
      // Reading onError threw: it is a getter, or a container wrapped the controller in a proxy.
      return this.#fail('onError', thrown, error)
    }
    // The error is unhandled. It ends the connection, not the process.
    const reason = closeReasonOf(error)
    const level = reason === closeCodes.handlerFailed ? 'error' : 'info'
    const first = handled === undefined ? undefined : causeOf(handled)
    const details = first === undefined
      ? { callback: source }
      : { callback: source, handled: textOf(first) }
    // No details if onError threw the error it was given: that is no error of onError.
    this.#log(level, 'connection closed after an error', {
      ...logged(error),
      ...(handled === error || first === error ? undefined : details)
    })
    this.#host.closeWith(reason)
  }

  #log (level: 'debug' | 'info' | 'error', message: string, details: object = {}): void {
    writeLog(this.#connection, level, details, message)
  }
}

// A value that is not an Error is in the log beside the error that says so.
function logged (thrown: unknown): object {
  const err = asError(thrown)
  return err === thrown ? { err } : { err, thrown }
}

// Unwraps a MessageFailure, whose id comes from the client and must not be logged.
function causeOf (thrown: unknown): Error {
  const error = asError(thrown)
  return error instanceof MessageFailure ? error.error : error
}

// Errors of rejected messages have no stack.
function textOf (error: Error): undefined | string {
  return readText(error, 'stack') ?? readText(error, 'message')
}
