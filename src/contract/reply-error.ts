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
