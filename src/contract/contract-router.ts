import type { WsConnection } from '../connection/connection.js'
import type { MessageId, InboundRequest } from '../connection/pending-requests.js'
import {
  asError,
  closeReasonOf,
  errors,
  isOfClient,
  isRefusal,
  type SocketError
} from '../errors.js'
import type { Frame } from '../message/frame.js'
import type { Message } from '../message/message.js'
import { readText, writeLog } from '../log.js'
import type { Clients } from '../room/clients.js'
import { isThenable, then } from '../thenable.js'
import { ReplyStream } from '../controller/reply-stream.js'
import {
  createCheck,
  named,
  type Check,
  type Compilers,
  type InvalidData,
  type Serializer
} from './validation.js'
import type {
  ContractController,
  ContractSchema,
  MessageContext,
  MessageGrant
} from './contract.js'
import { ContractCodec, serialized } from './contract-codec.js'
import type { CloseInfo, SocketController } from '../controller/controller.js'
import type { Interruption } from '../controller/route-runtime.js'
import type { ContractDefinition } from './parse-contract.js'
import { beforeMessage, beforeSend, sentTo, type Hooks } from '../controller/hooks.js'
import { HandlerContext } from './message-context.js'
import { MessageFailure } from '../controller/message-failure.js'
import { ReplyError } from './reply-error.js'
import { isAsyncIterable, nothing } from '../controller/returned.js'
import { errorFrame, readEnvelope, replyFrame, type Envelope } from './envelope.js'

// Errors of a renewal that the client is sent as they are.
const renewalErrors = [errors.TokenInvalid, errors.TokenExpired, errors.NotGranted]

type Controller = ContractController<WsConnection, never, ContractSchema>
type Handle = (connection: WsConnection, data: unknown, context: MessageContext) => unknown

/** Whether a user may send a message. */
export type MessageGuard = (
  user: unknown,
  connection: WsConnection
) => boolean | Promise<boolean>

// The compiled form of one message type of `in`.
interface Handling {
  readonly type: string
  readonly isGranted: undefined | MessageGuard
  readonly check: undefined | Check
  readonly reply: undefined | Serializer
  readonly stream: undefined | Serializer
}

// A message while it is handled.
interface Call {
  readonly connection: WsConnection
  readonly handling: Handling
  readonly envelope: Envelope
  readonly message: Message
  readonly clients: Clients
  /** Set if the client expects a reply. */
  readonly work: undefined | InboundRequest
  /** Whether an error comes from the grant or the schema, not from a hook or the handler. */
  isValidating: boolean
  /** Set once the handler has returned a stream. */
  replyStream: undefined | ReplyStream
  /** Why the grant was withdrawn after a renewal of the token. */
  withdrawn: undefined | { readonly error: unknown }
}

// An error whose text may be sent to the client.
type ClientError = Error & InvalidData & { readonly code: string }

// The reply to a message: a frame, or one for each item of a stream.
type Answer = Frame | ReplyStream

/** The options of a route that concern its contract. */
export interface ContractOptions {
  /** Whether a message that the contract rejects gets an error, or closes the connection. */
  readonly invalidMessages: 'answer' | 'close'
  /** The most streams that one connection may have open at a time. */
  readonly streamsPerConnection: number
  readonly hooks: Hooks
  guardOf (grant: MessageGrant): MessageGuard
}

/**
 * Adapts a controller with a contract to `SocketController`: it parses each message, calls its
 * handler and returns the reply. The `ControllerInvoker` passes every error it throws to `onError`.
 */
export class ContractRouter implements SocketController {
  readonly definition: ContractDefinition
  readonly codec: ContractCodec
  readonly #controller: Controller
  readonly #handlings = new Map<string, Handling>()
  #options: undefined | ContractOptions

  constructor (controller: Controller, definition: ContractDefinition) {
    this.#controller = controller
    this.definition = definition
    this.codec = new ContractCodec(definition.out)
  }

