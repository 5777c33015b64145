import { closeCodes } from '../close-codes.js'
import { WsConnection } from '../connection/connection.js'
import type { MessageId } from '../connection/pending-requests.js'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'
import type { Codec, Request } from '../message/codec.js'
import type { Message } from '../message/message.js'
import type { Clients } from '../room/clients.js'
import { discard, isThenable, then } from '../thenable.js'
import type { Returned, SocketController } from './controller.js'

/** A message on its way to its handler. */
export interface ReceivedMessage {
  /** As in the contract; `undefined` without one. */
  readonly type: undefined | string
  /** What it is to be answered by, if it is. */
  readonly id: undefined | MessageId
  /** What the contract has made of its data; `undefined` without one. */
  readonly data: unknown
  /** The message itself. */
  readonly message: Message
}

/** Where a message goes, and what it is. */
export interface SentMessage {
  /** To whom, if to one. */
  readonly connection: undefined | WsConnection
  /** To which room, if to one. */
  readonly room: undefined | string
  /** To which rooms, each of whose members gets it once; `undefined` for one connection, or all clients of the route. */
  readonly rooms: undefined | readonly string[]
  /** As in the contract, or `reply`; `undefined` without one. */
  readonly type: undefined | string
  /** Of a reply. */
  readonly id: undefined | MessageId
}

/**
 * Runs before each message is handled, when the contract has accepted it. As with hooks of Fastify it calls `done`, or is async. What it
 * throws, or gives to `done`, is answered and handled like an error of the handler, which does not run.
 */
export type PreMessageHook = { hook (connection: WsConnection, received: ReceivedMessage, done: (error?: undefined | null | Error) => void): void | Promise<void> }['hook']

/**
 * Runs before each message is encoded: once, however many receive it. It answers other data to be sent, or nothing; by `done(null, data)`
 * or by returning. It cannot be async, as what is sent leaves in order and at once. What it throws is thrown by whoever sends.
 */
export type PreSendHook = { hook (sent: SentMessage, data: unknown, done: (error?: undefined | null | Error, data?: unknown) => void): unknown }['hook']

/** The hooks of a route, outermost first. */
export interface Hooks {
  readonly preMessage: readonly PreMessageHook[]
  readonly preSend: readonly PreSendHook[]
}

/** Checks that something is a hook. @throws `FSR_ERR_HOOK_INVALID`. */
export function checkHook (name: keyof Hooks, hook: unknown): void {
  if (typeof hook !== 'function') throw new errors.HookInvalid(name, 'is not a function')
  const isAsync = hook.constructor.name === 'AsyncFunction'
  if (isAsync && name === 'preSend') throw new errors.HookInvalid(name, 'is async: what is sent leaves at once, so nothing can be waited for')
  if (isAsync && hook.length > 2) throw new errors.HookInvalid(name, 'is async and takes done: it can only do one of both')
}

/** Runs the hooks of a message one after the other; answers a promise only if there is something to wait for. */
export function beforeMessage (hooks: readonly PreMessageHook[], connection: WsConnection, received: ReceivedMessage, from = 0): undefined | Promise<void> {
  for (let index = from; index < hooks.length; index++) {
    const pending = callHook(hooks[index]!, connection, received)
    if (pending !== undefined) return pending.then(() => beforeMessage(hooks, connection, received, index + 1))
  }
}

// Whatever a hook fails by counts, also where it takes `done` and returns a promise, or takes it without naming it.
function callHook (hook: PreMessageHook, connection: WsConnection, received: ReceivedMessage): undefined | Promise<void> {
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
  const called = isAwaited ? new Promise<void>((resolve) => { settle = resolve }) : undefined
  return waitForBoth(returned, called, finish)
}

// What is returned may fail while `done` is never called.
async function waitForBoth (returned: unknown, called: undefined | Promise<void>, finish: () => void): Promise<void> {
  await Promise.all([then(returned, () => {}), called])
  finish()
}

// A hook has refused a message that is being handled: it takes `done` without naming it, so nobody has waited.
function tooLate (connection: WsConnection, cause: Error): void {
  const err = new errors.HookInvalid('preMessage', 'has given an error to done when nobody waited for it any more. Name done among its parameters, without a default, or return a promise', { cause })
  writeLog(connection, 'error', { err }, err.message)
  connection.closeWith(closeCodes.handlerFailed)
}

/** What the hooks make of data that is sent. @throws what they throw; `FSR_ERR_HOOK_INVALID` if one wants to be waited for. */
export function beforeSend (hooks: readonly PreSendHook[], sent: SentMessage, data: unknown): unknown {
  for (const hook of hooks) {
    const answers: Array<{ readonly error: undefined | null | Error, readonly data: unknown }> = []
    const returned = hook(sent, data, (error, data) => { answers.push({ error, data }) })
    const [answer] = answers
    if (answer?.error) throw answer.error
    const isPending = isThenable(returned)
    if (isPending) discard(returned)
    if (isPending || (hook.length > 2 && answer === undefined)) throw new errors.HookInvalid('preSend', 'has not answered at once')
    // `null` is data as well.
    const given = answer?.data !== undefined ? answer.data : returned
    if (given !== undefined) data = given
  }
  return data
}

/** A codec that asks the hooks first. */
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

  messageOf (first: unknown, second: unknown): ReturnType<Codec['messageOf']> {
    return this.#codec.messageOf(first, second)
  }

  keyOf (first: unknown, second: unknown): unknown {
    return this.#codec.keyOf(first, second)
  }

  requestOf (type: unknown, data: unknown, to: unknown): Request {
    return this.#codec.requestOf(type, beforeSend(this.#hooks, sentTo(to, type as string), data), to)
  }
}

/** @param to a connection, the names of rooms, or nothing. */
export function sentTo (to: unknown, type?: string, id?: MessageId): SentMessage {
  const rooms = Array.isArray(to) ? to as readonly string[] : undefined
  return { connection: to instanceof WsConnection ? to : undefined, room: rooms?.length === 1 ? rooms[0] : undefined, rooms, type, id }
}

/** A controller without a contract whose messages pass the hooks first. */
export function withPreMessage (controller: SocketController, hooks: readonly PreMessageHook[]): SocketController {
  const handle = controller.onMessage?.bind(controller)
  if (handle === undefined || hooks.length === 0) return controller
  const { onOpen, onClose, onError } = controller
  return {
    ...(onOpen && { onOpen: onOpen.bind(controller) }),
    ...(onClose && { onClose: onClose.bind(controller) }),
    ...(onError && { onError: onError.bind(controller) }),
    onMessage (connection: WsConnection, message: Message, clients: Clients): Returned {
      const pending = beforeMessage(hooks, connection, { type: undefined, id: undefined, data: undefined, message })
      // A hook may have closed the connection.
      const goOn = (): Returned => connection.isDone ? undefined : handle(connection, message, clients)
      return pending === undefined ? goOn() : pending.then(goOn) as Promise<never>
    }
  }
}
