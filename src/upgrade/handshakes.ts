import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../clock.js'
import { Deadlines } from '../connection/deadlines.js'
import { refuseAsClosing } from './refusal.js'

const kHandshakes = Symbol('fastify-socket-route.handshakes')
const kRequests = Symbol('fastify-socket-route.requests')
const kAddress = Symbol('fastify-socket-route.address')
interface Requests { unanswered: number, last: IncomingMessage }
type Tracked = Duplex & { [kHandshakes]?: undefined | Handshakes, [kRequests]?: Requests, [kAddress]?: string }
type UpgradeRequest = IncomingMessage & { [kHandshakes]?: Duplex }

/**
 * The TCP connections of a server on which nothing is agreed on: silent ones, half a request, and upgrades that hooks have not
 * answered. Node looks after none of them when the server stops, and after no upgrade at all.
 */
export class Handshakes {
  readonly #silent = new Set<Duplex>()
  // Those that have asked for something which is not answered yet.
  readonly #asking = new Set<Tracked>()
  // TCP connections before TLS is agreed on, by address and port of the client: a TLS socket does not show what it is made of.
  readonly #raw = new Map<undefined | string, Tracked>()
  readonly #upgrading = new Set<Duplex>()
  readonly #deadlines: Deadlines<Duplex>
  #isEnding = false

  /**
   * @param timeout milliseconds from an upgrade request to its answer.
   * @param live tells whether the app is closing.
   */
  constructor (clock: Clock, server: EventEmitter, timeout: number, live: { readonly isClosing: boolean }) {
    this.#deadlines = new Deadlines(clock, timeout, (socket) => { socket.destroy() })
    this.watch(server)
    const others = server.listeners('upgrade')
    server.prependListener('upgrade', (request: UpgradeRequest, socket: Tracked) => {
      // Behind a request that is not answered (RFC 9112 section 9.3.2): its answer still has the connection.
      if ((socket[kRequests]?.unanswered ?? 0) > 0) {
        socket.destroy()
        return
      }
      request[kHandshakes] = socket
      this.#silent.delete(socket)
      this.#track(this.#upgrading, socket)
      this.#deadlines.add(socket)
      // @fastify/websocket has stopped listening: the request would not be answered at all.
      if (live.isClosing && !server.listeners('upgrade').some((each) => others.includes(each))) refuseAsClosing(request, socket)
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
    this.#raw.delete(socket[kAddress])
    this.#silent.delete(socket)
    this.#asking.delete(socket)
    this.#upgrading.delete(socket)
    this.#deadlines.delete(socket)
  }

  /** All requests of a connection are answered: it is silent again. */
  answered (socket: Duplex): void {
    this.#asking.delete(socket)
    if (this.#isEnding) socket.destroy()
    else this.#silent.add(socket)
  }

  /** Ends all of them, and silent ones to come: whoever has not asked for anything as a whole by now is too late. */
  end (): void {
    this.#isEnding = true
    for (const socket of this.#silent) socket.destroy()
    for (const socket of this.#asking) if (!socket[kRequests]!.last.complete) socket.destroy()
    for (const socket of this.#upgrading) socket.destroy()
  }

  /** Looks after the silent connections of a server; its upgrades have to be emitted by the first one. */
  watch (server: EventEmitter): void {
    const isTls = 'setSecureContext' in server
    if (isTls) this.#watchRaw(server)
    // An HTTP/2 server looks after its sessions itself, and does not show the socket of a request.
    if ('updateSettings' in server) return
    server.prependListener(isTls ? 'secureConnection' : 'connection', (socket: Duplex) => { this.#greet(socket) })
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      const socket: Tracked = request.socket
      this.#silent.delete(socket)
      this.#asking.add(socket)
      socket[kRequests] = { unanswered: (socket[kRequests]?.unanswered ?? 0) + 1, last: request }
      response.once('close', onAnswered)
    })
  }

  #watchRaw (server: EventEmitter): void {
    server.prependListener('connection', (socket: Tracked & Socket) => {
      socket[kAddress] = addressOf(socket)
      this.#raw.set(socket[kAddress], socket)
      this.#greet(socket)
    })
    server.prependListener('secureConnection', (socket: Socket) => {
      const raw = this.#raw.get(addressOf(socket))
      raw?.[kHandshakes]?.forget(raw)
    })
  }

  #greet (socket: Duplex): void {
    if (this.#isEnding) socket.destroy()
    else this.#track(this.#silent, socket)
  }

  #track (set: Set<Duplex>, socket: Tracked): void {
    set.add(socket)
    if (socket[kHandshakes] !== undefined) return
    socket[kHandshakes] = this
    socket.on('close', forget)
  }
}

/**
 * The servers that Fastify has for further addresses, such as `::1` where it listens on `localhost`. It passes their upgrades to the
 * first one, and shows the others to nobody but by this symbol.
 */
export function furtherServers (fastify: object): readonly EventEmitter[] {
  for (let owner = fastify; owner !== null; owner = Object.getPrototypeOf(owner)) {
    const key = Object.getOwnPropertySymbols(owner).find(({ description }) => description === 'fastify.serverBindings')
    if (key !== undefined) return Reflect.get(owner, key) as EventEmitter[]
  }
  return []
}

function addressOf ({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

// One listener for all of them.
function forget (this: Tracked): void {
  this[kHandshakes]?.forget(this)
}

// Half of the next request may follow, which Node would wait for without end when the server stops.
function onAnswered (this: ServerResponse): void {
  const socket: Tracked = this.req.socket
  const requests = socket[kRequests]!
  requests.unanswered--
  if (requests.unanswered === 0) socket[kHandshakes]?.answered(socket)
}
