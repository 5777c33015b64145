import { reconnectAfter } from '../src/protocol/close-codes.js'
import type { CloseView } from './document.js'

/** The meaning of a close, as shown on the page. */
export interface Closing {
  readonly meaning: string
  readonly advice: string
}

const meanings: Readonly<Record<number, string>> = {
  1000: 'The connection was closed normally.',
  1001: 'The server is stopping, or the page was left.',
  1002: 'A frame violated the WebSocket protocol.',
  1003: 'The route does not accept this kind of message, such as a binary one.',
  1005: 'The connection was closed without a code.',
  1006: 'The connection was cut: the network failed, or the server or a proxy ended it.',
  1007: 'A message was invalid: it did not match the contract, or was not JSON or UTF-8.',
  1008: 'The client violated a policy of the server.',
  1009: 'A message was larger than the route allows.',
  1010: 'The client requires an extension that the server does not support.',
  1011: 'The server failed. Its log has the reason.',
  1012: 'The server is restarting.',
  1013: 'This client read too slowly, or the server is overloaded.',
  1014: 'A proxy got an invalid response from the server behind it.',
  1015: 'The TLS handshake failed.',
  4401: 'The token is missing, invalid or expired.',
  4403: 'The user has no access, or has lost it.',
  4429: 'The client exceeded a limit of messages or connections.'
}

// A map, as a reason may be the name of a property of `Object.prototype`.
const reasons = new Map([
  ['token expired', 'The token has expired while connected.'],
  ['token missing', 'No token came as the first message in time.'],
  ['token not valid', 'The token is not valid.'],
  ['access revoked', 'The user has lost access, or all its tokens were revoked.'],
  ['not granted', 'The user of this token may not connect to this route.'],
  [
    'replaced by a newer connection',
    'The user has connected elsewhere, and has reached the limit of connections.'
  ],
  ['too many connections', 'The user has reached the limit of connections.'],
  [
    'too many refused messages',
    'The client has sent only messages that the contract of the route refuses.'
  ],
  ['too many messages', 'The client has exceeded the rate limit for longer than is tolerated.'],
  ['too slow', 'The client reads more slowly than the server sends.']
])

const advices = {
  true: 'A client reconnects at once, with a new token.',
  jitter: 'A client reconnects after a random delay.',
  false: 'A client does not reconnect by itself.'
}

/** Explains a close by the route's own table, or else as the client of this package handles it. */
export function explainClose (code: number, reason: string, closes: readonly CloseView[]): Closing {
  const known = closes.find((close) => close.code === code && close.reason === reason)
  const meaning = (known !== undefined && reasons.get(reason)) || meanings[code] ||
    (code >= 4000 ? 'A close code of the app.' : 'A code that RFC 6455 does not define.')
  const { reconnect } = known ?? { reconnect: reconnectAfter({ code, reason }) }
  return { meaning, advice: advices[`${reconnect}`] }
}
