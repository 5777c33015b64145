import { errors } from '../errors.js'
import { Frame } from './frame.js'

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

  /**
   * The payload parsed as JSON, anew with each call.
   *
   * @typeParam T what the caller takes it to be; nothing checks that.
   * @throws `FSR_ERR_MESSAGE_NOT_JSON`; the connection is closed with 1007 unless `onError` deals with it.
   */
  json<T = unknown> (): T {
    try {
      return JSON.parse(this.text) as T
    } catch {
      // Not with its cause: a SyntaxError quotes the payload, which would reach the log.
      throw new errors.MessageNotJson()
    }
  }
}
