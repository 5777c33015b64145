import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { Deadlines } from '../connection/deadlines.js'

const kHandshakes = Symbol('fastify-socket-route.handshakes')
type Tracked = Duplex & { [kHandshakes]?: undefined | Handshakes }
type UpgradeRequest = IncomingMessage & { [kHandshakes]?: Duplex }

/**
 * The TCP connections of a server on which nothing has been agreed on yet: silent ones, half a request, and upgrades that hooks
 * have not answered. Node looks after none of them when the server stops, and after no upgrade at all.
 */
export class Handshakes {
  readonly #silent = new Set<Duplex>()
  readonly #upgrading = new Set<Duplex>()
  readonly #deadlines: Deadlines<Duplex>
  #isEnding = false

  /** @param timeout milliseconds from an upgrade request to its answer. */
  constructor (server: EventEmitter, timeout: number) {
    this.#deadlines = new Deadlines(timeout, (socket) => { socket.destroy() })
    // An HTTP/2 server looks after its sessions itself, and does not show the socket of a request.
    if (!('updateSettings' in server)) this.#watchSilent(server)
    server.prependListener('upgrade', (request: UpgradeRequest, socket: Duplex) => {
      request[kHandshakes] = socket
      this.#silent.delete(socket)
      this.#track(this.#upgrading, socket)
      this.#deadlines.add(socket)
    })
  }

  /** The upgrade has happened: the connection is looked after elsewhere. */
  done (request: UpgradeRequest): void {
    const socket = request[kHandshakes]
    if (socket !== undefined) this.forget(socket)
  }

  forget (socket: Tracked): void {
    socket[kHandshakes] = undefined
    socket.removeListener('close', forget)
    this.#silent.delete(socket)
    this.#upgrading.delete(socket)
    this.#deadlines.delete(socket)
  }

  /** Ends the silent ones, and those to come: whoever has not asked for anything by now is too late. */
  endSilent (): void {
    this.#isEnding = true
    for (const socket of this.#silent) socket.destroy()
  }

  /** Ends the upgrades that are not answered yet. */
  endUpgrading (): void {
    for (const socket of this.#upgrading) socket.destroy()
  }

  #watchSilent (server: EventEmitter): void {
    server.prependListener('setSecureContext' in server ? 'secureConnection' : 'connection', (socket: Duplex) => {
      if (this.#isEnding) socket.destroy()
      else this.#track(this.#silent, socket)
    })
    server.prependListener('request', (request: IncomingMessage) => { this.#silent.delete(request.socket) })
  }

  #track (set: Set<Duplex>, socket: Tracked): void {
    set.add(socket)
    if (socket[kHandshakes] !== undefined) return
    socket[kHandshakes] = this
    socket.once('close', forget)
  }
}

// One listener for all of them.
function forget (this: Tracked): void {
  this[kHandshakes]?.forget(this)
}
