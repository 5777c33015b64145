import { parse } from 'secure-json-parse'
import { errors } from '../errors.js'
import { Frame } from './frame.js'

/**
 * A message from a client. Send or broadcast it to relay it: text stays text, binary stays binary,
 * and nothing is encoded again.
 */
export class Message extends Frame {
  #text: undefined | string

  /** The payload as UTF-8 text, decoded on first access. */
  get text (): string {
    this.#text ??= this.decode()
    return this.#text
  }

  /** Returns `text`, so that `String(message)` works as with the data of a socket of `ws`. */
  override toString (): string {
    return this.text
  }

  /**
   * Parses the payload as JSON, at each call. The result is never `null`, so that members can be
   * read from it.
   *
   * @typeParam T the expected type, which is not checked.
   * @throws `FSR_ERR_MESSAGE_NOT_JSON`, `FSR_ERR_MESSAGE_FORBIDDEN` for a key that could change a
   * prototype, `FSR_ERR_MESSAGE_NULL`. The connection is closed with 1007 unless `onError` handles
   * the error.
   */
  json<T = unknown> (): T {
    const value = parseJson(this.text)
    if (value === null) throw new errors.MessageNull()
    return value as T
  }
}

// Permits the keys that Fastify rejects in a body by default.
const ANYTHING = { protoAction: 'ignore', constructorAction: 'ignore' } as const

/**
 * Parses JSON of a client, as Fastify parses a body.
 *
 * @throws `FSR_ERR_MESSAGE_NOT_JSON`; `FSR_ERR_MESSAGE_FORBIDDEN` for a key that could change a
 * prototype. Neither has a cause: a SyntaxError quotes the payload, which would reach the log.
 */
export function parseJson (text: string): unknown {
  try {
    return parse(text)
  } catch {
    throw isJson(text) ? new errors.MessageForbidden() : new errors.MessageNotJson()
  }
}

function isJson (text: string): boolean {
  try {
    parse(text, ANYTHING)
    return true
  } catch {
    return false
  }
}
