import createError from '@fastify/error'
import type { MessageId } from '../connection/pending-requests.js'

// Without a stack: nobody sees it, and it would take longer than all else that is done with a message that is refused.
const Failure = createError('FSR_MESSAGE_FAILURE', 'a message has failed', 500, Error, false)

/** An error that belongs to one message of a client: on its way from where it happened to where it is answered. */
export class MessageFailure extends Failure {
  readonly error: Error
  /** What the message is answered by. */
  readonly id: undefined | MessageId
  /** Whether anybody still waits for the answer. */
  readonly isWanted: boolean
  /** Whether its handler was told to stop before. */
  readonly isAborted: boolean
  /** Whether the message is refused by its contract, so that the error is meant for the client: not if the app has thrown it. */
  readonly isRefusal: boolean
  /** Whether it counts as refused although its contract takes it: a renewal by a token that is none. */
  readonly isVain: boolean

  constructor (error: Error, id: undefined | MessageId, { isWanted = true, isAborted = false, isRefusal = true, isVain = false } = {}) {
    super()
    this.error = error
    this.id = id
    this.isWanted = isWanted
    this.isAborted = isAborted
    this.isRefusal = isRefusal
    this.isVain = isVain
  }
}
