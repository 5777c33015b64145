import type { WsConnection } from '../connection/connection.js'
import type { MessageId, InboundRequest } from '../connection/pending-requests.js'
import { asError, closeReasonOf, errors, isOfClient, isRefusal, type SocketError } from '../errors.js'
import type { Frame } from '../message/frame.js'
import type { Message } from '../message/message.js'
import { readText, writeLog } from '../log.js'
import type { Clients } from '../room/clients.js'
import { isThenable, then } from '../thenable.js'
import { ReplyStream } from '../controller/reply-stream.js'
import { createCheck, named, type Check, type Compilers, type InvalidData, type Serializer } from './validation.js'
import type { ContractController, ContractSchema, MessageContext, MessageGrant } from './contract.js'
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

// What a client is told when it renews its token.
const renewalErrors = [errors.TokenInvalid, errors.TokenExpired, errors.NotGranted]

type User = ContractController<WsConnection, never, ContractSchema>
type Handle = (connection: WsConnection, data: unknown, context: MessageContext) => unknown

/** Whether a user may send a message. */
export type MessageGuard = (user: unknown, connection: WsConnection) => boolean | Promise<boolean>

// What is done with one type of message.
interface Handling {
  readonly type: string
  readonly isGranted: undefined | MessageGuard
  readonly check: undefined | Check
  readonly reply: undefined | Serializer
  readonly stream: undefined | Serializer
}

// One message on its way.
interface Call {
  readonly connection: WsConnection
  readonly handling: Handling
  readonly envelope: Envelope
  readonly message: Message
  readonly clients: Clients
  /** If it wants an answer. */
  readonly work: undefined | InboundRequest
  /** Whether the contract is being asked, and not the app. */
  isJudged: boolean
  /** The stream that is sent, if it is one. */
  answers: undefined | ReplyStream
  /** Why it is not granted any more. */
  withdrawn: undefined | { readonly error: unknown }
}

// What a client is told of an error.
type Told = Error & InvalidData & { readonly code: string }

// What is sent of what a handler has returned: an answer, or several.
type Answer = Frame | ReplyStream

/** What a route says of its contract besides the contract. */
export interface ContractOptions {
  /** Whether a message that is not in the contract is answered, or ends the connection. */
  readonly invalidMessages: 'answer' | 'close'
  /** How many streams one connection may have at a time. */
  readonly streamsPerConnection: number
  readonly hooks: Hooks
  guardOf (grant: MessageGrant): MessageGuard
}

/**
 * A controller with a contract, as a controller without: it reads each message, finds and calls its handler, and answers. All that it
 * throws is handed back to it, as `onError`, by whoever calls it.
 */
export class ContractRouter implements SocketController {
  readonly definition: ContractDefinition
  readonly codec: ContractCodec
  readonly #user: User
  readonly #handlings = new Map<string, Handling>()
  #options: undefined | ContractOptions

  constructor (user: User, definition: ContractDefinition) {
    this.#user = user
    this.definition = definition
    this.codec = new ContractCodec(definition.out)
  }

