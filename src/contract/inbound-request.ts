import type { WsConnection } from '../connection/connection.js'
import type { InboundRequests, PendingInbound } from '../connection/inbound-requests.js'
import { beforeMessage, beforeSend, sentTo } from '../controller/message-hooks.js'
import { isAbort, MessageFailure, ReplyError } from '../controller/message-errors.js'
import { ReplyStream } from '../controller/reply-stream.js'
import { isAsyncIterable } from '../controller/return-value.js'
import { asError, errors, isRefusal } from '../errors.js'
import { writeLog } from '../log.js'
import { encodeText, type Frame } from '../message/frame.js'
import type { Message } from '../message/message.js'
import {
  itemText,
  messageText,
  type MessageId,
  type UncheckedEnvelope
} from '../protocol/envelope.js'
import type { Clients } from '../room/clients.js'
import { isThenable } from '../thenable.js'
import type { CompiledMessage, MessageGuard } from './compiled-message.js'
import type { MessageContext } from './contract.js'
import { serialized, type Serializer } from './validation.js'

/** A message of a client, of which the type and the id have been checked. */
export interface InboundEnvelope extends UncheckedEnvelope {
  readonly type: string
  readonly id: undefined | MessageId
}

/** The reply to a message: a frame, or one for each item of a stream. */
export type Reply = Frame | ReplyStream

/** What handling a message leads to: its reply, if it has one. */
export type Outcome = undefined | Reply | Promise<undefined | Reply>

// A step in the handling of a message, which gets what the step before it has resolved with.
type Step = (this: InboundRequest, settled: unknown) => Outcome

/**
 * One message of a client, from its receipt to its reply. A message without an id gets no reply.
 * The handler gets the object as its context.
 *
 * The steps are: grant, schema, hooks, handler, reply. Each calls the next. A step that gets a
 * promise has the next one called when that has settled.
 */
export class InboundRequest implements MessageContext, PendingInbound {
  readonly id: undefined | MessageId
  readonly clients: Clients
  readonly #connection: WsConnection
  readonly #compiled: CompiledMessage
  // Not kept while the handler runs, which may be long.
  #message: undefined | Message
  #data: unknown
  // The requests of the connection. Not set without an id.
  #requests: undefined | InboundRequests
  #controller: undefined | AbortController
  #isAborted = false
  // Whether the message is answered or cancelled.
  #isFinished = false
  // Whether its handler, and the stream that it returned, have ended.
  #hasEnded = false
  // Whether an error comes from the grant or the schema, not from a hook or the handler.
  #isValidating = false
  // Set once the handler has returned a stream.
  #replyStream: undefined | ReplyStream
  // Why the grant was withdrawn after a renewal of the token.
  #withdrawn: undefined | { readonly error: unknown }

  constructor (
    connection: WsConnection,
    clients: Clients,
    message: Message,
    { id, data }: InboundEnvelope,
    compiled: CompiledMessage
  ) {
    this.id = id
    this.clients = clients
    this.#connection = connection
    this.#compiled = compiled
    this.#message = message
    this.#data = data
  }

