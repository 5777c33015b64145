/** The codes of what goes wrong at the client; all others that a `RequestError` can have are the server's. */
export const clientErrors = {
  /** No reply came in time. */
  timeout: 'FSR_CLIENT_TIMEOUT',
  /** The connection ended before the reply came, or is not open for what cannot wait. Whether the server has handled the message is not known. */
  disconnected: 'FSR_CLIENT_DISCONNECTED',
  /** The client was closed, or the server does not want it back. */
  closed: 'FSR_CLIENT_CLOSED',
  /** As many messages as may wait for the connection wait already. */
  bufferFull: 'FSR_CLIENT_BUFFER_FULL',
  /** An iteration is so slow that more items wait for it than may. */
  overflow: 'FSR_CLIENT_OVERFLOW',
  /** An attempt to connect has failed, or the connection had an error. */
  connection: 'FSR_CLIENT_CONNECTION',
  /** What the server sent is not a message of the protocol. */
  protocol: 'FSR_CLIENT_PROTOCOL',
  /** The token has characters that a sub-protocol must not have. */
  token: 'FSR_CLIENT_TOKEN',
  /** There is no WebSocket here. */
  noWebSocket: 'FSR_CLIENT_NO_WEBSOCKET',
  /** The address is relative, and there is no page here: during server-side rendering, for example. */
  noPage: 'FSR_CLIENT_NO_PAGE',
  /** To the server: it wants a reply to an event that nobody handles. */
  noHandler: 'FSR_CLIENT_NO_HANDLER',
  /** To the server: the handler of an event has failed. */
  handlerFailed: 'FSR_CLIENT_HANDLER_FAILED'
} as const

/** Whatever goes wrong with a client, so that it can be told by its `code`. */
export class ClientError extends Error {
  override readonly name: string = 'ClientError'
  /** One of `clientErrors`, or of the server. */
  readonly code: string

  constructor (code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

/** A request or a stream that failed, here or at the server; or what the server says of a message that wanted no answer. */
export class RequestError extends ClientError {
  override readonly name: string = 'RequestError'
  /** Where in the data the fault is, as a JSON Pointer (RFC 6901), if the server says that. */
  readonly path: undefined | string

  constructor (code: string, message: string, path?: string, cause?: unknown) {
    super(code, message, cause)
    this.path = path
  }
}

/** Why a signal has aborted; those of older jsdom and React Native do not tell. */
export function abortReasonOf (signal: AbortSignal): unknown {
  return signal.reason ?? Object.assign(new Error('The signal was aborted'), { name: 'AbortError' })
}

/** The error of a connection that has ended, for whatever was under way on it. */
export function disconnected (): RequestError {
  return new RequestError(clientErrors.disconnected, 'The connection has ended')
}

/** The error of a client that is closed: by itself or the server, or because of a failure. */
export function closed (cause?: unknown): RequestError {
  const why = (cause as undefined | Partial<Error>)?.message
  return new RequestError(clientErrors.closed, `The client is closed${why ? `: ${why}` : ''}`, undefined, cause)
}
