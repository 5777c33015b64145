import type { FastifyInstance } from 'fastify'
import type { WsConnection } from '../connection/connection.js'
import { errors } from '../errors.js'
import type { Message } from '../message/message.js'
import type { Sendable } from '../message/outbound.js'
import type { Clients } from '../room/clients.js'
import { isThenable } from '../thenable.js'
import { misplacedIn } from './misplaced-options.js'

/** How a connection ended. */
export interface CloseInfo {
  /**
   * The close code, of the side that closed: 1005 if its close frame had none, 1006 if the
   * connection was terminated without a close frame (RFC 6455 section 7.1.5).
   */
  readonly code: number
  /** The reason sent with the code, often `''`. */
  readonly reason: string
  /** Whether there was a close frame: `false` if the connection was terminated without one. */
  readonly wasClean: boolean
}

/**
 * The value that a callback may return: nothing, a message, or a stream of messages, which is sent
 * as fast as the client reads.
 */
export type Reply = void | null | undefined | Sendable | AsyncIterable<Sendable>

/** The return type of a callback: a `Reply`, or a promise of one. */
export type Returned = Reply | Promise<Reply>

/**
 * The callbacks of a socket route. At least one is required. A callback may be async; its return
 * value is sent to the client. Its errors go to `onError`, and no error of a callback ends the
 * process. `clients` is the set of all clients of the route, the same in each callback.
 *
 * @typeParam Connection the connections of the route.
 */
export interface SocketController<Connection = WsConnection> {
  /** Runs once, before the first message is read. Messages do not wait for a stream it returns. */
  onOpen? (connection: Connection, clients: Clients<Connection>): Returned
  /**
   * Runs for each message, in order, at most `concurrency` (by default one) at a time for each
   * connection. A stream it returns is part of handling the message.
   */
  onMessage? (
    connection: Connection,
    message: Message,
    clients: Clients<Connection>
  ): Returned
  /**
   * Runs exactly once for each `onOpen`, after the last message was handled. Its return value is
   * sent before the close frame if the server closes, and dropped if the client closed or is gone.
   */
  onClose? (
    connection: Connection,
    closed: CloseInfo,
    clients: Clients<Connection>
  ): Returned
  /**
   * Runs when a callback throws, when its return value cannot be sent, and when the client violates
   * the protocol or a limit. After such a violation, or an error of `onError` itself, the
   * connection is closed; otherwise it stays open. Without `onError` every error closes the
   * connection: with the close code of the error, or 1011.
   */
  onError? (connection: Connection, error: Error, clients: Clients<Connection>): Returned
}

/**
 * A controller class. It is constructed once for each route, with the Fastify instance of the
 * route's scope.
 */
export type SocketControllerClass<Connection = WsConnection> =
  new (fastify: FastifyInstance) => SocketController<Connection>

/** The members of a controller with a contract besides its callbacks, not checked yet. */
interface Contracted {
  readonly schema?: unknown
  readonly on?: unknown
}

// Callbacks of other libraries.
const counterparts: ReadonlyMap<string, string> = new Map([
  ['onConnect', 'onOpen'],
  ['onConnection', 'onOpen'],
  ['onDisconnect', 'onClose'],
  ['onData', 'onMessage']
])

const callbacks = ['onOpen', 'onMessage', 'onClose', 'onError'] as const

/**
 * Checks a controller, and constructs it if it is a class.
 *
 * @throws `FSR_ERR_CONTROLLER_INVALID`.
 */
export function checkController (
  path: string,
  given: unknown,
  fastify: FastifyInstance
): SocketController & Contracted {
  const Class = isClass(given) ? given : undefined
  const controller = Class === undefined ? given : new Class(fastify)
  const fail = (what: string) => new errors.ControllerInvalid(path, what)
  if (typeof controller === 'function') throw fail('is a function that is not a class')
  // It may return an instance of a decorated class, whose guard would be lost.
  if (Class !== undefined && !(controller instanceof Class)) {
    throw fail('is a class whose constructor returns an object that is not an instance of it')
  }
  if (typeof controller !== 'object' || controller === null) {
    throw fail(controller == null ? `is ${controller}` : `is a ${typeof controller}`)
  }
  if (isThenable(controller)) throw fail('is a promise: wait for it before the route is registered')
  const misplaced = misplacedIn(controller, Class ?? controller.constructor)
  if (misplaced !== undefined) throw fail(`has ${misplaced}`)

  let found = false
  for (const name of propertyNames(controller)) {
    const value = (controller as Record<string, unknown>)[name]
    const known = callbacks.find(
      (callback) => callback.toLowerCase() === name.toLowerCase()
    )
    if (known === name) {
      if (value === undefined) continue
      if (typeof value !== 'function') throw fail(`has an ${name} that is not a function`)
      found = true
    } else if (typeof value === 'function' && (known !== undefined || /^on[A-Z]/.test(name))) {
      const near = known ?? counterparts.get(name)
      const meant = near === undefined ? '' : ` (is ${near} meant?)`
      throw fail(`has an unknown callback '${name}'${meant}`)
    }
  }
  if (!found && !('on' in controller) && !('schema' in controller)) {
    throw fail('has no callback')
  }
  return controller as SocketController & Contracted
}

function isClass (value: unknown): value is SocketControllerClass {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
}

// Returns own and inherited names that start with `on`, except those of Object.prototype. Names of
// getters are included without running them.
function propertyNames (object: object): Set<string> {
  const names = new Set<string>()
  for (
    let level: null | object = object;
    level !== null && level !== Object.prototype;
    level = Object.getPrototypeOf(level)
  ) {
    for (const name of Object.getOwnPropertyNames(level)) if (/^on/i.test(name)) names.add(name)
  }
  return names
}
