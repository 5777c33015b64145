import { absolute, printable, type Address } from './address.js'
import { globalWebSocket, onWake } from './environment.js'
import { ClientError, clientErrors } from './errors.js'
import { Liveness } from './liveness.js'
import type { Settings } from './options.js'
import { delayOf, isFinal, reconnectionOf, statusOf, type Closed, type Ended } from './reconnection.js'
import { LONGEST } from './timer.js'
import { isSubProtocol } from './token.js'
import { PING } from './wire.js'

/** What is told of the connection. */
export interface TransportListener {
  onOpen (): void
  onMessage (data: unknown): void
  /** The connection has ended, or an attempt to make one, for which there may be an error. */
  onDown (closed: Closed, willReconnect: boolean, failure: unknown): void
  onFailure (error: unknown): void
}

// What any event of a WebSocket may have.
interface SocketEvent {
  readonly data?: unknown
  readonly code?: number
  readonly reason?: string
  readonly message?: string
  readonly error?: unknown
}

// What of a WebSocket is used. No `on…` properties: where an event passes through an EventTarget that calls those as well, it would be
// handled twice.
interface Socket {
  readonly readyState: number
  readonly bufferedAmount: number
  addEventListener (type: string, listener: (event: SocketEvent) => void): void
  send (text: string): void
  close (code?: number, reason?: string): void
  /** That of `ws`. */
  terminate? (): void
}

const OPEN = 1
const cut: Closed = { code: 1006, reason: '' }
// Milliseconds that a connection has to stay open for the next attempt to be the first again.
const STABLE = 5_000
// Milliseconds that the server has to answer a close, where the connection can be cut after that.
const CLOSING = 1_000

/** A connection that is made anew, as often as the close codes and the options want it. */
export class Transport {
  readonly #address: Address
  readonly #options: Settings
  readonly #listener: TransportListener
  readonly #liveness: Liveness
  #stage: 'idle' | 'waiting' | 'connecting' | 'open' | 'closed' = 'idle'
  #socket: undefined | Socket
  // To the next attempt, of the handshake, or until the connection is stable.
  #timer: undefined | ReturnType<typeof setTimeout>
  #sleep = () => {}
  // The number of this attempt: what is made for another, and comes late, is not used.
  #attempt = 0
  // How many new attempts there were since a connection was stable.
  #retries = 0
  // The HTTP status of this attempt, and of the one before, if they were refused with one.
  #status: undefined | number
  #before: undefined | number
  #hasOpened = false
  #token: undefined | string

