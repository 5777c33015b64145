import { errors } from '../errors.js'
import { discard, isThenable } from '../thenable.js'
import type { Frame } from './frame.js'
import { toFrame, valueOf, type Sendable } from './outbound.js'

/**
 * Returns the key of a message: a slow client receives only the newest message of each key.
 * `undefined`: the message has no key. It is passed the value of a `JsonMessage`, a `TextMessage`
 * or a `BinaryMessage`, and any other message as it was sent.
 *
 * @typeParam Message the messages of the route; with a contract `{ type, data }`.
 */
// A method's parameter is bivariant: without a contract the function declares what is sent.
export type LatestBy<Message = unknown> = unknown extends Message
  ? { keyOf (message: Message): unknown }['keyOf']
  : (message: Message) => unknown

/** A request to a client, ready to be sent. */
export interface Request {
  readonly id: number
  readonly frame: Frame
  /**
   * Validates the data of an answer, and returns it as the contract says.
   *
   * @throws `FSR_ERR_ANSWER_INVALID`.
   */
  accept (data: unknown): unknown
  /** Tells the client that the request is cancelled. */
  readonly cancel: Frame
}

/**
 * Encodes what an app sends on a route: the message itself, or a message of the route's contract.
 */
export interface Codec {
  /** The number of arguments that make up a message; options come after them. */
  readonly arity: number
  /**
   * @param to the receiving connection, or the names of rooms; `undefined`: all clients of the
   * route.
   * @throws a coded error for a message that cannot be sent.
   */
  frameOf (first: unknown, second?: unknown, to?: unknown): Frame
  /** Returns the message as one value, for `latestBy`. */
  messageOf (first: unknown, second?: unknown): unknown
  /** Returns the key of the message; `undefined` without `latestBy`. */
  keyOf (first: unknown, second?: unknown): unknown
  /** @throws as `frameOf`. */
  requestOf (type: unknown, data: unknown, to: unknown): Request
}

/** The codec of a route without a contract. */
export const plainCodec: Codec = {
  arity: 1,
  frameOf (message, second) {
    // A type and its data, or options, would be ignored.
    if (second !== undefined) {
      throw new errors.OptionInvalid(
        'The second argument of send()',
        'has no effect on a route without a contract: send one message'
      )
    }
    return toFrame(message as Sendable)
  },
  messageOf: valueOf,
  keyOf: () => undefined,
  requestOf () { throw new errors.ContractMissing() }
}

/** A codec that calls `latestBy` for the key of each message, once, when it is sent. */
export class KeyedCodec implements Codec {
  readonly #codec: Codec
  readonly #latestBy: LatestBy

  constructor (codec: Codec, latestBy: LatestBy) {
    this.#codec = codec
    this.#latestBy = latestBy
  }

  get arity (): number {
    return this.#codec.arity
  }

  frameOf (first: unknown, second: unknown, to: unknown): Frame {
    return this.#codec.frameOf(first, second, to)
  }

  messageOf (first: unknown, second: unknown): unknown {
    return this.#codec.messageOf(first, second)
  }

  requestOf (type: unknown, data: unknown, to: unknown): Request {
    return this.#codec.requestOf(type, data, to)
  }

  /**
   * Returns `undefined` also if `latestBy` throws or is async: the message is sent without a key.
   */
  keyOf (first: unknown, second: unknown): unknown {
    try {
      const key = this.#latestBy(this.messageOf(first, second))
      if (!isThenable(key)) return key ?? undefined
      discard(key)
    } catch {
      // The message has no key.
    }
    return undefined
  }
}
