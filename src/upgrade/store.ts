import { errors } from '../errors.js'

/**
 * Asks a store of the app. An answer that is there at once is given at once.
 *
 * @throws `FSR_ERR_STORE_FAILED` (503) if it fails: what it says of that is for the log, and nobody is let in meanwhile.
 */
export function asked<T> (ask: () => T | Promise<T>): T | Promise<T> {
  const fail = (cause: unknown): never => { throw new errors.StoreFailed({ cause }) }
  try {
    const answer = ask()
    return isThenable(answer) ? Promise.resolve(answer).catch(fail) : answer
  } catch (cause) {
    return fail(cause)
  }
}

// Of whatever library the store is.
function isThenable<T> (value: T | Promise<T>): value is Promise<T> {
  return typeof (value as undefined | null | { then?: unknown })?.then === 'function'
}
