import { errors } from '../errors.js'
import { isThenable, then } from '../thenable.js'

/** Whether a value is a stream. */
export function isAsyncIterable (value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

/**
 * What a callback of a controller with a contract has to return.
 *
 * @throws `FSR_ERR_RETURN_INVALID` if it is something.
 */
export function nothing (returned: unknown, callback: string): undefined | Promise<undefined> {
  if (isThenable(returned)) return then(returned, (value) => nothing(value, callback)) as Promise<undefined>
  if (returned !== undefined) throw new errors.ReturnInvalid(callback, 'nothing: send with connection.send(type, data), so that what leaves is in the contract')
}
