import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'
import { hasLostHeaders } from './plain-request.js'

/**
 * Checks the opening handshake before anything else looks at it (RFC 6455 section 4.2.1), as Node and ws let some faults pass.
 *
 * @throws `FSR_ERR_HANDSHAKE_INVALID` (400), `FSR_ERR_UPGRADE_REQUIRED` and `FSR_ERR_VERSION_UNSUPPORTED` (426).
 */
export function checkHandshake (request: FastifyRequest, reply: FastifyReply): void {
  const { headers, raw } = request
  // Node parses 'Upgrade' of HTTP/1.0 too, and does not ask upgrade requests for a Host.
  if (raw.httpVersion !== '1.1') throw new errors.HandshakeInvalid('it is not HTTP/1.1, as behind nginx without proxy_http_version 1.1')
  if (hasLostHeaders(raw, request.server.server)) throw new errors.HandshakeInvalid('it has more headers than are read')
  if (headers.host === undefined) throw new errors.HandshakeInvalid('the Host header is missing')
  // Node takes the first, a proxy on the way perhaps the last (RFC 9112 section 3.2).
  if (countOf(raw.rawHeaders, 'host') > 1) throw new errors.HandshakeInvalid('there are several Host headers')
  if (!isWebsocketUpgrade(headers)) throw upgradeRequired(request, reply)
  // Without this Node takes it for a plain request.
  if (!/(?:^|[,\s])upgrade(?:$|[,\s])/i.test(headers.connection ?? '')) throw upgradeDropped(request, reply, 'Connection: upgrade')
  // Node does not read it, so that it would be taken for frames.
  if ((headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] !== undefined) throw new errors.HandshakeInvalid('it has a body')
  if (headers['sec-websocket-version'] !== undefined && String(headers['sec-websocket-version']) !== '13') {
    reply.header('sec-websocket-version', '13')
    throw new errors.VersionUnsupported()
  }
  if (headers['sec-websocket-version'] === undefined) throw new errors.HandshakeInvalid('the Sec-WebSocket-Version header is missing')
  // 16 bytes in base64.
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) throw new errors.HandshakeInvalid('the Sec-WebSocket-Key header is missing or wrong')
}

/** Whether a request asks for a WebSocket, and for no other protocol. */
export function isWebsocketUpgrade (headers: IncomingHttpHeaders): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/** Whether a request offers WebSocket, perhaps among other protocols (RFC 9110 section 7.8). */
export function offersWebsocket (headers: IncomingHttpHeaders): boolean {
  return /(?:^|[,\s])websocket(?:$|[,/\s])/i.test(headers.upgrade!)
}

/**
 * Whether a request has the headers of a handshake, with or without `Upgrade`, which a proxy that does not know WebSocket takes away
 * (RFC 9110 section 7.6.1). No request to REST has any of them.
 */
export function isHandshake (headers: IncomingHttpHeaders): boolean {
  if (headers.upgrade !== undefined) return isWebsocketUpgrade(headers)
  return headers['sec-websocket-key'] !== undefined || headers['sec-websocket-version'] !== undefined
}

/** The answer to a handshake that has come without one of its headers, which is told to the log as well: the proxy is not the client's. */
export function upgradeDropped (request: FastifyRequest, reply: FastifyReply, header: string): Error {
  writeLog(request, 'warn', { missing: header, httpVersion: request.raw.httpVersion }, 'a WebSocket handshake came without its header: a proxy on the way does not pass it on')
  return demandUpgrade(request, reply, new errors.UpgradeDropped(header))
}

/** The answer to whoever does not ask for a WebSocket (RFC 9110 section 15.5.22). */
export function upgradeRequired (request: FastifyRequest, reply: FastifyReply): Error {
  return demandUpgrade(request, reply, new errors.UpgradeRequired())
}

function demandUpgrade (request: FastifyRequest, reply: FastifyReply, error: Error): Error {
  // HTTP/2 has neither header (RFC 9113 section 8.2.2), and no upgrade.
  if (request.raw.httpVersionMajor === 2) return error
  // Node takes any value without `close` for a promise to keep the connection, also where it is to end: by HTTP/1.0, a hook, or a stop.
  const isLast = reply.raw.shouldKeepAlive === false || /\bclose\b/i.test(String(reply.getHeader('connection')))
  reply.header('upgrade', 'websocket').header('connection', isLast ? 'upgrade, close' : 'upgrade')
  return error
}

/**
 * Agrees on a sub-protocol, and takes a token out of the list, where browsers have to put it. Afterwards the request's header
 * holds only what is to be answered: nothing of a token can be echoed.
 *
 * @returns the token that follows `bearer`, also where it is not taken: a hook may have.
 * @throws `FSR_ERR_PROTOCOL_UNSUPPORTED` (400).
 */
export function agreeOnProtocol (headers: IncomingHttpHeaders, spoken: undefined | readonly string[], takesToken: boolean): undefined | string {
  const header = headers['sec-websocket-protocol']
  if (header === undefined) return
  const offered = header.split(',').map((name) => name.trim()).filter((name) => name !== '')
  const bearer = offered.indexOf('bearer')
  const token = bearer === -1 ? undefined : offered.splice(bearer, 2)[1]
  // Without a token behind it too: a gateway may have put that into another header.
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

// Of a header that Node keeps once.
function countOf (rawHeaders: readonly string[], name: string): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) if (rawHeaders[index]!.length === name.length && rawHeaders[index]!.toLowerCase() === name) count++
  return count
}
