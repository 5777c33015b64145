import type { EventEmitter } from 'node:events'
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Server as TlsServer } from 'node:tls'
import { hasLostHeaders } from './handshake.js'

/**
 * Passes a request that offers another protocol than WebSocket back to its server, which parses it
 * again as a plain request. A server may ignore an offer (RFC 9110 section 7.8), and clients that
 * offer `h2c` expect it to. The body, and pipelined requests, are in the head or still to come. The
 * token `upgrade` is removed from the `Connection` header, so that Node does not emit an upgrade
 * again.
 */
export function readAsPlain (
  server: EventEmitter,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer
): void {
  // The lost headers may include the length of the body.
  if (hasLostHeaders(request, server) || !isFree(request, socket)) {
    socket.destroy()
    return
  }
  socket.unshift(Buffer.concat([Buffer.from(startOf(request), 'latin1'), head]))
  server.emit(server instanceof TlsServer ? 'secureConnection' : 'connection', socket)
}

/**
 * Whether the socket is free for the response of a request. Behind a pipelined request without a
 * response (RFC 9112 section 9.3.2) it belongs to that response. Only `assignSocket` of Node shows
 * this.
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

// The headers in which Node, like old proxies, reads connection options.
const CONNECTION = /^(?:proxy-)?connection$/i

// The request head as it was received, but for that token. Node decodes headers as latin1.
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
