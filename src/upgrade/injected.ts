import { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { emptyStream } from '../socket/upgraded.js'

/** What `injectWS` hands over instead of a request: the caller's context, with the headers of a handshake. */
interface Injected {
  url: string
  headers: Record<string, undefined | number | string>
  socket?: undefined | object
  /** As `remoteAddress` of Fastify's `inject`. */
  remoteAddress?: undefined | string
}

const LOOPBACK = '127.0.0.1'

// A message without a network: what is not in the caller's context is as on one that has been read to its end.
const message = Object.assign(Object.create(IncomingMessage.prototype) as IncomingMessage, {
  httpVersionMajor: 1, httpVersionMinor: 1, complete: true, aborted: false, upgrade: true, rawHeaders: [], rawTrailers: []
})
emptyStream(message)

/**
 * Has connections of `injectWS` look and end as those of TCP do: with an address, a host and headers in lower case, as Fastify's
 * `inject` gives them, and with a `close` when both sides have ended.
 *
 * @param isTls whether the server of the app speaks TLS, so that its pages come by https.
 */
export function completeInjected (request: IncomingMessage | Injected, stream: Duplex, isTls: boolean): void {
  if (request instanceof IncomingMessage) return
  const { remoteAddress = LOOPBACK, socket = Object.assign(stream, { remoteAddress, encrypted: isTls }) } = request
  Object.assign(request, { socket, headers: headersOf(request.headers) })
  Object.setPrototypeOf(request, message)
  closeAtEnd(stream)
}

function headersOf (given: Injected['headers']): Record<string, string> {
  const headers: Record<string, string> = { host: 'localhost' }
  for (const [name, value] of Object.entries(given)) if (value !== undefined) headers[name.toLowerCase()] = String(value)
  return headers
}

// Its two halves are streams in memory, which do not close by themselves.
function closeAtEnd (stream: Duplex): void {
  let open = 2
  const onEnd = () => { if (--open === 0) stream.destroy() }
  stream.once('end', onEnd).once('finish', onEnd)
}
