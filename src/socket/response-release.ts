import { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'

const canDetach =
  typeof (ServerResponse.prototype as Partial<ServerResponse>).detachSocket === 'function'

/**
 * Detaches the response that `@fastify/websocket` creates for each upgrade from the socket, which
 * would keep it, and the request, as long as the connection. After an upgrade it emits `close`
 * alone: with a listener for that it stays attached.
 */
export function releaseResponse (response: ServerResponse): void {
  const { socket } = response
  if (canDetach && socket !== null && response.listenerCount('close') === 0) {
    response.detachSocket(socket)
  }
}

/**
 * Makes objects look like empty streams. The state of a stream is created when it is first read.
 */
export function emptyStream (prototype: object): void {
  Object.defineProperty(prototype, '_readableState', {
    get (this: object) {
      const empty = new Readable() as Readable & { readonly _readableState: object }
      empty.push(null)
      const { _readableState: value } = empty
      Object.defineProperty(this, '_readableState', { value })
      return value
    }
  })
}
