import { closeCodes } from '../protocol/close-codes.js'
import { WsConnection } from '../connection/connection.js'
import type { MessageId } from '../protocol/envelope.js'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'
import type { Codec, Request } from '../message/codec.js'
import type { Message } from '../message/message.js'
import { replaced, valueOf } from '../message/outbound.js'
import type { Clients } from '../room/clients.js'
import { discard, isThenable, then } from '../thenable.js'
import type { Returned, SocketController } from './controller.js'

/** An inbound message, as `preMessage` hooks get it. */
export interface ReceivedMessage {
  /** The type in the contract; `undefined` without a contract. */
  readonly type: undefined | string
  /** The id that the reply carries; `undefined` if the client expects no reply. */
  readonly id: undefined | MessageId
  /** The data as validated by the contract; `undefined` without a contract. */
  readonly data: unknown
  /** The message as received. */
  readonly message: Message
}

/** The receivers of a sent message, and its type. */
export interface SentMessage {
  /** The receiver, if there is only one. */
  readonly connection: undefined | WsConnection
  /** The name of the room, if the message is sent to only one. */
  readonly room: undefined | string
  /**
   * The names of the rooms, each member of which gets the message once. `undefined` if it is sent
   * to one connection, or to all clients of the route.
   */
  readonly rooms: undefined | readonly string[]
  /** The type in the contract, or `reply`; `undefined` without a contract. */
  readonly type: undefined | string
  /** The id that a reply carries; `undefined` for any other message. */
  readonly id: undefined | MessageId
}

/**
 * Runs before a message is handled, after the contract has accepted it. Like a hook of Fastify it
 * calls `done` or is async. An error that it throws or passes to `done` is treated as an error of
 * the handler, which does not run.
 */
export type PreMessageHook = {
  hook (
    connection: WsConnection,
    received: ReceivedMessage,
    done: (error?: undefined | null | Error) => void
  ): void | Promise<void>
}['hook']

/**
 * Runs before a message is encoded: once, for any number of receivers. Without a contract the
 * data is the value of a `JsonMessage`, a `TextMessage` or a `BinaryMessage`, and any other message
 * as it was sent. The hook may replace the data, by `done(null, data)` or by returning other data.
 * It cannot be async, because messages leave in order and at once. An error that it throws is
 * thrown by the call that sends.
 */
export type PreSendHook = {
  hook (
    sent: SentMessage,
    data: unknown,
    done: (error?: undefined | null | Error, data?: unknown) => void
  ): unknown
}['hook']

/** The hooks of a route, outermost first. */
export interface Hooks {
  readonly preMessage: readonly PreMessageHook[]
  readonly preSend: readonly PreSendHook[]
}

/**
 * Checks a hook at registration.
 *
 * @throws `FSR_ERR_HOOK_INVALID`.
 */
export function checkHook (name: keyof Hooks, hook: unknown): void {
  if (typeof hook !== 'function') throw new errors.HookInvalid(name, 'is not a function')
  const isAsync = hook.constructor.name === 'AsyncFunction'
  if (isAsync && name === 'preSend') {
    throw new errors.HookInvalid(name,
      'is async, but messages are sent at once: make it synchronous')
  }
  if (isAsync && hook.length > 2) {
    throw new errors.HookInvalid(name, 'is async and takes done: use only one of them')
  }
}

/** Runs the `preMessage` hooks in order. Returns a promise only if one of them is asynchronous. */
export function beforeMessage (
  hooks: readonly PreMessageHook[],
  connection: WsConnection,
  received: ReceivedMessage,
  from = 0
): undefined | Promise<void> {
  for (let index = from; index < hooks.length; index++) {
    const pending = callHook(hooks[index]!, connection, received)
    if (pending !== undefined) {
      return pending.then(() => beforeMessage(hooks, connection, received, index + 1))
    }
  }
}

// Any error of a hook counts: thrown, passed to `done`, or rejected. That includes a hook that
// takes `done` and returns a promise, and one that takes `done` without declaring it as a
// parameter.
function callHook (
  hook: PreMessageHook,
  connection: WsConnection,
  received: ReceivedMessage
): undefined | Promise<void> {
  let outcome: undefined | { readonly error: undefined | null | Error }
  let settle: undefined | (() => void)
  let isLeft = false
  const returned = hook(connection, received, (error) => {
    if (outcome === undefined && isLeft && error) tooLate(connection, error)
    outcome ??= { error }
    settle?.()
  })
  const finish = (): void => {
    isLeft = true
    if (outcome?.error) throw outcome.error
  }
  const isAwaited = hook.length > 2 && outcome === undefined
  if (!isAwaited && !isThenable(returned)) {
    finish()
    return
  }
  const called = isAwaited
    ? new Promise<void>((resolve) => { settle = resolve })
    : undefined
  return waitForBoth(returned, called, finish)
}

