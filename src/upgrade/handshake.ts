import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'

/**
 * Checks the opening handshake before all other checks (RFC 6455 section 4.2.1), as Node and ws let
 * some faults pass.
 *
 * @throws `FSR_ERR_HANDSHAKE_INVALID` (400), `FSR_ERR_UPGRADE_REQUIRED`, `FSR_ERR_UPGRADE_DROPPED`
 * and `FSR_ERR_VERSION_UNSUPPORTED` (426).
 */
export function checkHandshake (request: FastifyRequest, reply: FastifyReply): void {
  const { headers, raw } = request
  // Node accepts an upgrade by HTTP/1.0 too, and does not require a Host header for upgrades.
  if (raw.httpVersion !== '1.1') {
    throw new errors.HandshakeInvalid('it is not HTTP/1.1; nginx needs proxy_http_version 1.1')
  }
  if (hasLostHeaders(raw, request.server.server)) {
    throw new errors.HandshakeInvalid('it has more headers than maxHeadersCount allows')
  }
  if (headers.host === undefined) throw new errors.HandshakeInvalid('the Host header is missing')
  // Node uses the first Host header, a proxy may use the last (RFC 9112 section 3.2).
  if (countOf(raw.rawHeaders, 'host') > 1) {
    throw new errors.HandshakeInvalid('it has several Host headers')
  }
  if (!isWebsocketUpgrade(headers)) throw upgradeRequired(request, reply)
  // Node treats a request without this header as a plain request.
  if (!/(?:^|[,\s])upgrade(?:$|[,\s])/i.test(headers.connection ?? '')) {
    throw upgradeDropped(request, reply, 'Connection: upgrade')
  }
  // Node does not read the body of an upgrade, so that it would be read as frames.
  const hasContent = (headers['content-length'] ?? '0') !== '0'
  if (hasContent || headers['transfer-encoding'] !== undefined) {
    throw new errors.HandshakeInvalid('it has a body')
  }
  const version = headers['sec-websocket-version']
  if (version !== undefined && String(version) !== '13') {
    reply.header('sec-websocket-version', '13')
    throw new errors.VersionUnsupported()
  }
  if (version === undefined) {
    throw new errors.HandshakeInvalid('the Sec-WebSocket-Version header is missing')
  }
  // 16 bytes in base64.
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
    throw new errors.HandshakeInvalid(
      'the Sec-WebSocket-Key header is missing, or is not 16 bytes in base64'
    )
  }
}

// Headers that a server without `maxHeadersCount` reads.
const MOST_HEADERS = 1_000

/**
 * Whether a request may have had more headers than its server reads: Node drops the rest silently.
 */
export function hasLostHeaders ({ rawHeaders }: IncomingMessage, server: object): boolean {
  const { maxHeadersCount } = server as { readonly maxHeadersCount?: undefined | null | number }
  const most = maxHeadersCount ?? MOST_HEADERS
  return most > 0 && rawHeaders.length >= 2 * most
}

/** Whether a request offers WebSocket, and no other protocol. */
export function isWebsocketUpgrade (headers: IncomingHttpHeaders): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/** Whether a request offers WebSocket, perhaps among other protocols (RFC 9110 section 7.8). */
export function offersWebsocket (headers: IncomingHttpHeaders): boolean {
  return /(?:^|[,\s])websocket(?:$|[,/\s])/i.test(headers.upgrade!)
}

/**
 * Whether a request has the headers of a handshake. A proxy without WebSocket support removes
 * `Upgrade` (RFC 9110 section 7.6.1). A REST request has none of these headers.
 */
export function isHandshake (headers: IncomingHttpHeaders): boolean {
  if (headers.upgrade !== undefined) return isWebsocketUpgrade(headers)
  return headers['sec-websocket-key'] !== undefined ||
    headers['sec-websocket-version'] !== undefined
}

/**
 * Creates the error for a handshake that lost a header. It is logged as well, as the cure is in the
 * operator's proxy.
 */
export function upgradeDropped (
  request: FastifyRequest,
  reply: FastifyReply,
  header: string
): Error {
  const details = { missing: header, httpVersion: request.raw.httpVersion }
  writeLog(request, 'warn', details,
    'a proxy removed a header of a WebSocket handshake: ' +
    'let it pass Upgrade and Connection on, over HTTP/1.1')
  return demandUpgrade(request, reply, new errors.UpgradeDropped(header))
}

/** Creates the error for a request that offers no WebSocket (RFC 9110 section 15.5.22). */
export function upgradeRequired (request: FastifyRequest, reply: FastifyReply): Error {
  return demandUpgrade(request, reply, new errors.UpgradeRequired())
}

function demandUpgrade (request: FastifyRequest, reply: FastifyReply, error: Error): Error {
  // HTTP/2 has no upgrade, and neither header (RFC 9113 section 8.2.2).
  if (request.raw.httpVersionMajor === 2) return error
  // Node keeps a connection open for any value without `close`, even if it should end: by HTTP/1.0,
  // by a hook, or as the app stops.
  const isLast = reply.raw.shouldKeepAlive === false ||
    /\bclose\b/i.test(String(reply.getHeader('connection')))
  reply.header('upgrade', 'websocket').header('connection', isLast ? 'upgrade, close' : 'upgrade')
  return error
}

/**
 * Chooses a sub-protocol, and removes a token from the list, which is the only place where browsers
 * can send one. Afterwards the header of the request has the chosen sub-protocol only, so that no
 * part of a token can be echoed.
 *
 * @returns the token that follows `bearer`, even if the route does not accept it: a hook may have
 * verified it.
 * @throws `FSR_ERR_PROTOCOL_UNSUPPORTED` (400).
 */
export function agreeOnProtocol (
  headers: IncomingHttpHeaders,
  spoken: undefined | readonly string[],
  takesToken: boolean
): undefined | string {
  const header = headers['sec-websocket-protocol']
  if (header === undefined) return
  const offered = header.split(',').map((name) => name.trim()).filter((name) => name !== '')
  const bearer = offered.indexOf('bearer')
  const token = bearer === -1 ? undefined : offered.splice(bearer, 2)[1]
  // Also without a token behind it: a gateway may have moved the token to another header.
  const isBearer = bearer !== -1 && takesToken

  let protocol = spoken === undefined ? undefined : offered.find((name) => spoken.includes(name))
  if (protocol === undefined) {
    if (spoken !== undefined && offered.length > 0) throw new errors.ProtocolUnsupported()
    if (isBearer) protocol = 'bearer'
  }
  if (protocol === undefined) delete headers['sec-websocket-protocol']
  else headers['sec-websocket-protocol'] = protocol
  return token
}

// Counts a header in the raw list, as Node keeps only one in `headers`.
function countOf (rawHeaders: readonly string[], name: string): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const header = rawHeaders[index]!
    if (header.length === name.length && header.toLowerCase() === name) count++
  }
  return count
}