  /** @throws TypeError for an address that is none, or of another scheme. */
  constructor (address: Address, options: Settings, listener: TransportListener) {
    this.#address = address
    this.#options = options
    this.#listener = listener
    this.#liveness = new Liveness({
      ...options.ping,
      ping: () => { this.send(PING) },
      buffered: () => this.#socket!.bufferedAmount,
      dead: () => { this.#down(cut) }
    })
  }

  /** The token of this connection. */
  get token (): undefined | string {
    return this.#token
  }

  /** Whether something can be sent: not any more once the server has begun to close. */
  get isOpen (): boolean {
    return this.#socket?.readyState === OPEN
  }

  /**
   * Begins to connect, if it has not begun.
   *
   * @throws TypeError for an address that is none; `FSR_CLIENT_NO_PAGE`, `FSR_CLIENT_NO_WEBSOCKET` where a connection cannot be made.
   */
  start (): void {
    if (this.#stage !== 'idle') return
    if (typeof this.#address !== 'function') absolute(this.#address)
    if (this.#options.WebSocket === undefined) globalWebSocket()
    this.#sleep()
    this.#sleep = onWake(() => { this.#wake() })
    this.#connect()
  }

  /** Returns whether it was sent, which it is only over an open connection. */
  send (text: string): boolean {
    if (!this.isOpen) return false
    this.#socket!.send(text)
    return true
  }

  /** There is a reason to doubt the connection. */
  doubt (): void {
    if (this.#stage === 'open') this.#liveness.doubt()
  }

  /** Makes a new connection at once, in the place of the one that there may be. */
  reconnect (): void {
    this.start()
    const socket = this.#release()
    const wasOpen = this.#stage === 'open'
    this.#retries = 0
    this.#connect()
    if (socket !== undefined) shut(socket, 1000, '')
    if (wasOpen) this.#listener.onDown({ code: 1000, reason: '' }, true, undefined)
  }

  close (code: number, reason: string): void {
    const socket = this.#release()
    this.#stage = 'closed'
    this.#sleep()
    if (socket !== undefined) shut(socket, code, reason)
  }

  async #connect (): Promise<void> {
    const attempt = ++this.#attempt
    this.#stage = 'connecting'
    this.#before = this.#status
    this.#status = undefined
    try {
      // So that a client that is closed in the same turn asks for nothing.
      await undefined
      if (attempt !== this.#attempt) return
      const [address, token] = await Promise.all([ask(this.#address), ask(this.#options.token)])
      if (attempt === this.#attempt) this.#open(absolute(address), token ?? undefined)
    } catch (error) {
      if (attempt === this.#attempt) this.#down(cut, error ?? new ClientError(clientErrors.connection, 'No address or token'))
    }
  }

  #open (url: string, token: undefined | string): void {
    // Otherwise the error of the browser would have the token in its text.
    if (token !== undefined && !isSubProtocol(token)) throw new ClientError(clientErrors.token, 'The token has characters that a sub-protocol must not have')
    this.#token = token
    const { WebSocket = globalWebSocket(), connectTimeout, protocols = [] } = this.#options
    const names = (token ? ['bearer', token] : []).concat(protocols)
    const socket = (names.length > 0 ? new WebSocket(url, names) : new WebSocket(url)) as Socket
    const on = (type: string, handle: (event: SocketEvent) => void) => {
      socket.addEventListener(type, (event) => { if (this.#socket === socket) handle(event) })
    }
    const fail = (text = '', cause?: unknown) => {
      // Bun repeats the address, with its query.
      const message = text.split(url).join(printable(url))
      if (this.#stage === 'open') {
        this.#down(cut, new ClientError(clientErrors.connection, `The connection had an error${message && `: ${message}`}`, cause))
        return
      }
      this.#status = statusOf(message)
      this.#down(cut, new ClientError(clientErrors.connection, `There is no connection to ${printable(url)}: ${message || 'no such server or path, or it does not let this client in'}`, cause))
    }
    on('open', () => { this.#opened() })
    on('message', ({ data }) => {
      this.#liveness.heard()
      this.#listener.onMessage(data)
    })
    on('error', ({ message, error }) => { fail(message, error) })
    // Before it is open the code is no close code of the server: Bun has 1002 for a refused upgrade.
    on('close', ({ code = 1006, reason }) => { if (this.#stage === 'open') this.#down({ code, reason: reason ?? '' }); else fail(reason) })
    this.#socket = socket
    this.#timer = setTimeout(() => { fail(`no answer within ${connectTimeout} ms`) }, Math.min(connectTimeout, LONGEST))
  }

  #opened (): void {
    this.#stage = 'open'
    this.#hasOpened = true
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => { this.#retries = 0 }, STABLE)
    this.#liveness.start()
    this.#listener.onOpen()
  }

  // The connection has ended, or the attempt to make one.
  #down (closed: Closed, failure?: unknown): void {
    const socket = this.#release()
    if (socket?.terminate) socket.terminate()
    else socket?.close()
    const ended = this.#attempt
    const attempts = this.#retries
    const advice = !this.#isFinal() && reconnectionOf(closed)
    const willReconnect = this.#wants({ ...closed, attempts, ...this.#status === undefined ? {} : { status: this.#status } }) ?? Boolean(advice)
    // The callback that was just asked has closed the client, or made a new connection.
    if (ended !== this.#attempt) return
    // Not twice in a row: a server that finds every token expired must not be asked without a pause.
    if (willReconnect && !this.#plan(advice === 'now' && attempts === 0)) return
    this.#listener.onDown(closed, willReconnect, failure)
    if (failure !== undefined) this.#listener.onFailure(failure)
  }

  // Plans the next attempt. Returns whether it could: in the global scope of a Cloudflare worker there are neither connections nor timers,
  // and the client connects when it is needed.
  #plan (isAtOnce: boolean): boolean {
    const { minDelay, maxDelay } = this.#options
    try {
      const delay = isAtOnce ? 0 : delayOf(this.#retries, minDelay, maxDelay)
      this.#timer = setTimeout(() => { this.#connect() }, Math.min(delay, LONGEST))
    } catch {
      this.#stage = 'idle'
      return false
    }
    this.#stage = 'waiting'
    this.#retries++
    return true
  }

  // Ends what belongs to the connection or the attempt, but for the WebSocket itself, of which nothing is heard any more.
  #release (): undefined | Socket {
    const socket = this.#socket
    this.#socket = undefined
    this.#attempt++
    clearTimeout(this.#timer)
    this.#liveness.stop()
    return socket
  }

  #wake (): void {
    this.doubt()
    if (this.#stage !== 'waiting') return
    clearTimeout(this.#timer)
    this.#connect()
  }

  #isFinal (): boolean {
    const isRenewed = this.#options.token !== undefined || typeof this.#address === 'function'
    return isFinal({ status: this.#status, before: this.#before, isRenewed, hasOpened: this.#hasOpened })
  }

  #wants (ended: Ended): undefined | boolean {
    const { reconnect, when } = this.#options
    if (reconnect === false) return false
    try {
      const wants: unknown = when?.(ended)
      if (typeof wants === 'boolean') return wants
      // Anything else says nothing. A promise is not waited for, and must not end the process if it rejects.
      ask(wants).catch(() => {})
    } catch (error) {
      this.#listener.onFailure(error)
    }
  }
}

// What is given, or what a function of the app returns, now or later.
async function ask<Value> (given: Value | (() => Value | Promise<Value>)): Promise<Value> {
  return await (typeof given === 'function' ? (given as () => Promise<Value>)() : given)
}

// Closes in order. Where the server is gone, `ws` waits for its answer for half a minute, and the process with it.
function shut (socket: Socket, code: number, reason: string): void {
  socket.close(code, reason)
  if (socket.terminate === undefined) return
  const timer = setTimeout(() => { socket.terminate!() }, CLOSING)
  socket.addEventListener('close', () => { clearTimeout(timer) })
}
