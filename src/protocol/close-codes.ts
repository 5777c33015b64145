/** How a connection is closed, and whether the client should connect again. */
export interface CloseReason {
  /** The close code (RFC 6455 section 7.4). */
  readonly code: number
  /**
   * The text that `onClose` gets and, where this plugin rather than `ws` sends it, the close frame:
   * fixed, at most 123 bytes (RFC 6455 section 5.5), never an error's own message.
   */
  readonly reason: string
  /** Whether a client should connect again: `true` at once, `'jitter'` after a random delay. */
  readonly reconnect: boolean | 'jitter'
}

/**
 * Every close that this plugin itself sends, so that a client can tell what happened and whether to
 * connect again. An app may close with any code of its own from 4000 to 4999.
 */
export const closeCodes = {
  /** A normal end (RFC 6455 section 7.4.1). The default of `connection.close()`. */
  normal: { code: 1000, reason: '', reconnect: false },
  /** Protocol violation: an unmasked frame, an unknown opcode, an oversized control frame. */
  protocolError: { code: 1002, reason: 'protocol error', reconnect: false },
  /** The client sent a binary message to a route with a contract, which takes text only. */
  unsupportedData: { code: 1003, reason: 'unsupported data', reconnect: false },
  /** The route cannot read a message: it is not JSON, or a text message is not valid UTF-8. */
  invalidPayload: { code: 1007, reason: 'invalid payload', reconnect: false },
  /** The client did something the server never allows, such as sending too many fragments. */
  policyViolation: { code: 1008, reason: 'policy violation', reconnect: false },
  /** The user has a newer connection, and `connections.perUser` closes the oldest. */
  replaced: { code: 1008, reason: 'replaced by a newer connection', reconnect: false },
  /** A message is larger than `maxPayload`. */
  tooBig: { code: 1009, reason: 'message too big', reconnect: false },
  /** A handler failed, and no `onError` dealt with it. */
  handlerFailed: { code: 1011, reason: 'internal error', reconnect: 'jitter' },
  /** The server is stopping, and most likely starting again. */
  restart: { code: 1012, reason: 'service restart', reconnect: 'jitter' },
  /** The client reads too slowly: its outbox is over the limit. */
  tooSlow: { code: 1013, reason: 'too slow', reconnect: 'jitter' },
  /** The token expired while connected. The client may connect again with a new one. */
  tokenExpired: { code: 4401, reason: 'token expired', reconnect: true },
  /** The token that was due as the first message did not arrive in time. */
  tokenMissing: { code: 4401, reason: 'token missing', reconnect: false },
  /** The token of the first message, or of a renewal with unhandled rejection, is not valid. */
  tokenInvalid: { code: 4401, reason: 'token not valid', reconnect: false },
  /** The user of the token in the first message may not connect to this route. */
  notGranted: { code: 4403, reason: 'not granted', reconnect: false },
  /** The user of the token in the first message has reached its connection limit. */
  tooManyConnections: { code: 4429, reason: 'too many connections', reconnect: 'jitter' },
  /** The client sends more than `rate` allows, for longer than is tolerated. */
  tooManyMessages: { code: 4429, reason: 'too many messages', reconnect: 'jitter' },
  /** The client sends only messages that are refused, more than `refusals` allows. */
  tooManyRefused: { code: 4429, reason: 'too many refused messages', reconnect: 'jitter' },
  /** The user's tokens were revoked, or a renewal found that the user may no longer connect. */
  revoked: { code: 4403, reason: 'access revoked', reconnect: false }
} as const satisfies Record<string, CloseReason>

// The codes of the table with a random delay, and further ones: going away (1001), no code, as
// proxies close (1005), cut (1006), bad gateway (1014). A list of its own, as the table would make
// the typed client larger.
const temporary = [1001, 1005, 1006, 1011, 1012, 1013, 1014, 4429]

/**
 * Returns whether a client connects again after a close, also after one that is not in the table.
 * Codes of an app, from 4000 on, are final unless the app decides otherwise.
 */
export function reconnectAfter (
  { code, reason }: Pick<CloseReason, 'code' | 'reason'>
): CloseReason['reconnect'] {
  if (code === 4401 && reason === 'token expired') return true
  return temporary.includes(code) && 'jitter'
}
