/**
 * What a handler throws to answer its client with an error that the client is meant to understand. Any other error is the server's own
 * business: the client is told that the message could not be handled.
 */
export class ReplyError extends Error {
  /** A name of the app's own, for programs: `ROOM_FULL`. */
  readonly code: string
  /** Where in the data of the message the fault is, as a JSON Pointer (RFC 6901). */
  readonly path: undefined | string

  /** @param message for people; it is sent as it is. */
  constructor (code: string, message: string, { path }: { readonly path?: undefined | string } = {}) {
    super(message)
    this.name = 'ReplyError'
    this.code = code
    this.path = path
  }
}