  /** Makes what is needed for each message, once all plugins are loaded. */
  compile (compilers: Compilers, options: ContractOptions): void {
    this.#options = options
    this.codec.compile(compilers)
    for (const { type, data, reply, stream, isGranted } of this.definition.in.values()) {
      this.#handlings.set(type, {
        type,
        isGranted: isGranted === undefined ? undefined : options.guardOf(isGranted),
        check: data === undefined ? undefined : createCheck(named(`data of '${type}'`, () => compilers.validator(data))),
        reply: reply === undefined ? undefined : named(`reply of '${type}'`, () => compilers.serializer(reply)),
        stream: stream === undefined ? undefined : named(`stream of '${type}'`, () => compilers.serializer(stream))
      })
    }
  }

  onOpen (connection: WsConnection, clients: Clients): undefined | Promise<undefined> {
    const { onOpen } = this.#user
    if (onOpen !== undefined) return nothing(onOpen.call(this.#user, connection, clients), 'onOpen')
  }

  onClose (connection: WsConnection, closed: CloseInfo, clients: Clients): undefined | Promise<undefined> {
    const { onClose } = this.#user
    if (onClose !== undefined) return nothing(onClose.call(this.#user, connection, closed, clients), 'onClose')
  }

  /** What is answered has gone out before the app hears of it. */
  onError (connection: WsConnection, thrown: Error, clients: Clients): undefined | Promise<void> {
    const error = thrown instanceof MessageFailure ? thrown.error : thrown
    // Whoever took the message back, or has gone, has ended it: that it says so is what was asked of it.
    if (thrown instanceof MessageFailure && thrown.isAborted && isAbort(error)) return
    const answered = thrown instanceof MessageFailure ? this.#refuse(connection, thrown) : undefined
    if (thrown instanceof MessageFailure) this.#judge(connection, thrown)
    // That is an answer, and nothing that has failed.
    if (error instanceof ReplyError) return answered
    const { onError } = this.#user
    if (onError === undefined) {
      // A callback that fails, above all onOpen, has not done what messages rely on.
      if (!(thrown instanceof MessageFailure)) throw thrown
      const level = thrown.isRefusal ? 'debug' : isOfClient(error) ? 'info' : 'error'
      writeLog(connection, level, { err: error }, 'a message was refused, or its handler failed')
      return answered
    }
    const heard = nothing(onError.call(this.#user, connection, error, clients), 'onError')
    return heard === undefined ? answered : then(heard, () => answered) as Promise<void>
  }

  onMessage (connection: WsConnection, message: Message, clients: Clients): undefined | Answer | Promise<undefined | Answer> {
    if (!connection.hasExchange) return this.#take(connection, message, clients)
    const { pendingRequests } = connection
    try {
      return this.#take(connection, message, clients)
    } finally {
      // Whatever has become of it.
      pendingRequests.hadTurn(message)
    }
  }

  #take (connection: WsConnection, message: Message, clients: Clients): undefined | Answer | Promise<undefined | Answer> {
    const envelope = readEnvelope(message)
    const { type, id } = envelope
    if (this.#isProtocol(connection, envelope, undefined)) return
    if (id !== undefined && connection.hasExchange && connection.pendingRequests.isTakenBack(id)) return
    if (type === 'renew') return this.#renew(connection, envelope)
    const handling = this.#handlings.get(type)
    if (handling === undefined) throw new MessageFailure(new errors.TypeUnknown(), id)
    const call: Call = { connection, handling, envelope, message, clients, work: this.#begin(connection, handling, id), isJudged: false, answers: undefined, withdrawn: undefined }
    if (handling.stream !== undefined && handling.isGranted !== undefined) call.work!.onUserChanged = () => { this.#askAgain(call) }
    try {
      const answer = this.#handle(call)
      return isThenable(answer) ? answer.then(undefined, (error: unknown) => { throw this.#failed(call, error) }) : answer
    } catch (error) {
      throw this.#failed(call, error)
    }
  }

  /**
   * What must not wait for the messages before it. Returns whether it was that, and is done, or is to be handled at once.
   *
   * @param last the last of those that wait.
   */
  interrupt (connection: WsConnection, message: Message, last: undefined | Message): Interruption {
    // Looked for before it is parsed, as what is not that is parsed again when its turn comes.
    if (message.isBinary || !/"(?:reply|error|cancel|alive|renew)"/.test(message.text)) return 'none'
    try {
      const envelope = readEnvelope(message)
      if (envelope.type === 'renew') return 'renewal'
      return this.#isProtocol(connection, envelope, last) ? 'done' : 'none'
    } catch {
      // Answered when its turn comes.
      return 'none'
    }
  }

  // Answers to what the server has asked, what the client does not want any more, and whether the server is there.
  #isProtocol (connection: WsConnection, { type, id, data, code, message }: Envelope, last: undefined | Message): boolean {
    if (type === 'alive') {
      // A client that does not read what waits for it gets no more: all of that is a sign of life.
      if (id !== undefined && !connection.outbox.isOverMark) connection.outbox.reply(replyFrame(id, undefined))
      return true
    }
    if (type !== 'reply' && type !== 'error' && type !== 'cancel') return false
    // Late, or made up: it costs nothing, so nothing is said.
    if (id === undefined || (last === undefined && !connection.hasExchange)) return true
    const { pendingRequests } = connection
    if (type === 'reply') pendingRequests.answered(id, data)
    else if (type === 'cancel') pendingRequests.takeBack(id, last)
    else pendingRequests.refused(id, refusedWith({ code: textOf(code), message: textOf(message) }))
    return true
  }

  // A message that wants an answer is known by its id until it has that.
  #begin (connection: WsConnection, { stream }: Handling, id: undefined | MessageId): undefined | InboundRequest {
    if (id === undefined) {
      if (stream !== undefined) throw new MessageFailure(new errors.MessageInvalid('it asks for a stream and has no id'), id)
      return
    }
    const { pendingRequests } = connection
    if (stream !== undefined && !pendingRequests.hasRoomForStream(this.#options!.streamsPerConnection)) throw new MessageFailure(new errors.StreamsTooMany(), id)
    const work = pendingRequests.begin(id, stream !== undefined)
    if (work === undefined) throw new MessageFailure(new errors.IdDuplicate(), id)
    return work
  }

  // May the user, is it what the contract says, do the hooks agree; then the handler. Nothing is waited for that need not be.
  #handle (call: Call): undefined | Answer | Promise<undefined | Answer> {
    const { connection, handling: { type, isGranted, check }, envelope: { id, data }, message, work, clients } = call
    const { preMessage } = this.#options!.hooks
    const handlers = this.#user.on as unknown as Record<string, Handle>
    return then(isGranted?.(connection.user, connection), (isGranted = true) => {
      call.isJudged = true
      if (!isGranted) throw new errors.MessageNotGranted()
      return then(check?.(data), (data) => {
        call.isJudged = false
        return then(beforeMessage(preMessage, connection, { type, id, data, message }), () => {
          // Taken back meanwhile, or the connection is being closed: by a hook, or because the user was revoked.
          if (work?.isOver === true || connection.isDone) {
            this.#leave(call)
            return
          }
          if (call.withdrawn !== undefined) throw call.withdrawn.error
          return then(handlers[type]!(connection, data, new HandlerContext(connection, id, work, clients)), (answer) => this.#finished(call, answer))
        })
      })
    })
  }

  // What is sent of what a handler has returned.
  #finished (call: Call, answer: unknown): undefined | Answer {
    const { connection, handling: { type, reply, stream }, envelope: { id }, work } = call
    connection.accepted()
    if (id === undefined || work === undefined) return
    if (stream !== undefined) return this.#stream(call, stream, id, work, answer)
    if (work.isOver) return
    const json = this.#encode(connection, reply, answer, type, id)
    connection.pendingRequests.finish(id, work)
    return replyFrame(id, json)
  }

  #stream (call: Call, serialize: Serializer, id: MessageId, work: InboundRequest, items: unknown): ReplyStream {
    const { connection, handling: { type }, withdrawn } = call
    if (!isAsyncIterable(items)) throw new errors.ReturnInvalid(type, 'something that can be iterated with for await, as its contract has a stream')
    const { pendingRequests } = connection
    const answers = new ReplyStream(items, {
      encode: (item) => replyFrame(id, this.#encode(connection, serialize, item, type, id), true),
      last: replyFrame(id, undefined),
      wrap: (error) => new MessageFailure(asError(error), id, { isRefusal: false }),
      onEnd: () => { pendingRequests.finish(id, work) },
      onLeft: () => { work.leave() }
    })
    const { onOver } = work
    work.onOver = () => {
      onOver?.()
      answers.stop()
    }
    call.answers = answers
    // Cancelled, or withdrawn, before the handler has returned it.
    if (work.isOver) answers.stop()
    else if (withdrawn !== undefined) answers.fail(withdrawn.error)
    return answers
  }

  // Whether the user, who is another one now, may have a stream that is under way.
  async #askAgain (call: Call): Promise<void> {
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
    if (call.answers === undefined) call.work!.abort()
    else call.answers.fail(error)
  }

  // Data of a reply in JSON, when the hooks have seen it.
  #encode (connection: WsConnection, serialize: undefined | Serializer, data: unknown, type: string, id: MessageId): undefined | string {
    const { preSend } = this.#options!.hooks
    const sent = preSend.length === 0 ? data : beforeSend(preSend, sentTo(connection, 'reply', id), data)
    return serialized(serialize, sent, 'reply to', type)
  }

  #failed (call: Call, thrown: unknown): MessageFailure {
    const { connection, envelope: { id }, work, isJudged, withdrawn } = call
    // A handler that was told to stop may say so.
    const error = withdrawn === undefined ? thrown : withdrawn.error
    const failure = new MessageFailure(asError(error), id, {
      isWanted: work?.isOver !== true,
      isAborted: (work ?? connection).isAborted,
      // What another client has answered to a handler is not the fault of this one.
      isRefusal: isJudged && isRefusal(error)
    })
    this.#leave(call)
    return failure
  }

  // Nothing runs for a message any more, and nothing is going to.
  #leave ({ connection, envelope: { id }, work }: Call): void {
    work?.leave()
    if (id !== undefined && work !== undefined) connection.pendingRequests.finish(id, work)
  }

  async #renew (connection: WsConnection, { id, data }: Envelope): Promise<undefined | Frame> {
    try {
      const { token } = Object(data) as { token?: unknown }
      await connection.renew(typeof token === 'string' ? token : '')
    } catch (thrown) {
      const error = asError(thrown)
      // What else fails is not about the token: a store, or a predicate of the app.
      const isOfToken = renewalErrors.some((Constructor) => error instanceof Constructor)
      throw new MessageFailure(isOfToken ? new ReplyError((error as SocketError).code, (error as SocketError).message) : error, id, { isRefusal: false, isVain: isOfToken })
    }
    connection.accepted()
    return id === undefined ? undefined : replyFrame(id, undefined)
  }

  // A client that sends nothing but what is refused is closed, after it was told.
  #judge (connection: WsConnection, { isRefusal, isVain }: MessageFailure): void {
    if (isRefusal || isVain) connection.refused()
    else connection.accepted()
  }

  // Answers a message that has failed, or ends the connection for it, as the route says.
  #refuse (connection: WsConnection, { error, id, isWanted, isRefusal }: MessageFailure): undefined | Promise<void> {
    if (!isWanted) return
    if (isRefusal && this.#options!.invalidMessages === 'close') {
      connection.closeWith(closeReasonOf(error))
      return
    }
    const told = error instanceof ReplyError || isRefusal ? error : new errors.HandlerFailed()
    return connection.outbox.reply(frameOf(id, told as Told)) ? undefined : connection.outbox.drained()
  }
}

function frameOf (id: undefined | MessageId, told: Told): Frame {
  try {
    const { code, message, path, answer = message } = told
    return errorFrame(id, { code, message: answer, path })
  } catch {
    // A class of the app's own with a getter that throws, or a code that JSON cannot hold.
    return frameOf(id, new errors.HandlerFailed() as Told)
  }
}

// What Node and fetch throw when a signal has ended them.
function isAbort (error: Error): boolean {
  return readText(error, 'name') === 'AbortError'
}

// What the client says is for the app, and for no log.
function refusedWith (reason: { code: string, message: string }): Error {
  return Object.defineProperty(new errors.RequestRefused(), 'reason', { value: reason })
}

function textOf (value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 256) : ''
}
