import { errors } from '../errors.js'
import { Frame } from './frame.js'
import { parseJson } from './json.js'

/**
 * A message that came from a client. Send or broadcast it as it is to relay it: text stays text, binary stays
 * binary, and nothing is encoded again.
 */
export class Message extends Frame {
  #text: undefined | string

  /** The payload as UTF-8 text; decoded when first asked for. */
  get text (): string {
    this.#text ??= this.decode()
    return this.#text
  }

  /** The same as `text`, so that `String(message)` is what came, as it is with the data of a socket of `ws`. */
  override toString (): string {
    return this.text
  }

  /**
   * The payload parsed as JSON, anew with each call. It is never `null`, so that members can be read from it.
   *
   * @typeParam T what the caller takes it to be; nothing checks that.
   * @throws `FSR_ERR_MESSAGE_NOT_JSON`, `FSR_ERR_MESSAGE_FORBIDDEN` for a key that reaches for a prototype, `FSR_ERR_MESSAGE_NULL`; the
   * connection is closed with 1007 unless `onError` deals with it.
   */
  json<T = unknown> (): T {
    const value = parseJson(this.text)
    if (value === null) throw new errors.MessageNull()
    return value as T
  }
}
