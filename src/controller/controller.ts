import type { FastifyInstance } from 'fastify'
import type { WsConnection } from '../connection/connection.js'
import { errors } from '../errors.js'
import type { Message } from '../message/message.js'
import type { Sendable } from '../message/outbound.js'
import type { Clients } from '../room/clients.js'
import { isThenable } from '../thenable.js'
import { misplacedIn } from './misplaced.js'

/** How a connection ended. */
export interface CloseInfo {
  /** The close code: the client's if it closed, the server's if the server did, 1005 for none, 1006 for a connection that was cut (RFC 6455 section 7.1.5). */
  readonly code: number
  /** The reason that came with the code, often `''`. */
  readonly reason: string
  /** Whether there was a close frame at all: `false` when the connection was cut. */
  readonly wasClean: boolean
}

/** What a callback may return: nothing, a message, or a stream of messages that is sent as fast as the client reads. */
export type Reply = void | null | undefined | Sendable | AsyncIterable<Sendable>

/** What a callback returns, now or later. */
export type Returned = Reply | Promise<Reply>

/**
 * What happens on a socket route. Every callback is optional, but one must be there. Each may be async, and what it returns
 * is sent to the client. Whatever it throws goes to `onError`; nothing that a callback does ends the process. `clients` is the
 * same set in each, all clients of the route.
 *
 * @typeParam Connection the connections of the route.
 */
export interface SocketController<Connection = WsConnection> {
  /** Runs once, before the first message is read. A stream that it returns runs beside the messages. */
  onOpen? (connection: Connection, clients: Clients<Connection>): Returned
  /**
   * Runs for each message, in order, one at a time per connection unless `concurrency` says otherwise. A stream that it
   * returns is part of handling the message.
   */
  onMessage? (connection: Connection, message: Message, clients: Clients<Connection>): Returned
  /**
   * Runs exactly once for every `onOpen`, after the last message was handled. What it returns is sent if the server closes,
   * before the close frame, and dropped if the client closed or is gone.
   */
  onClose? (connection: Connection, closed: CloseInfo, clients: Clients<Connection>): Returned
  /**
   * Runs when a callback throws, when what it returned cannot be sent, and when the client breaks the protocol. The connection
   * stays open, unless it is the client's fault or this throws too. Without it the connection is closed: 1011, or as the error says.
   */
  onError? (connection: Connection, error: Error, clients: Clients<Connection>): Returned
}

/** A class of controllers; it is constructed once per route, with the Fastify instance of the route's scope. */
export type SocketControllerClass<Connection = WsConnection> = new (fastify: FastifyInstance) => SocketController<Connection>

/** What a controller with a contract has besides its callbacks; nobody has looked at it yet. */
interface Contracted {
  readonly schema?: unknown
  readonly on?: unknown
}

const callbacks = ['onOpen', 'onMessage', 'onClose', 'onError'] as const

/**
 * Checks a controller, and constructs it if it is a class.
 *
 * @throws `FSR_ERR_CONTROLLER_INVALID`.
 */
export function checkController (path: string, given: unknown, fastify: FastifyInstance): SocketController & Contracted {
  const Class = isClass(given) ? given : undefined
  const controller = Class === undefined ? given : new Class(fastify)
  const fail = (what: string) => new errors.ControllerInvalid(path, what)
  if (typeof controller === 'function') throw fail('is a function that is not a class')
  // Such as one of a decorated class, whose guard would be lost.
  if (Class !== undefined && !(controller instanceof Class)) throw fail('is a class whose constructor returns something else than an instance of it')
  if (typeof controller !== 'object' || controller === null) throw fail(controller == null ? `is ${controller}` : `is a ${typeof controller}`)
  if (isThenable(controller)) throw fail('is a promise: wait for it before the route is registered')
  const misplaced = misplacedIn(controller, Class ?? controller.constructor)
  if (misplaced !== undefined) throw fail(`has ${misplaced}, which belongs into the third argument of socketRoute(), or into @SocketRoute`)

  let found = false
  for (const name of propertyNames(controller)) {
    const value = (controller as Record<string, unknown>)[name]
    const known = callbacks.find((callback) => callback.toLowerCase() === name.toLowerCase())
    if (known === name) {
      if (value === undefined) continue
      if (typeof value !== 'function') throw fail(`has an ${name} that is not a function`)
      found = true
    } else if (typeof value === 'function' && (known !== undefined || /^on[A-Z]/.test(name))) {
      throw fail(`has an unknown callback '${name}'${known === undefined ? '' : ` (is ${known} meant?)`}`)
    }
  }
  if (!found && !('on' in controller) && !('schema' in controller)) throw fail('has no callback')
  return controller as SocketController & Contracted
}

function isClass (value: unknown): value is SocketControllerClass {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
}

// Own and inherited names, without those of every object; a getter is not run for its name.
function propertyNames (object: object): Set<string> {
  const names = new Set<string>()
  for (let level: null | object = object; level !== null && level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const name of Object.getOwnPropertyNames(level)) if (/^on/i.test(name)) names.add(name)
  }
  return names
}
