import type { WsConnection } from '../connection/connection.js'
import type { Hooks } from '../controller/message-hooks.js'
import type { MessageContext, MessageGrant } from './contract.js'
import type { MessageDefinition } from './parse-contract.js'
import { createCheck, named, type Check, type Compilers, type Serializer } from './validation.js'

/** The options of a route that concern its contract. */
export interface ContractOptions {
  /** Whether a message that the contract rejects gets an error, or closes the connection. */
  readonly invalidMessages: 'answer' | 'close'
  /** The most streams that one connection may have open at a time. */
  readonly streamsPerConnection: number
  readonly hooks: Hooks
  guardOf (grant: MessageGrant): MessageGuard
}

/** Whether a user may send a message. */
export type MessageGuard = (
  user: unknown,
  connection: WsConnection
) => boolean | Promise<boolean>

/** The handler of a message, as `on` of a controller has it. */
export type Handler = (
  connection: WsConnection,
  data: unknown,
  context: MessageContext
) => unknown

/** The compiled form of one message type of `in`. */
export interface CompiledMessage {
  readonly type: string
  /** Has the handlers of all types. Read for each message, as an app may replace it. */
  readonly controller: { readonly on: Readonly<Record<string, Handler>> }
  readonly isGranted: undefined | MessageGuard
  readonly check: undefined | Check
  readonly reply: undefined | Serializer
  readonly stream: undefined | Serializer
  readonly streamsPerConnection: number
  readonly hooks: Hooks
  /**
   * Whether nothing of the app runs before the handler, and nothing is waited for: the message can
   * be neither cancelled nor overtaken by a close before that.
   */
  readonly isDirect: boolean
}

/** Compiles the schemas and the grant of a message type. */
export function compileMessage (
  { type, data, reply, stream, isGranted }: MessageDefinition,
  controller: CompiledMessage['controller'],
  { validator, serializer }: Compilers,
  { hooks, streamsPerConnection, guardOf }: ContractOptions
): CompiledMessage {
  const check = data === undefined
    ? undefined
    : createCheck(named(`data of '${type}'`, () => validator(data)))
  return {
    type,
    controller,
    isGranted: isGranted === undefined ? undefined : guardOf(isGranted),
    check,
    reply: reply === undefined
      ? undefined
      : named(`reply of '${type}'`, () => serializer(reply)),
    stream: stream === undefined
      ? undefined
      : named(`stream of '${type}'`, () => serializer(stream)),
    streamsPerConnection,
    hooks,
    isDirect: isGranted === undefined && check?.isSync !== false && hooks.preMessage.length === 0
  }
}
