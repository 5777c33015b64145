import type { MessageId } from '../connection/exchange.js'

/** An error that belongs to one message of a client: on its way from where it happened to where it is answered. */
export class MessageFailure extends Error {
  readonly error: unknown
  /** What the message is answered by. */
  readonly id: undefined | MessageId
  /** Whether anybody still waits for the answer. */
  readonly isWanted: boolean
  /** Whether its handler was told to stop before. */
  readonly isAborted: boolean
  /** Whether the message is refused by its contract, so that the error is meant for the client: not if the app has thrown it. */
  readonly isRefusal: boolean

  constructor (error: unknown, id: undefined | MessageId, { isWanted = true, isAborted = false, isRefusal = true } = {}) {
    super('a message has failed', { cause: error })
    this.error = error
    this.id = id
    this.isWanted = isWanted
    this.isAborted = isAborted
    this.isRefusal = isRefusal
  }
}
