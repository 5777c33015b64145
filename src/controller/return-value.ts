import { errors } from '../errors.js'
import { isThenable, then } from '../thenable.js'

/** Whether a value is an async iterable. */
export function isAsyncIterable (value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

/**
 * Checks that a callback of a controller with a contract returned nothing.
 *
 * @throws `FSR_ERR_RETURN_INVALID` for any value but `undefined`.
 */
export function nothing (returned: unknown, callback: string): undefined | Promise<undefined> {
  if (isThenable(returned)) {
    return then(returned, (value) => nothing(value, callback)) as Promise<undefined>
  }
  if (returned !== undefined) {
    throw new errors.ReturnInvalid(callback,
      'nothing: send with connection.send(type, data), which checks the message by the contract')
  }
}
