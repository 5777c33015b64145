import type { WsConnection } from '../connection/connection.js'
import type { Upkeep } from '../connection/rate.js'
import type { CloseInfo, SocketController } from '../controller/controller.js'
import { isAbort, MessageFailure, ReplyError } from '../controller/message-errors.js'
import { nothing } from '../controller/return-value.js'
import type { Interruption } from '../controller/route-runtime.js'
import { closeReasonOf, errors, isOfClient } from '../errors.js'
import { writeLog } from '../log.js'
import { encodeText, type Frame } from '../message/frame.js'
import { parseJson, type Message } from '../message/message.js'
import {
  errorText,
  isId,
  LONGEST_ID,
  reservedTypes,
  type MessageId,
  type UncheckedEnvelope
} from '../protocol/envelope.js'
import type { Clients } from '../room/clients.js'
import { then } from '../thenable.js'
import {
  compileMessage,
  type CompiledMessage,
  type ContractOptions
} from './compiled-message.js'
import type { ContractController, ContractSchema } from './contract.js'
import { ContractCodec } from './contract-codec.js'
import { InboundRequest, type InboundEnvelope, type Outcome } from './inbound-request.js'
import type { ContractDefinition } from './parse-contract.js'
import { handleProtocol, renew } from './protocol-handler.js'
import type { Compilers, InvalidData } from './validation.js'

// Matches every message that the protocol uses itself, and some others.
const mayBeReserved = new RegExp(`"(?:${reservedTypes.join('|')})"`)

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
    return encodeText(errorText(id, { code, message: answer, path }))
  } catch {
    // A getter of the app's error class threw, or its code cannot be written as JSON.
    return frameOf(id, new errors.HandlerFailed() as ClientError)
  }
}

/**
 * Handles a message that must not wait for the messages before it. Returns `'done'` if it was one,
 * `'renewal'` if the caller is to handle it now, and `'none'` if it waits like any other.
 *
 * @param last the last of the messages that wait.
 */
export function interrupt (
  connection: WsConnection,
  message: Message,
  last: undefined | Message
): Interruption {
  // Matched as text first, since a message that waits is parsed again in its turn.
  if (message.isBinary || !mayBeReserved.test(message.text)) return 'none'
  try {
    const envelope = readEnvelope(message)
    if (envelope.type === 'renew') return 'renewal'
    return handleProtocol(connection, envelope, last) ? 'done' : 'none'
  } catch {
    // An invalid message gets its error in its turn.
    return 'none'
  }
}

/** Returns the kind of upkeep if the message is one that keeps its connection alive. */
export function upkeepOf (message: Message): undefined | Upkeep {
  // Matched as text first, since every message is parsed again when it is handled.
  if (message.isBinary || !/"(?:alive|renew)"/.test(message.text)) return
  try {
    const { type } = readEnvelope(message)
    return type === 'alive' || type === 'renew' ? type : undefined
  } catch {
    // An invalid message gets its error when it is handled.
  }
}

/**
 * Parses a message of a client.
 *
 * @throws a `MessageFailure`, with the id if that could be read, of `FSR_ERR_MESSAGE_BINARY`,
 * `FSR_ERR_MESSAGE_NOT_JSON`, `FSR_ERR_MESSAGE_FORBIDDEN`, `FSR_ERR_MESSAGE_INVALID`.
 */
function readEnvelope (message: Message): InboundEnvelope {
  if (message.isBinary) throw new MessageFailure(new errors.MessageBinary(), undefined)
  let value: unknown
  try {
    value = parseJson(message.text)
  } catch (error) {
    throw new MessageFailure(error as Error, undefined)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MessageFailure(new errors.MessageInvalid('this is not an object'), undefined)
  }
  const { type, id } = value as UncheckedEnvelope
  if (id !== undefined && !isId(id)) {
    throw new MessageFailure(
      new errors.MessageInvalid(
        `its id is neither a string of 1 to ${LONGEST_ID} characters nor an integer`),
      undefined
    )
  }
  if (typeof type !== 'string') {
    throw new MessageFailure(new errors.MessageInvalid('its type is not a string'), id)
  }
  return value as InboundEnvelope
}
