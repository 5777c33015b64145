import { errors } from '../errors.js'

/**
 * Asks a store of the app.
 *
 * @throws `FSR_ERR_STORE_FAILED` (503) if it fails: what it says of that is for the log, and nobody is let in meanwhile.
 */
export async function asked<T> (ask: () => T | Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (cause) {
    throw new errors.StoreFailed({ cause })
  }
}
