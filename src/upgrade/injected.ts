import { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { checkInjected, type InjectedRequest } from '../host/fastify-websocket-internals.js'
import { emptyStream } from '../socket/response-release.js'

const LOOPBACK = '127.0.0.1'

// The prototype of injected requests: a request without a network, read to its end. The caller's
// context has the other properties.
const message = Object.assign(Object.create(IncomingMessage.prototype) as IncomingMessage, {
  httpVersionMajor: 1,
  httpVersionMinor: 1,
  complete: true,
  aborted: false,
  upgrade: true,
  rawHeaders: [],
  rawTrailers: []
})
emptyStream(message)

/**
 * Makes connections of `injectWS` behave like TCP connections: with an address, a host and headers
 * in lower case, as `inject` of Fastify sets them, and with a `close` event when both sides have
 * ended.
 *
 * @param isTls whether the server of the app uses TLS, so that its pages come by https.
 */
export function completeInjected (
  request: InjectedRequest,
  stream: Duplex,
  isTls: boolean
): void {
  checkInjected(request)
  const {
    remoteAddress = LOOPBACK,
    socket = Object.assign(stream, { remoteAddress, encrypted: isTls })
  } = request
  Object.assign(request, { socket, headers: headersOf(request.headers) })
  Object.setPrototypeOf(request, message)
  closeAtEnd(stream)
}

function headersOf (given: InjectedRequest['headers']): Record<string, string> {
  const headers: Record<string, string> = { host: 'localhost' }
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) headers[name.toLowerCase()] = String(value)
  }
  return headers
}

// The two halves of an injected connection are streams in memory, which do not close by themselves.
function closeAtEnd (stream: Duplex): void {
  let open = 2
  const onEnd = () => { if (--open === 0) stream.destroy() }
  stream.once('end', onEnd).once('finish', onEnd)
}
