import { errors } from '../errors.js'
import type { Frame } from './frame.js'
import { toFrame, type Sendable } from './outbound.js'

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
   * @param to the connection it is for, or the name of a room; nothing for all clients of the route.
   * @throws a coded error for what cannot be sent.
   */
  frameOf (first: unknown, second?: unknown, to?: unknown): Frame
  /** The same as one value, for a policy that looks at messages. */
  messageOf (first: unknown, second?: unknown): Sendable
  /** @throws as `frameOf`. */
  requestOf (type: unknown, data: unknown, to: unknown): Request
}

/** That of a route without a contract. */
export const plainCodec: Codec = {
  arity: 1,
  frameOf: (message) => toFrame(message as Sendable),
  messageOf: (message) => message as Sendable,
  requestOf () { throw new errors.ContractMissing() }
}
