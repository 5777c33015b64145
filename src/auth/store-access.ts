import { errors } from '../errors.js'
import { attempt } from '../thenable.js'

/**
 * Calls a store of the app. If the store returns synchronously, so does this function.
 *
 * @param ask calls the store.
 * @param read converts the result of the store, and throws if it is not valid.
 * @throws `FSR_ERR_STORE_FAILED` (503) if either fails. `cause` is for the log. Clients are
 * rejected until the store works again.
 */
export function callStore<Answer, Value> (
  ask: () => Answer | PromiseLike<Answer>,
  read: (answer: Answer) => Value
): Value | Promise<Value> {
  const fail = (cause: unknown): never => { throw new errors.StoreFailed({ cause }) }
  return attempt(ask, (answer) => {
    try {
      return read(answer as Answer)
    } catch (cause) {
      return fail(cause)
    }
  }, fail) as Value | Promise<Value>
}

/** Returns the type of a value, for an error text. The value itself may be secret. */
export function typeOf (answer: unknown): string {
  if (answer === null || typeof answer !== 'object') {
    return String(answer === null ? null : typeof answer)
  }
  return Array.isArray(answer) ? 'array' : 'object'
}