// Promise.all, because the returned promise may reject while `done` is never called.
async function waitForBoth (
  returned: unknown,
  called: undefined | Promise<void>,
  finish: () => void
): Promise<void> {
  await Promise.all([then(returned, () => {}), called])
  finish()
}

// A hook has rejected a message whose handler runs already. It takes `done` without declaring it,
// by `arguments` or with a default value, so it was not waited for.
function tooLate (connection: WsConnection, cause: Error): void {
  const err = new errors.HookInvalid('preMessage',
    'passed an error to done after the handler had started. Declare done as a parameter, ' +
      'without a default value, or return a promise',
    { cause })
  writeLog(connection, 'error', { err }, err.message)
  connection.closeWith(closeCodes.handlerFailed)
}

/**
 * Runs the `preSend` hooks, and returns the data to send.
 *
 * @throws the error of a hook; `FSR_ERR_HOOK_INVALID` if one returns a promise, or does not call
 * the `done` that it declares.
 */
export function beforeSend (
  hooks: readonly PreSendHook[],
  sent: SentMessage,
  data: unknown
): unknown {
  for (const hook of hooks) {
    const calls: Array<{ readonly error: undefined | null | Error, readonly data: unknown }> = []
    const value = valueOf(data)
    const returned = hook(sent, value, (error, data) => { calls.push({ error, data }) })
    const [call] = calls
    if (call?.error) throw call.error
    const isPending = isThenable(returned)
    if (isPending) discard(returned)
    if (isPending || (hook.length > 2 && call === undefined)) {
      throw new errors.HookInvalid('preSend',
        'had not finished when it returned: make it synchronous, or call done before it returns')
    }
    // `null` replaces the data, `undefined` does not.
    const given = call?.data !== undefined ? call.data : returned
    const next = given === undefined ? value : given
    // A message object is replaced in any case: it may have been encoded before, and the hook may
    // have changed its value.
    if (next !== data) data = replaced(data, next)
  }
  return data
}

/** A codec that runs the `preSend` hooks before it encodes. */
export class HookedCodec implements Codec {
  readonly #codec: Codec
  readonly #hooks: readonly PreSendHook[]

  constructor (codec: Codec, hooks: readonly PreSendHook[]) {
    this.#codec = codec
    this.#hooks = hooks
  }

  get arity (): number {
    return this.#codec.arity
  }

  frameOf (first: unknown, second: unknown, to: unknown): ReturnType<Codec['frameOf']> {
    return this.arity === 1
      ? this.#codec.frameOf(beforeSend(this.#hooks, sentTo(to), first), second, to)
      : this.#codec.frameOf(first, beforeSend(this.#hooks, sentTo(to, first as string), second), to)
  }

  messageOf (first: unknown, second: unknown): unknown {
    return this.#codec.messageOf(first, second)
  }

  keyOf (first: unknown, second: unknown): unknown {
    return this.#codec.keyOf(first, second)
  }

  requestOf (type: unknown, data: unknown, to: unknown): Request {
    const sent = sentTo(to, type as string)
    return this.#codec.requestOf(type, beforeSend(this.#hooks, sent, data), to)
  }
}

/**
 * Describes a message to the `preSend` hooks.
 *
 * @param to the connection, the names of the rooms, or `undefined` for all clients of the route.
 */
export function sentTo (to: unknown, type?: string, id?: MessageId): SentMessage {
  const rooms = Array.isArray(to) ? to as readonly string[] : undefined
  return {
    connection: to instanceof WsConnection ? to : undefined,
    room: rooms?.length === 1 ? rooms[0] : undefined,
    rooms,
    type,
    id
  }
}

/** Returns a controller without a contract that runs the `preMessage` hooks before `onMessage`. */
export function withPreMessage (
  controller: SocketController,
  hooks: readonly PreMessageHook[]
): SocketController {
  const handle = controller.onMessage?.bind(controller)
  if (handle === undefined || hooks.length === 0) return controller
  const { onOpen, onClose, onError } = controller
  return {
    ...(onOpen && { onOpen: onOpen.bind(controller) }),
    ...(onClose && { onClose: onClose.bind(controller) }),
    ...(onError && { onError: onError.bind(controller) }),
    onMessage (connection: WsConnection, message: Message, clients: Clients): Returned {
      const received = { type: undefined, id: undefined, data: undefined, message }
      const pending = beforeMessage(hooks, connection, received)
      // A hook may have closed the connection.
      const goOn = (): Returned =>
        connection.isDone ? undefined : handle(connection, message, clients)
      return pending === undefined ? goOn() : pending.then(goOn) as Promise<never>
    }
  }
}
