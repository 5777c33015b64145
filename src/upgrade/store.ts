import { errors } from '../errors.js'
import { attempt } from '../thenable.js'

/**
 * Asks a store of the app. An answer that is there at once is given at once.
 *
 * @throws `FSR_ERR_STORE_FAILED` (503) if it fails: what it says of that is for the log, and nobody is let in meanwhile.
 */
export function asked<T> (ask: () => T | PromiseLike<T>): T | Promise<T> {
  return attempt(ask, (answer) => answer as T, (cause) => { throw new errors.StoreFailed({ cause }) })
}
