import { createToken } from './token.js'

/** The answer to `KEY` (RFC 6455 section 4.2.2). All connections send the same key: nobody can gain by that. */
export const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** What Chrome sends besides, from a page with a cookie. */
const BROWSER = [
  'Pragma: no-cache',
  'Cache-Control: no-cache',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9,de-DE;q=0.8,de;q=0.7',
  'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'
]

/** How a connection is asked for. */
export interface HandshakeOptions {
  readonly path: string
  readonly port: number
  /** Which user it is of. */
  readonly user: number
  readonly secret: string
  readonly isSecure?: undefined | boolean
  readonly isBrowser?: undefined | boolean
  readonly isCompressed?: undefined | boolean
  readonly token?: undefined | string
}

/** The request for an upgrade, with a token: a target that has no use for it ignores it. */
export function handshakeRequest ({ path, port, user, secret, isSecure, isBrowser, isCompressed, token }: HandshakeOptions): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${KEY}`,
    `Authorization: Bearer ${token ?? createToken(secret, user)}`
  ]
  if (isCompressed === true) lines.push('Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover')
  if (isBrowser === true) {
    // A cookie of 200 bytes, another for each.
    const cookie = `session=${String(user).padStart(8, '0').repeat(24)}`
    lines.push(`Origin: http${isSecure === true ? 's' : ''}://127.0.0.1:${port}`, `Cookie: ${cookie}`, ...BROWSER)
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}
