import type { ExceptIds } from '../broadcast/channel.js'
import { WsConnection } from '../connection/connection.js'
import { errors } from '../errors.js'
import { strayIn } from '../members.js'

/**
 * Returns the ids of the connections that the options of a call exclude. Invalid options are
 * rejected: ignoring them would send to a connection that was to be left out.
 *
 * @param call the name of the call, for the error text.
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export function exceptOf (options: unknown, call: string): ExceptIds {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null || options instanceof WsConnection) {
    throw invalid(call)
  }
  if (strayIn(options, ['except']) !== undefined) throw invalid(call)
  const { except } = options as { except?: unknown }
  if (except === undefined) return
  if (except instanceof WsConnection) return except.id
  if (
    typeof except === 'string' ||
    typeof (except as null | Partial<Iterable<unknown>>)?.[Symbol.iterator] !== 'function'
  ) throw invalid(call)
  const ids = new Set<string>()
  for (const each of except as Iterable<unknown>) {
    if (!(each instanceof WsConnection)) throw invalid(call)
    ids.add(each.id)
  }
  return ids
}

/**
 * Parses the options that follow the message in a list of arguments.
 *
 * @param arity the number of arguments before the options.
 */
export function exceptBehind (
  given: readonly unknown[],
  arity: number,
  call: string
): ExceptIds {
  // More arguments are rejected, since options among them would be ignored.
  if (given.length > arity + 1) throw invalid(call)
  return exceptOf(given[arity], call)
}

function invalid (call: string): Error {
  return new errors.OptionInvalid(`The last argument of ${call}`,
    'is not { except: connection }, with one connection or several; there is no other option')
}
