import { errors } from '../errors.js'

/** Whether a value is waited for: a promise, whoever made it. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

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
  if (isThenable(returned)) return Promise.resolve(returned).then((value) => nothing(value, callback))
  if (returned !== undefined) throw new errors.ReturnInvalid(callback, 'nothing: send with connection.send(type, data), so that what leaves is in the contract')
}

/** Goes on with a value, now or when it is there. */
export function then<Value, Result> (value: Value, next: (value: Awaited<Value>) => Result | Promise<Result>): Result | Promise<Result> {
  return isThenable(value) ? Promise.resolve(value).then(next as (value: unknown) => Result) : next(value as Awaited<Value>)
}
