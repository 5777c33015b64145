import type { EventEmitter } from 'node:events'
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Server as TlsServer } from 'node:tls'

/**
 * Hands a request that offers another protocol than WebSocket back to its server, which reads it again as a plain request: a server
 * may ignore an offer (RFC 9110 section 7.8), and clients that offer `h2c` expect it to. Its body, and requests behind it, are in
 * the head or still to come. The token `upgrade` of the `Connection` header is left out, so that Node does not take it for an
 * upgrade again.
 */
export function readAsPlain (server: EventEmitter, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  // What says where its body ends may be among the headers that are not there.
  if (hasLostHeaders(request, server) || !isFree(request, socket)) {
    socket.destroy()
    return
  }
  socket.unshift(Buffer.concat([Buffer.from(startOf(request), 'latin1'), head]))
  server.emit(server instanceof TlsServer ? 'secureConnection' : 'connection', socket)
}

// Of a server that says nothing else.
const MOST_HEADERS = 1_000

/** Whether a request may have had more headers than its server reads: Node leaves the others out, and says nothing. */
export function hasLostHeaders ({ rawHeaders }: IncomingMessage, server: object): boolean {
  const { maxHeadersCount } = server as { readonly maxHeadersCount?: undefined | null | number }
  const most = maxHeadersCount ?? MOST_HEADERS
  return most > 0 && rawHeaders.length >= 2 * most
}

/**
 * Whether a request can be answered. Behind a request without an answer (RFC 9112 section 9.3.2) the connection belongs to that answer,
 * which only `assignSocket` of Node tells.
 */
export function isFree (request: IncomingMessage, socket: Duplex): boolean {
  const probe = new ServerResponse(request)
  try {
    probe.assignSocket(socket as Socket)
  } catch {
    return false
  }
  probe.detachSocket(socket as Socket)
  return true
}

// The headers by which Node, as old proxies, reads what is to become of the connection.
const CONNECTION = /^(?:proxy-)?connection$/i

// As it came, but for that token: Node reads headers as latin1.
function startOf ({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    const value = rawHeaders[at + 1]!
    lines.push(`${name}: ${CONNECTION.test(name) ? withoutUpgrade(value) : value}`)
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}

function withoutUpgrade (value: string): string {
  return value.split(',').filter((token) => token.trim().toLowerCase() !== 'upgrade').join(',')
}