  /** The signal is created only when a handler reads it. */
  get signal (): AbortSignal {
    if (this.id === undefined) return this.#connection.signal
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#isAborted) this.#controller.abort()
    }
    return this.#controller.signal
  }

  /**
   * Handles the message. Synchronous unless a step returns a promise.
   *
   * @throws a `MessageFailure`, also as a rejection.
   */
  handle (): Outcome {
    if (this.id !== undefined) this.#register(this.id)
    else if (this.#compiled.stream !== undefined) {
      throw new MessageFailure(
        new errors.MessageInvalid('this asks for a stream and has no id'),
        undefined
      )
    }
    try {
      return this.#checkGrant()
    } catch (error) {
      throw this.#failed(error)
    }
  }

  async #handleLater (step: Step, pending: PromiseLike<unknown>): Promise<undefined | Reply> {
    try {
      // Not awaited: if the step waits as well, its own call of this method catches the error.
      return step.call(this, await pending)
    } catch (error) {
      throw this.#failed(error)
    }
  }

  // Keeps the message by its id until the reply is sent.
  #register (id: MessageId): void {
    const { stream, streamsPerConnection } = this.#compiled
    const requests = this.#connection.inboundRequests ?? this.#connection.createInboundRequests()
    if (stream !== undefined && !requests.hasRoomForStream(streamsPerConnection)) {
      throw new MessageFailure(new errors.StreamsTooMany(), id)
    }
    if (requests.byId.has(id)) throw new MessageFailure(new errors.IdDuplicate(), id)
    requests.byId.set(id, this)
    if (stream !== undefined) requests.streamBegun()
    this.#requests = requests
    // Messages that the client sent before it left are still handled.
    this.#isAborted = requests.isAborted
  }

  #checkGrant (): Outcome {
    const { isGranted } = this.#compiled
    if (isGranted === undefined) return this.#checkData()
    const granted = isGranted(this.#connection.user, this.#connection)
    return isThenable(granted)
      ? this.#handleLater(this.#afterGrant, granted)
      : this.#afterGrant(granted)
  }

  #afterGrant (isGranted: unknown): Outcome {
    this.#isValidating = true
    if (isGranted !== true) throw new errors.MessageNotGranted()
    return this.#checkData()
  }

  #checkData (): Outcome {
    const { check } = this.#compiled
    // Without a schema the message has no data.
    if (check === undefined) return this.#afterCheck(undefined)
    this.#isValidating = true
    const data = check.accept(this.#data)
    return !check.isSync && isThenable(data)
      ? this.#handleLater(this.#afterCheck, data)
      : this.#afterCheck(data)
  }

  #afterCheck (data: unknown): Outcome {
    this.#isValidating = false
    this.#data = data
    return this.#compiled.isDirect ? this.#callHandler() : this.#callHooks()
  }

  #callHooks (): Outcome {
    const { id } = this
    const { type, hooks } = this.#compiled
    const received = { type, id, data: this.#data, message: this.#message! }
    const pending = beforeMessage(hooks.preMessage, this.#connection, received)
    return pending === undefined ? this.#afterHooks() : this.#handleLater(this.#afterHooks, pending)
  }

  #afterHooks (): Outcome {
    // Cancelled meanwhile; or a hook, or a revocation, has begun to close the connection.
    if (this.#isFinished || this.#connection.isDone) {
      this.#end()
      return
    }
    if (this.#withdrawn !== undefined) throw this.#withdrawn.error
    return this.#callHandler()
  }

  #callHandler (): Outcome {
    const { type, controller: { on } } = this.#compiled
    const data = this.#data
    this.#message = this.#data = undefined
    const returned = on[type]!(this.#connection, data, this)
    return isThenable(returned)
      ? this.#handleLater(this.#afterHandler, returned)
      : this.#afterHandler(returned)
  }

  // Makes the reply from the value that the handler returned.
  #afterHandler (returned: unknown): undefined | Reply {
    const { reply, stream } = this.#compiled
    this.#connection.refusals?.clear()
    if (this.id === undefined) return
    if (stream !== undefined) return this.#stream(stream, this.id, returned)
    if (this.#isFinished) return
    const json = this.#encode(reply, returned)
    this.#finish()
    return encodeText(messageText('reply', this.id, json))
  }

  #stream (serialize: Serializer, id: MessageId, items: unknown): ReplyStream {
    if (!isAsyncIterable(items)) {
      throw new errors.ReturnInvalid(
        this.#compiled.type,
        'an async iterable, as its contract has a stream'
      )
    }
    const replyStream = new ReplyStream(items, {
      encode: (item) => encodeText(itemText(id, this.#encode(serialize, item))),
      last: encodeText(messageText('reply', id)),
      wrap: (error) => new MessageFailure(asError(error), id, { isRefusal: false }),
      onEnd: () => { this.#finish() },
      onReleased: () => { this.#end() },
      onLateFailure: (error) => { this.#streamFailedLate(asError(error)) }
    })
    this.#replyStream = replyStream
    // The message was cancelled, or its grant withdrawn, before the handler returned the stream.
    if (this.#isFinished) replyStream.stop()
    else if (this.#withdrawn !== undefined) replyStream.fail(this.#withdrawn.error)
    return replyStream
  }

  // The client is told nothing: it has cancelled the stream, or left.
  #streamFailedLate (error: Error): void {
    // The signal was aborted, so this one is expected.
    if (isAbort(error)) return
    writeLog(this.#connection, 'error', { err: error }, 'a stream failed when it was stopped')
  }

  // Returns the data of a reply as JSON, after the preSend hooks.
  #encode (serialize: undefined | Serializer, data: unknown): undefined | string {
    const { type, hooks: { preSend } } = this.#compiled
    const sent = preSend.length === 0
      ? data
      : beforeSend(preSend, sentTo(this.#connection, 'reply', this.id), data)
    return serialized(serialize, sent, 'reply to', type)
  }

  #failed (thrown: unknown): MessageFailure {
    // Once the grant is withdrawn, a handler may throw an AbortError: the client gets the reason.
    const error = this.#withdrawn === undefined ? thrown : this.#withdrawn.error
    const failure = new MessageFailure(asError(error), this.id, {
      isAwaited: !this.#isFinished,
      isAborted: this.#requests === undefined ? this.#connection.isAborted : this.#isAborted,
      // A handler may throw an error about another client's reply, which is not this one's fault.
      isRefusal: this.#isValidating && isRefusal(error)
    })
    this.#end()
    return failure
  }

  cancel (): void {
    this.#finish()
  }

  // The message is answered or cancelled. After a cancellation another one may have its id.
  #finish (): void {
    const requests = this.#requests
    if (this.#isFinished || requests === undefined) return
    this.#isFinished = true
    requests.byId.delete(this.id!)
    this.abort()
    if (this.#compiled.stream === undefined) return
    requests.streamOver()
    this.#replyStream?.stop()
  }

  abort (): void {
    this.#isAborted = true
    this.#controller?.abort()
  }

  // Nothing runs for the message any more.
  #end (): void {
    this.#finish()
    if (this.#hasEnded || this.#compiled.stream === undefined) return
    this.#hasEnded = true
    this.#requests?.streamEnded()
  }

  userChanged (): void {
    const { isGranted, stream } = this.#compiled
    if (isGranted !== undefined && stream !== undefined) this.#recheckGrant(isGranted)
  }

  // Checks the grant of a running stream again, as the connection has another user now.
  async #recheckGrant (isGranted: MessageGuard): Promise<void> {
    try {
      if (await isGranted(this.#connection.user, this.#connection)) return
      const { code, message } = new errors.MessageNotGranted()
      this.#withdraw(new ReplyError(code, message))
    } catch (error) {
      this.#withdraw(error)
    }
  }

  #withdraw (error: unknown): void {
    this.#withdrawn = { error }
    if (this.#replyStream === undefined) this.abort()
    else this.#replyStream.fail(error)
  }
}
