import type { WsConnection } from '../connection/connection.js'
import type { MessageId } from '../connection/pending-requests.js'
import type { CloseInfo, SocketController } from '../controller/controller.js'
import { isAbort, MessageFailure, ReplyError } from '../controller/message-failure.js'
import { nothing } from '../controller/returned.js'
import { closeReasonOf, errors, isOfClient } from '../errors.js'
import { writeLog } from '../log.js'
import type { Frame } from '../message/frame.js'
import type { Message } from '../message/message.js'
import type { Clients } from '../room/clients.js'
import { then } from '../thenable.js'
import {
  compileMessage,
  type CompiledMessage,
  type ContractOptions
} from './compiled-message.js'
import type { ContractController, ContractSchema } from './contract.js'
import { ContractCodec } from './contract-codec.js'
import { errorFrame, readEnvelope } from './envelope.js'
import { InboundRequest, type Outcome } from './inbound-request.js'
import type { ContractDefinition } from './parse-contract.js'
import { handleProtocol, renew } from './protocol-messages.js'
import type { Compilers, InvalidData } from './validation.js'

type Controller = ContractController<WsConnection, never, ContractSchema>

// An error whose text may be sent to the client.
type ClientError = Error & InvalidData & { readonly code: string }

/**
 * Adapts a controller with a contract to `SocketController`: it parses each message, calls its
 * handler and returns the reply. The `ControllerInvoker` passes every error it throws to `onError`.
 */
export class ContractRouter implements SocketController {
  readonly definition: ContractDefinition
  readonly codec: ContractCodec
  readonly #controller: Controller
  readonly #compiled = new Map<string, CompiledMessage>()
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
    const controller = this.#controller as unknown as CompiledMessage['controller']
    for (const message of this.definition.in.values()) {
      this.#compiled.set(message.type, compileMessage(message, controller, compilers, options))
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

  onMessage (connection: WsConnection, message: Message, clients: Clients): Outcome {
    const requests = connection.inboundRequests
    if (requests?.cancelled === undefined) return this.#receive(connection, message, clients)
    try {
      return this.#receive(connection, message, clients, requests.cancelled)
    } finally {
      requests.markProcessed(message)
    }
  }

  // @param cancelled the ids of messages that were cancelled while they waited.
  #receive (
    connection: WsConnection,
    message: Message,
    clients: Clients,
    cancelled?: undefined | ReadonlyMap<MessageId, unknown>
  ): Outcome {
    const envelope = readEnvelope(message)
    const { type, id } = envelope
    // A type of the protocol is never in a contract.
    const compiled = this.#compiled.get(type)
    if (compiled === undefined && handleProtocol(connection, envelope, undefined)) return
    if (id !== undefined && cancelled?.has(id) === true) return
    if (compiled !== undefined) {
      return new InboundRequest(connection, clients, message, envelope, compiled).handle()
    }
    if (type === 'renew') return renew(connection, envelope)
    throw new MessageFailure(new errors.TypeUnknown(), id)
  }

  // Counts rejected messages: a client that sends only such messages is closed, after its error.
  #countRefusal (connection: WsConnection, { isRefusal, isRejectedRenewal }: MessageFailure): void {
    if (isRefusal || isRejectedRenewal) connection.countRefusal()
    else connection.refusals?.clear()
  }

  // Sends the error for a failed message, or closes the connection, by the option invalidMessages.
  #refuse (
    connection: WsConnection,
    { error, id, isAwaited, isRefusal }: MessageFailure
  ): undefined | Promise<void> {
    if (!isAwaited) return
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
