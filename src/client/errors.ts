/**
 * The codes of errors that arise in the client. A `RequestError` may also have a code of the
 * server.
 */
export const clientErrors = {
  /** No reply came in time. */
  timeout: 'FSR_CLIENT_TIMEOUT',
  /**
   * The connection ended before the reply came, or is not open for a call that cannot wait. Whether
   * the server has handled the message is unknown.
   */
  disconnected: 'FSR_CLIENT_DISCONNECTED',
  /** The client was closed for good, by itself or by the server. */
  closed: 'FSR_CLIENT_CLOSED',
  /** The limit of messages that wait for the connection is reached. */
  bufferFull: 'FSR_CLIENT_BUFFER_FULL',
  /** An iteration is too slow: the limit of waiting items is exceeded. */
  overflow: 'FSR_CLIENT_OVERFLOW',
  /** An attempt to connect failed, or the connection had an error. */
  connection: 'FSR_CLIENT_CONNECTION',
  /** The server sent data that is not a message of the protocol. */
  protocol: 'FSR_CLIENT_PROTOCOL',
  /** The token has characters that are not allowed in a sub-protocol. */
  token: 'FSR_CLIENT_TOKEN',
  /** The environment has no WebSocket. */
  noWebSocket: 'FSR_CLIENT_NO_WEBSOCKET',
  /** The address is relative, and there is no page, as during server-side rendering. */
  noPage: 'FSR_CLIENT_NO_PAGE',
  /** Sent to the server: the client has no handler for an event that expects a reply. */
  noHandler: 'FSR_CLIENT_NO_HANDLER',
  /** Sent to the server: the handler of an event failed. */
  handlerFailed: 'FSR_CLIENT_HANDLER_FAILED'
} as const

/** An error of the client, identified by its `code`. */
export class ClientError extends Error {
  override readonly name: string = 'ClientError'
  /** A code of `clientErrors`, or of the server. */
  readonly code: string

  constructor (code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

/**
 * A request or a stream that failed, in the client or at the server, or an error of the server for
 * a message without an id.
 */
export class RequestError extends ClientError {
  override readonly name: string = 'RequestError'
  /** The place of the fault in the data, as a JSON Pointer (RFC 6901), if the server sends it. */
  readonly path: undefined | string

  constructor (code: string, message: string, path?: string, cause?: unknown) {
    super(code, message, cause)
    this.path = path
  }
}

/** Returns the reason of an aborted signal; older jsdom and React Native have none. */
export function abortReasonOf (signal: AbortSignal): unknown {
  return signal.reason ?? Object.assign(new Error('The signal was aborted'), { name: 'AbortError' })
}

/** Returns the error for calls under way on a connection that has ended. */
export function disconnected (): RequestError {
  return new RequestError(clientErrors.disconnected, 'The connection has ended')
}

/** Returns the error of a closed client. `cause` is the failure that closed it, if any. */
export function closed (cause?: unknown): RequestError {
  const why = (cause as undefined | Partial<Error>)?.message
  return new RequestError(
    clientErrors.closed,
    `The client is closed${why ? `: ${why}` : ''}`,
    undefined,
    cause
  )
}
