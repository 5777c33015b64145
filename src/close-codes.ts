/** One way for a connection to end, and what a client should make of it. */
export interface CloseReason {
  /** The close code (RFC 6455 section 7.4). */
  readonly code: number
  /** The text for `onClose` and, where this plugin rather than ws sends it, the close frame: fixed, at most 123 bytes (RFC 6455 section 5.5), never an error's own message. */
  readonly reason: string
  /** Whether a client should connect again: `true`, `false`, or `'jitter'` for after a random delay. */
  readonly reconnect: boolean | 'jitter'
}

/**
 * Every close that this plugin itself sends, so that a client can tell what happened and whether to come back.
 * An app may close with any code of its own from 4000 to 4999.
 */
export const closeCodes = {
  /** The conversation is over (RFC 6455 section 7.4.1). The default of `connection.close()`. */
  normal: { code: 1000, reason: '', reconnect: false },
  /** The client broke RFC 6455: a frame that is not masked, an unknown opcode, a control frame that is too long. */
  protocolError: { code: 1002, reason: 'protocol error', reconnect: false },
  /** A binary message came to a route whose contract is of text. */
  unsupportedData: { code: 1003, reason: 'unsupported data', reconnect: false },
  /** What came is not what the route understands: JSON was expected, or a text message is not UTF-8. */
  invalidPayload: { code: 1007, reason: 'invalid payload', reconnect: false },
  /** The client does what this server allows nobody, such as a message in too many fragments. */
  policyViolation: { code: 1008, reason: 'policy violation', reconnect: false },
  /** The user has come again elsewhere, and may be connected only so often. */
  replaced: { code: 1008, reason: 'replaced by a newer connection', reconnect: false },
  /** A message is larger than `maxPayload`. */
  tooBig: { code: 1009, reason: 'message too big', reconnect: false },
  /** A handler failed, and no `onError` dealt with it. */
  handlerFailed: { code: 1011, reason: 'internal error', reconnect: 'jitter' },
  /** The server is stopping, and most likely starting again. */
  restart: { code: 1012, reason: 'service restart', reconnect: 'jitter' },
  /** The client reads more slowly than it is sent to: its outbox is over the limit. */
  tooSlow: { code: 1013, reason: 'too slow', reconnect: 'jitter' },
  /** The token has expired while connected. With a new one the client may come back. */
  tokenExpired: { code: 4401, reason: 'token expired', reconnect: true },
  /** The token that was to come as the first message has not come in time. */
  tokenMissing: { code: 4401, reason: 'token missing', reconnect: false },
  /** The token that came as the first message, or for a renewal whose rejection nobody has dealt with, is not valid. */
  tokenInvalid: { code: 4401, reason: 'token not valid', reconnect: false },
  /** The user of the token that came as the first message may not connect to this route. */
  notGranted: { code: 4403, reason: 'not granted', reconnect: false },
  /** The user of the token that came as the first message has as many connections as it may. */
  tooManyConnections: { code: 4429, reason: 'too many connections', reconnect: 'jitter' },
  /** The client sends more than it may, for longer than is tolerated. */
  tooManyMessages: { code: 4429, reason: 'too many messages', reconnect: 'jitter' },
  /** The client sends nothing but messages that are refused. */
  tooManyRefused: { code: 4429, reason: 'too many refused messages', reconnect: 'jitter' },
  /** The user has lost the right to be here, or all its tokens were revoked. */
  revoked: { code: 4403, reason: 'access revoked', reconnect: false }
} as const satisfies Record<string, CloseReason>
