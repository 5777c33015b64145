import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  constants,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session
} from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock } from '../clock.js'
import { FairTimer } from '../connection/fair-timer.js'
import { listenerOf, type ServerListeners } from '../upgrade/listener-registry.js'

const kAddress = Symbol('fastify-socket-route.address')
type RawSocket = Socket & { [kAddress]?: string }
type Request = IncomingMessage | Http2ServerRequest
type Response = ServerResponse | Http2ServerResponse

/**
 * The connections of a server that speak HTTP. When the server stops, Node leaves three kinds open:
 * connections with no request or half of one, TLS handshakes that are not complete, and sessions of
 * HTTP/2.
 */
export class HttpConnections {
  readonly #clock: Clock
  // `bytesWritten` when the connection was last idle. Once there are more, something other than
  // HTTP uses the connection.
  readonly #idle = new Map<Socket, number>()
  readonly #sessions = new Map<ServerHttp2Session, Socket>()
  // TCP connections whose TLS handshake is not complete, by address: a TLS socket does not expose
  // the TCP socket below it.
  readonly #raw = new Map<string, RawSocket>()
  readonly #responses = new Map<Response, Request>()
  #isEnding = false
  #isHttp2 = false
  #isSweeping = false
  // The latest connection: a session that begins belongs to it.
  #latest: undefined | Socket
  #onUploaded: undefined | (() => void)
  // Listeners shared by all connections.
  readonly #onClose = listenerOf((socket: Socket) => { this.#idle.delete(socket) })

  readonly #onRawClose = listenerOf((socket: RawSocket) => { this.#raw.delete(socket[kAddress]!) })

