import { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'

const canDetach = typeof (ServerResponse.prototype as Partial<ServerResponse>).detachSocket === 'function'

/**
 * Takes the response that `@fastify/websocket` makes for each upgrade off the socket, where it would stay, with the request, as long as
 * the connection. Nothing of it fires after an upgrade but `close`: whoever listens to that still gets it.
 */
export function releaseResponse (response: ServerResponse): void {
  const { socket } = response
  if (canDetach && socket !== null && response.listenerCount('close') === 0) response.detachSocket(socket)
}

/** Lets objects be taken for streams that have nothing in them: what Node has for each stream is made for one that is. */
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
