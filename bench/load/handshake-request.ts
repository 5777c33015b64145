import { createToken } from './token.js'

/**
 * The answer to `KEY` (RFC 6455 section 4.2.2). All connections send the same key: nobody can gain
 * by that.
 */
export const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

const SYSTEMS = [
  'Windows NT 10.0; Win64; x64',
  'Macintosh; Intel Mac OS X 10_15_7',
  'X11; Linux x86_64',
  'Linux; Android 10; K'
]
const LANGUAGES = [
  'en-US,en;q=0.9',
  'en-GB,en;q=0.9',
  'de-DE,de;q=0.9,en;q=0.8',
  'fr-FR,fr;q=0.9,en;q=0.8',
  'ja',
  'pt-BR,pt;q=0.9',
  'zh-CN,zh;q=0.9'
]

// Further headers of Chrome, in several versions, systems and languages, from a page with a cookie
// of 200 bytes that differs for each user.
function browserLines (user: number, origin: string): string[] {
  return [
    `Origin: ${origin}`,
    `Cookie: session=${String(user).padStart(8, '0').repeat(24)}`,
    'Pragma: no-cache',
    'Cache-Control: no-cache',
    `User-Agent: Mozilla/5.0 (${SYSTEMS[user % SYSTEMS.length]}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${120 + user % 20}.0.0.0 Safari/537.36`,
    'Accept-Encoding: gzip, deflate, br, zstd',
    `Accept-Language: ${LANGUAGES[user % LANGUAGES.length]}`,
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'
  ]
}

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
export function handshakeRequest ({
  path,
  port,
  user,
  secret,
  isSecure,
  isBrowser,
  isCompressed,
  token
}: HandshakeOptions): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${KEY}`,
    `Authorization: Bearer ${token ?? createToken(secret, user)}`
  ]
  if (isCompressed === true) {
    lines.push(
      'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; ' +
      'client_no_context_takeover'
    )
  }
  if (isBrowser === true) {
    lines.push(...browserLines(user, `http${isSecure === true ? 's' : ''}://127.0.0.1:${port}`))
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}