  readonly #onSessionClose = listenerOf((session: ServerHttp2Session) => {
    this.#sessions.delete(session)
  })

  readonly #onResponseClose = listenerOf((response: Response) => {
    this.#untrackResponse(response)
  })

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** Tracks the connections of a server. */
  watch (server: EventEmitter, listeners: ServerListeners): void {
    const isTls = 'setSecureContext' in server
    if (isTls) {
      listeners.prepend(server, 'connection', (socket: Socket) => { this.#trackRaw(socket) })
    }
    listeners.prepend(server, isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#track(socket)
    })
    this.#isHttp2 = 'updateSettings' in server
    if (this.#isHttp2) {
      listeners.prepend(server, 'session', (session: ServerHttp2Session) => {
        this.#trackSession(session)
      })
    }
    listeners.prepend(server, 'request', (request: Request, response: Response) => {
      this.#trackResponse(request, response)
    })
  }

  /** Stops tracking a connection that no longer speaks HTTP. */
  untrack (socket: Socket): void {
    this.#idle.delete(socket)
    socket.removeListener('close', this.#onClose)
  }

  /** Stops tracking, and leaves all connections as they are. */
  clear (): void {
    for (const socket of this.#idle.keys()) this.untrack(socket)
    for (const socket of this.#raw.values()) socket.removeListener('close', this.#onRawClose)
    for (const session of this.#sessions.keys()) {
      session.removeListener('close', this.#onSessionClose)
    }
    for (const response of this.#responses.keys()) {
      response.removeListener('close', this.#onResponseClose)
    }
  }

  /**
   * Ends every connection without a response under way, and every new one. Waits for requests whose
   * body is still coming in: a request that stays silent is cut, and so are the rest at the end.
   *
   * @param milliseconds the longest time to wait.
   * @param silence milliseconds without a byte after which a request is cut.
   */
  async end (milliseconds: number, silence: number): Promise<void> {
    this.#isEnding = true
    this.#sweep()
    const last = this.#clock.now() + milliseconds
    for (let uploads = this.#uploads(); uploads.length > 0; uploads = this.#uploads()) {
      const read = uploads.map((request) => this.#bytesRead(request))
      await this.#uploadedBy(Math.min(this.#clock.now() + silence, last), silence)
      const isOver = this.#clock.now() >= last
      uploads.forEach((request, index) => {
        // Bytes that the handler has not read yet do not count as silence of the client.
        if (
          isUnfinished(request) &&
          (isOver || (this.#bytesRead(request) === read[index] && request.readableLength === 0))
        ) cut(request)
      })
    }
  }

  #trackRaw (socket: RawSocket): void {
    if (this.#isEnding) {
      socket.destroy()
      return
    }
    const address = addressOf(socket)
    // A Unix socket, or a client that has already left, has no address.
    if (address === undefined) return
    socket[kAddress] = address
    this.#raw.set(address, socket)
    socket.on('close', this.#onRawClose)
  }

  #untrackRaw (socket: undefined | RawSocket): void {
    if (socket === undefined) return
    this.#raw.delete(socket[kAddress]!)
    socket.removeListener('close', this.#onRawClose)
  }

  #track (socket: Socket): void {
    this.#untrackRaw(this.#raw.get(addressOf(socket)!))
    this.#latest = socket
    if (this.#isEnding) {
      socket.destroy()
      return
    }
    this.#idle.set(socket, socket.bytesWritten)
    socket.on('close', this.#onClose)
  }

  #trackSession (session: ServerHttp2Session): void {
    const socket = this.#latest!
    this.untrack(socket)
    this.#sessions.set(session, socket)
    session.on('close', this.#onSessionClose)
  }

  #trackResponse (request: Request, response: Response): void {
    const connection = connectionOf(request)
    // Another server has handed the request over, and owns its connection.
    if (
      !this.#idle.has(connection as Socket) && !this.#sessions.has(connection as ServerHttp2Session)
    ) return
    this.#responses.set(response, request)
    response.on('close', this.#onResponseClose)
  }

  #untrackResponse (response: Response): void {
    const { socket } = this.#responses.get(response)!
    this.#responses.delete(response)
    if (this.#idle.has(socket)) this.#idle.set(socket, socket.bytesWritten)
    if (!this.#isEnding || this.#isSweeping) return
    this.#isSweeping = true
    queueMicrotask(() => { this.#sweep() })
  }

  // Ends idle connections. Half of the next request may have come in, for which Node would wait
  // forever.
  #sweep (): void {
    this.#isSweeping = false
    const busy = new Set([...this.#responses.values()].map(connectionOf))
    for (const [socket, written] of this.#idle) {
      if (!busy.has(socket) && (socket.bytesWritten === written || this.#isRefused(socket))) {
        socket.destroy()
      }
    }
    for (const socket of this.#raw.values()) socket.destroy()
    for (const [session, socket] of this.#sessions) {
      session.close()
      // A client that stays connected would keep the socket half open.
      if (!busy.has(session)) socket.destroySoon()
    }
    if (this.#uploads().length === 0) this.#onUploaded?.()
  }

  // The client has not negotiated HTTP/2 in TLS: Node answers, ends its side, and waits ten seconds
  // for the client to end as well.
  #isRefused (socket: Socket): boolean {
    return this.#isHttp2 && socket.writableFinished
  }

  #uploads (): Request[] {
    return [...this.#responses.values()].filter(isUnfinished)
  }

  #bytesRead (request: Request): number {
    const connection = connectionOf(request)
    return (this.#sessions.get(connection as ServerHttp2Session) ?? connection as Socket).bytesRead
  }

  #uploadedBy (due: number, grace: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = new FairTimer(this.#clock, { due, grace, keepsAlive: true }, () => {
        resolve()
      })
      this.#onUploaded = () => {
        timer.cancel()
        resolve()
      }
    })
  }
}

function connectionOf (request: Request): Socket | ServerHttp2Session {
  return isHttp2(request) ? request.stream.session as ServerHttp2Session : request.socket
}

function isHttp2 (request: Request): request is Http2ServerRequest {
  return request.httpVersionMajor === 2
}

/** Whether part of the request is still to come. */
function isUnfinished (request: Request): boolean {
  return isHttp2(request) ? request.stream.state.remoteClose === 0 : !request.complete
}

function cut (request: Request): void {
  if (isHttp2(request)) request.stream.close(constants.NGHTTP2_CANCEL)
  else request.socket.destroy()
}

function addressOf (
  { remoteAddress, remotePort, localAddress, localPort }: Socket
): undefined | string {
  return remoteAddress === undefined
    ? undefined
    : `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
