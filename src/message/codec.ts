import { errors } from '../errors.js'
import { discard, isThenable } from '../thenable.js'
import type { Frame } from './frame.js'
import { toFrame, type Sendable } from './outbound.js'

/** Tells which messages are of one kind, of which a slow client needs the newest alone; `undefined` for one that is of none. */
export type LatestBy = (message: Sendable) => unknown

/** A message that is to be answered. */
export interface Request {
  readonly id: number
  readonly frame: Frame
  /** Makes of an answer's data what the contract says. @throws `FSR_ERR_ANSWER_INVALID`. */
  accept (data: unknown): unknown
  /** Tells the client that nobody waits for its answer any more. */
  readonly cancel: Frame
}

/** How what an app sends on a route becomes a frame: as it is, or as one of the messages that the route's contract names. */
export interface Codec {
  /** How many arguments say what is sent; what follows them is options. */
  readonly arity: number
  /**
   * @param to the connection it is for, or the names of rooms; nothing for all clients of the route.
   * @throws a coded error for what cannot be sent.
   */
  frameOf (first: unknown, second?: unknown, to?: unknown): Frame
  /** The same as one value, for a policy that looks at messages. */
  messageOf (first: unknown, second?: unknown): Sendable
  /** What a policy for slow clients knows a message by: `undefined` without `latestBy`. */
  keyOf (first: unknown, second?: unknown): unknown
  /** @throws as `frameOf`. */
  requestOf (type: unknown, data: unknown, to: unknown): Request
}

/** That of a route without a contract. */
export const plainCodec: Codec = {
  arity: 1,
  frameOf (message, second) {
    // A type and its data, or options: they would be ignored.
    if (second !== undefined) throw new errors.OptionInvalid('the second argument of send()', 'is ignored on a route without a contract: send one message')
    return toFrame(message as Sendable)
  },
  messageOf: (message) => message as Sendable,
  keyOf: () => undefined,
  requestOf () { throw new errors.ContractMissing() }
}

/** A codec that asks a policy for the key of each message, once, when it is sent. */
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

  messageOf (first: unknown, second: unknown): Sendable {
    return this.#codec.messageOf(first, second)
  }

  requestOf (type: unknown, data: unknown, to: unknown): Request {
    return this.#codec.requestOf(type, data, to)
  }

  /** A message whose key cannot be told, as the policy throws or is async, has none: it is sent all the same. */
  keyOf (first: unknown, second: unknown): unknown {
    try {
      const key = this.#latestBy(this.messageOf(first, second))
      if (!isThenable(key)) return key ?? undefined
      discard(key)
    } catch {
      // As without a key.
    }
    return undefined
  }
}
