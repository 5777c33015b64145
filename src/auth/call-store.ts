import { errors } from '../errors.js'
import { attempt } from '../thenable.js'

/**
 * Asks a store of the app. An answer that is there at once is returned at once.
 *
 * @param ask calls the store.
 * @param read makes of its answer what is used, and throws for one that cannot be used.
 * @throws `FSR_ERR_STORE_FAILED` (503) if either fails: the cause is for the log, and no client is let in meanwhile.
 */
export function callStore<Answer, Value> (ask: () => Answer | PromiseLike<Answer>, read: (answer: Answer) => Value): Value | Promise<Value> {
  const fail = (cause: unknown): never => { throw new errors.StoreFailed({ cause }) }
  return attempt(ask, (answer) => {
    try {
      return read(answer as Answer)
    } catch (cause) {
      return fail(cause)
    }
  }, fail) as Value | Promise<Value>
}

/** Names the type of an answer, for an error: never its value, which may be secret. */
export function typeOf (answer: unknown): string {
  if (answer === null || typeof answer !== 'object') return String(answer === null ? null : typeof answer)
  return Array.isArray(answer) ? 'array' : 'object'
}
