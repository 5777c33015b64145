import createError, { type FastifyErrorConstructor } from '@fastify/error'
import { readText } from '../log.js'
import type { MessageId } from '../protocol/envelope.js'

/**
 * An error that a handler throws to send its code and message to the client. The text of any other
 * error is not sent: the client is told that the message could not be handled.
 */
export class ReplyError extends Error {
  /** A code defined by the app, for programs: `ROOM_FULL`. */
  readonly code: string
  /** Where in the data of the message the fault is, as a JSON Pointer (RFC 6901). */
  readonly path: undefined | string

  /** @param message for people; it is sent to the client unchanged. */
  constructor (
    code: string,
    message: string,
    { path }: { readonly path?: undefined | string } = {}
  ) {
    super(message)
    this.name = 'ReplyError'
    this.code = code
    this.path = path
  }
}

// Without a stack: it is never shown, and making it would take longer than all other work for a
// rejected message. With a type, as a bundler's resolution does not find the one that is inferred.
const Failure: FastifyErrorConstructor<{ code: string }> =
  createError('FSR_MESSAGE_FAILURE', 'a message has failed', 500, Error, false)

/**
 * Wraps an error about one message of a client, and carries it from the place where it happened to
 * the place where the client is sent an error.
 */
export class MessageFailure extends Failure {
  readonly error: Error
  /** The id of the message, if it has one. */
  readonly id: undefined | MessageId
  /** Whether the client still waits for the reply. */
  readonly isAwaited: boolean
  /** Whether the handler's signal had aborted before. */
  readonly isAborted: boolean
  /**
   * Whether the contract rejected the message. The text of the error is then sent to the client;
   * that of an error thrown by the app is not.
   */
  readonly isRefusal: boolean
  /** Whether the message is a renewal with a rejected token, which counts like a refusal. */
  readonly isRejectedRenewal: boolean

  constructor (
    error: Error,
    id: undefined | MessageId,
    { isAwaited = true, isAborted = false, isRefusal = true, isRejectedRenewal = false } = {}
  ) {
    super()
    this.error = error
    this.id = id
    this.isAwaited = isAwaited
    this.isAborted = isAborted
    this.isRefusal = isRefusal
    this.isRejectedRenewal = isRejectedRenewal
  }
}

/** Whether an error is what Node and fetch throw when their signal aborts. */
export function isAbort (error: Error): boolean {
  return readText(error, 'name') === 'AbortError'
}
