import { WsConnection } from '../connection/connection.js'
import { errors } from '../errors.js'
import { strayIn } from '../members.js'

/** A list of connections that is never gone through: it is asked about each receiver. */
export interface Excluded {
  has (connection: WsConnection): boolean
}

/** Which receivers a message leaves out. */
export type Except = undefined | WsConnection | Set<unknown> | Excluded

/**
 * Reads the options of a call that sends to many. A slip must not send to a connection that the call meant to leave out.
 *
 * @param call what was called, for the error.
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function exceptOf (options: unknown, call: string): undefined | WsConnection | Set<unknown> {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null || options instanceof WsConnection) throw invalid(call)
  if (strayIn(options, ['except']) !== undefined) throw invalid(call)
  const { except } = options as { except?: unknown }
  if (except === undefined || except instanceof WsConnection) return except
  if (typeof except === 'string' || typeof (except as null | Partial<Iterable<unknown>>)?.[Symbol.iterator] !== 'function') throw invalid(call)
  const left = new Set(except as Iterable<unknown>)
  for (const each of left) if (!(each instanceof WsConnection)) throw invalid(call)
  return left
}

/**
 * The same, where what is sent stands before the options.
 *
 * @param arity how many arguments say what is sent.
 */
export function exceptBehind (given: readonly unknown[], arity: number, call: string): undefined | WsConnection | Set<unknown> {
  // Options in another place would be ignored.
  if (given.length > arity + 1) throw invalid(call)
  return exceptOf(given[arity], call)
}

/** Leaves out what either of two leaves out. */
export function both (one: Except, other: Except): Except {
  if (one === undefined || other === undefined || one === other) return one ?? other
  return { has: (connection: WsConnection) => isLeftOut(one, connection) || isLeftOut(other, connection) }
}

/** Whether a message leaves a connection out. */
export function isLeftOut (except: Except, connection: WsConnection): boolean {
  return except !== undefined && (except === connection || (!(except instanceof WsConnection) && except.has(connection)))
}

function invalid (call: string): Error {
  return new errors.OptionInvalid('except', `is the only one. The last argument of ${call} is { except: connection }, with one connection or several`)
}
