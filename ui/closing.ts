import { reconnectionOf, type Reconnection } from '../src/client/reconnection.js'
import type { CloseView } from './document.js'

/** What the end of a connection means, for people. */
export interface Closing {
  readonly meaning: string
  readonly advice: string
}

const meanings: Readonly<Record<number, string>> = {
  1000: 'The conversation is over.',
  1001: 'One side goes away: the server stops, or the page is left.',
  1002: 'What was sent broke the WebSocket protocol.',
  1003: 'The route does not take this kind of message: a binary one, where its contract is of text.',
  1005: 'The connection was closed without a code.',
  1006: 'The connection was cut without a goodbye: the network failed, or the server or a proxy ended it.',
  1007: 'A message was not what the route understands: not its contract, not JSON, or not UTF-8.',
  1008: 'The client did what this server allows nobody.',
  1009: 'A message was larger than the route allows.',
  1010: 'The client asked for an extension that the server does not speak.',
  1011: 'Something failed in the server. Its log says what.',
  1012: 'The server restarts.',
  1013: 'The server could not keep up: this client read too slowly, or there is too much to do.',
  1014: 'A proxy got no proper answer of the server behind it.',
  1015: 'TLS could not be agreed on.',
  4401: 'The token is missing, not valid, or has ended.',
  4403: 'The user may not be here, or not any more.',
  4429: 'More was sent, or connected, than is allowed.'
}

// A map, as a reason may be the name of what every object has.
const reasons = new Map([
  ['token expired', 'The token has expired while connected.'],
  ['token missing', 'No token came as the first message in time.'],
  ['token not valid', 'The token that was sent is not valid.'],
  ['access revoked', 'The user has lost the right to be here, or all its tokens were revoked.'],
  ['not granted', 'The user of this token may not connect to this route.'],
  ['replaced by a newer connection', 'The user has come again elsewhere, and may be connected only so often.'],
  ['too many connections', 'The user has as many connections as it may.'],
  ['too many refused messages', 'The client has sent nothing but messages that the contract of the route refuses.'],
  ['too many messages', 'The client has sent more than it may, for longer than is tolerated.'],
  ['too slow', 'The client reads more slowly than it is sent to.']
])

const advices = { now: 'A client connects again at once, with a new token.', later: 'A client connects again after a random delay.', false: 'A client does not connect again by itself.' }

/** Explains a close: by the route's own table, else as the client of this package takes it. */
export function explainClose (code: number, reason: string, closes: readonly CloseView[]): Closing {
  const known = closes.find((close) => close.code === code && close.reason === reason)
  const meaning = (known !== undefined && reasons.get(reason)) || meanings[code] || (code >= 4000 ? 'A close of the app’s own.' : 'A code that RFC 6455 leaves open.')
  const reconnection = known === undefined ? reconnectionOf({ code, reason }) : told(known)
  return { meaning, advice: advices[`${reconnection}`] }
}

function told ({ reconnect }: CloseView): Reconnection {
  return reconnect === 'jitter' ? 'later' : reconnect && 'now'
}