  /** Compiles the schemas of all messages. Called once, after all plugins are loaded. */
  compile (compilers: Compilers, options: ContractOptions): void {
    this.#options = options
    this.codec.compile(compilers)
    for (const { type, data, reply, stream, isGranted } of this.definition.in.values()) {
      this.#handlings.set(type, {
        type,
        isGranted: isGranted === undefined ? undefined : options.guardOf(isGranted),
        check: data === undefined
          ? undefined
          : createCheck(named(`data of '${type}'`, () => compilers.validator(data))),
        reply: reply === undefined
          ? undefined
          : named(`reply of '${type}'`, () => compilers.serializer(reply)),
        stream: stream === undefined
          ? undefined
          : named(`stream of '${type}'`, () => compilers.serializer(stream))
      })
    }
  }

  onOpen (connection: WsConnection, clients: Clients): undefined | Promise<undefined> {
    const { onOpen } = this.#controller
    if (onOpen !== undefined) {
      return nothing(onOpen.call(this.#controller, connection, clients), 'onOpen')
    }
  }

  onClose (
    connection: WsConnection,
    closed: CloseInfo,
    clients: Clients
  ): undefined | Promise<undefined> {
    const { onClose } = this.#controller
    if (onClose !== undefined) {
      return nothing(onClose.call(this.#controller, connection, closed, clients), 'onClose')
    }
  }

  /** Sends the client its error before the app's `onError` runs. */
  onError (connection: WsConnection, thrown: Error, clients: Clients): undefined | Promise<void> {
    const error = thrown instanceof MessageFailure ? thrown.error : thrown
    // The handler's signal was aborted, by a cancel or a close. An AbortError is then expected.
    if (thrown instanceof MessageFailure && thrown.isAborted && isAbort(error)) return
    const answered = thrown instanceof MessageFailure ? this.#refuse(connection, thrown) : undefined
    if (thrown instanceof MessageFailure) this.#countRefusal(connection, thrown)
    // A ReplyError is a reply, not a failure.
    if (error instanceof ReplyError) return answered
    const { onError } = this.#controller
    if (onError === undefined) {
      // A callback failed. Handlers may rely on what it should have done, above all in onOpen, so
      // the connection is closed.
      if (!(thrown instanceof MessageFailure)) throw thrown
      const level = thrown.isRefusal ? 'debug' : isOfClient(error) ? 'info' : 'error'
      writeLog(connection, level, { err: error }, 'a message was refused, or its handler failed')
      return answered
    }
    const pending = nothing(onError.call(this.#controller, connection, error, clients), 'onError')
    return pending === undefined ? answered : then(pending, () => answered) as Promise<void>
  }

  onMessage (
    connection: WsConnection,
    message: Message,
    clients: Clients
  ): undefined | Answer | Promise<undefined | Answer> {
    if (!connection.hasExchange) return this.#receive(connection, message, clients)
    const { pendingRequests } = connection
    try {
      return this.#receive(connection, message, clients)
    } finally {
      pendingRequests.hadTurn(message)
    }
  }

  #receive (
    connection: WsConnection,
    message: Message,
    clients: Clients
  ): undefined | Answer | Promise<undefined | Answer> {
    const envelope = readEnvelope(message)
    const { type, id } = envelope
    if (this.#handleProtocol(connection, envelope, undefined)) return
    if (
      id !== undefined &&
      connection.hasExchange &&
      connection.pendingRequests.isTakenBack(id)
    ) return
    if (type === 'renew') return this.#renew(connection, envelope)
    const handling = this.#handlings.get(type)
    if (handling === undefined) throw new MessageFailure(new errors.TypeUnknown(), id)
    const call: Call = {
      connection,
      handling,
      envelope,
      message,
      clients,
      work: this.#begin(connection, handling, id),
      isValidating: false,
      replyStream: undefined,
      withdrawn: undefined
    }
    if (handling.stream !== undefined && handling.isGranted !== undefined) {
      call.work!.onUserChanged = () => { this.#recheckGrant(call) }
    }
    try {
      const answer = this.#handle(call)
      return isThenable(answer)
        ? answer.then(undefined, (error: unknown) => { throw this.#failed(call, error) })
        : answer
    } catch (error) {
      throw this.#failed(call, error)
    }
  }

  /**
   * Handles a message that must not wait for the messages before it. Returns `'done'` if it was
   * one, `'renewal'` if the caller is to handle it now, and `'none'` if it waits like any other.
   *
   * @param last the last of the messages that wait.
   */
  interrupt (connection: WsConnection, message: Message, last: undefined | Message): Interruption {
    // Matched as text first, since a message that waits is parsed again in its turn.
    if (message.isBinary || !/"(?:reply|error|cancel|alive|renew)"/.test(message.text)) {
      return 'none'
    }
    try {
      const envelope = readEnvelope(message)
      if (envelope.type === 'renew') return 'renewal'
      return this.#handleProtocol(connection, envelope, last) ? 'done' : 'none'
    } catch {
      // An invalid message gets its error in its turn.
      return 'none'
    }
  }

  // Handles a reply or error of the client to a request of the server, a cancel, and a liveness
  // check. Returns whether the message was one of these.
  #handleProtocol (
    connection: WsConnection,
    { type, id, data, code, message }: Envelope,
    last: undefined | Message
  ): boolean {
    if (type === 'alive') {
      // Not sent over the high-water mark: any of the waiting bytes shows the client that the
      // server is alive, and a client that does not read must not make the outbox grow.
      if (id !== undefined && !connection.outbox.isOverMark) {
        connection.outbox.reply(replyFrame(id, undefined))
      }
      return true
    }
    if (type !== 'reply' && type !== 'error' && type !== 'cancel') return false
    // A late or invented id is ignored: it costs nothing.
    if (id === undefined || (last === undefined && !connection.hasExchange)) return true
    const { pendingRequests } = connection
    if (type === 'reply') pendingRequests.answered(id, data)
    else if (type === 'cancel') pendingRequests.takeBack(id, last)
    else pendingRequests.refused(id, refusedWith({ code: textOf(code), message: textOf(message) }))
    return true
  }

  // Registers a message that expects a reply, by its id, until the reply is sent.
  #begin (
    connection: WsConnection,
    { stream }: Handling,
    id: undefined | MessageId
  ): undefined | InboundRequest {
    if (id === undefined) {
      if (stream !== undefined) {
        throw new MessageFailure(
          new errors.MessageInvalid('this asks for a stream and has no id'), id)
      }
      return
    }
    const { pendingRequests } = connection
    if (
      stream !== undefined &&
      !pendingRequests.hasRoomForStream(this.#options!.streamsPerConnection)
    ) throw new MessageFailure(new errors.StreamsTooMany(), id)
    const work = pendingRequests.begin(id, stream !== undefined)
    if (work === undefined) throw new MessageFailure(new errors.IdDuplicate(), id)
    return work
  }

  // Grant, schema, hooks, handler, in this order. Synchronous unless one of them returns a promise.
  #handle (call: Call): undefined | Answer | Promise<undefined | Answer> {
    const {
      connection,
      handling: { type, isGranted, check },
      envelope: { id, data },
      message,
      work,
      clients
    } = call
    const { preMessage } = this.#options!.hooks
    const handlers = this.#controller.on as unknown as Record<string, Handle>
    return then(isGranted?.(connection.user, connection), (isGranted = true) => {
      call.isValidating = true
      if (!isGranted) throw new errors.MessageNotGranted()
      return then(check?.(data), (data) => {
        call.isValidating = false
        return then(beforeMessage(preMessage, connection, { type, id, data, message }), () => {
          // Cancelled meanwhile; or a hook, or a revocation, has begun to close the connection.
          if (work?.isOver === true || connection.isDone) {
            this.#end(call)
            return
          }
          if (call.withdrawn !== undefined) throw call.withdrawn.error
          return then(
            handlers[type]!(connection, data, new HandlerContext(connection, id, work, clients)),
            (returned) => this.#finished(call, returned)
          )
        })
      })
    })
  }

  // Makes the reply from the value that a handler returned.
  #finished (call: Call, returned: unknown): undefined | Answer {
    const { connection, handling: { type, reply, stream }, envelope: { id }, work } = call
    connection.accepted()
    if (id === undefined || work === undefined) return
    if (stream !== undefined) return this.#stream(call, stream, id, work, returned)
    if (work.isOver) return
    const json = this.#encode(connection, reply, returned, type, id)
    connection.pendingRequests.finish(id, work)
    return replyFrame(id, json)
  }

  #stream (
    call: Call,
    serialize: Serializer,
    id: MessageId,
    work: InboundRequest,
    items: unknown
  ): ReplyStream {
    const { connection, handling: { type }, withdrawn } = call
    if (!isAsyncIterable(items)) {
      throw new errors.ReturnInvalid(type, 'an async iterable, as its contract has a stream')
    }
    const { pendingRequests } = connection
    const replyStream = new ReplyStream(items, {
      encode: (item) => replyFrame(id, this.#encode(connection, serialize, item, type, id), true),
      last: replyFrame(id, undefined),
      wrap: (error) => new MessageFailure(asError(error), id, { isRefusal: false }),
      onEnd: () => { pendingRequests.finish(id, work) },
      onLeft: () => { work.leave() }
    })
    const { onOver } = work
    work.onOver = () => {
      onOver?.()
      replyStream.stop()
    }
    call.replyStream = replyStream
    // The message was cancelled, or its grant withdrawn, before the handler returned the stream.
    if (work.isOver) replyStream.stop()
    else if (withdrawn !== undefined) replyStream.fail(withdrawn.error)
    return replyStream
  }

  // Checks the grant of a running stream again, as the connection has another user now.
  async #recheckGrant (call: Call): Promise<void> {
    const { connection, handling: { isGranted } } = call
    try {
      if (await isGranted!(connection.user, connection)) return
      const { code, message } = new errors.MessageNotGranted()
      this.#withdraw(call, new ReplyError(code, message))
    } catch (error) {
      this.#withdraw(call, error)
    }
  }

  #withdraw (call: Call, error: unknown): void {
    call.withdrawn = { error }
    if (call.replyStream === undefined) call.work!.abort()
    else call.replyStream.fail(error)
  }

  // Returns the data of a reply as JSON, after the preSend hooks.
  #encode (
    connection: WsConnection,
    serialize: undefined | Serializer,
    data: unknown,
    type: string,
    id: MessageId
  ): undefined | string {
    const { preSend } = this.#options!.hooks
    const sent = preSend.length === 0
      ? data
      : beforeSend(preSend, sentTo(connection, 'reply', id), data)
    return serialized(serialize, sent, 'reply to', type)
  }

  #failed (call: Call, thrown: unknown): MessageFailure {
    const { connection, envelope: { id }, work, isValidating, withdrawn } = call
    // Once the grant is withdrawn, a handler may throw an AbortError: the client gets the reason.
    const error = withdrawn === undefined ? thrown : withdrawn.error
    const failure = new MessageFailure(asError(error), id, {
      isWanted: work?.isOver !== true,
      isAborted: (work ?? connection).isAborted,
      // A handler may throw an error about another client's reply, which is not this one's fault.
      isRefusal: isValidating && isRefusal(error)
    })
    this.#end(call)
    return failure
  }

  // Releases a message for which nothing runs any more.
  #end ({ connection, envelope: { id }, work }: Call): void {
    work?.leave()
    if (id !== undefined && work !== undefined) connection.pendingRequests.finish(id, work)
  }

  async #renew (connection: WsConnection, { id, data }: Envelope): Promise<undefined | Frame> {
    try {
      const { token } = Object(data) as { token?: unknown }
      await connection.renew(typeof token === 'string' ? token : '')
    } catch (thrown) {
      const error = asError(thrown)
      // Other errors are not about the token: they come from a store, or a predicate of the app.
      const isOfToken = renewalErrors.some((Constructor) => error instanceof Constructor)
      throw new MessageFailure(
        isOfToken
          ? new ReplyError((error as SocketError).code, (error as SocketError).message)
          : error,
        id,
        { isRefusal: false, isVain: isOfToken }
      )
    }
    connection.accepted()
    return id === undefined ? undefined : replyFrame(id, undefined)
  }

  // Counts rejected messages: a client that sends only such messages is closed, after its error.
  #countRefusal (connection: WsConnection, { isRefusal, isVain }: MessageFailure): void {
    if (isRefusal || isVain) connection.refused()
    else connection.accepted()
  }

  // Sends the error for a failed message, or closes the connection, by the option invalidMessages.
  #refuse (
    connection: WsConnection,
    { error, id, isWanted, isRefusal }: MessageFailure
  ): undefined | Promise<void> {
    if (!isWanted) return
    if (isRefusal && this.#options!.invalidMessages === 'close') {
      connection.closeWith(closeReasonOf(error))
      return
    }
    const sent = error instanceof ReplyError || isRefusal ? error : new errors.HandlerFailed()
    return connection.outbox.reply(frameOf(id, sent as ClientError))
      ? undefined
      : connection.outbox.drained()
  }
}

function frameOf (id: undefined | MessageId, error: ClientError): Frame {
  try {
    const { code, message, path, answer = message } = error
    return errorFrame(id, { code, message: answer, path })
  } catch {
    // A getter of the app's error class threw, or its code cannot be written as JSON.
    return frameOf(id, new errors.HandlerFailed() as ClientError)
  }
}

// Node and fetch throw an error of this name when their signal aborts.
function isAbort (error: Error): boolean {
  return readText(error, 'name') === 'AbortError'
}

// The client's text is for the app, and must not reach a log: the property is not enumerable.
function refusedWith (reason: { code: string, message: string }): Error {
  return Object.defineProperty(new errors.RequestRefused(), 'reason', { value: reason })
}

function textOf (value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 256) : ''
}
