import { reconnectAfter } from '../protocol/close-codes.js'
import { messageText } from '../protocol/envelope.js'
import { absolute, printable, type Address } from './address.js'
import { globalWebSocket, onWake } from './environment.js'
import { ClientError, clientErrors } from './errors.js'
import { Liveness } from './liveness.js'
import type { Settings } from './options.js'
import { delayOf, isFinal, statusOf, type Closed, type Ended } from './reconnection.js'
import { startTimer, type Timer } from './timer.js'

/** The listener of a connection. */
export interface TransportListener {
  /** @param token the token that the connection was opened with. */
  onOpen (token: undefined | string): void
  onMessage (data: unknown): void
  /**
   * Called when the connection, or an attempt to connect, has ended. `failure` is the error, if
   * there is one.
   */
  onDown (closed: Closed, willReconnect: boolean, failure?: unknown): void
  onFailure (error: unknown): void
}

// The fields of all events of a WebSocket.
interface SocketEvent {
  readonly data?: unknown
  readonly code?: number
  readonly reason?: string
  readonly message?: string
  readonly error?: unknown
}

// The part of a WebSocket that is used. No `on…` properties: an EventTarget that also calls those
// would handle an event twice.
interface Socket {
  readonly readyState: number
  readonly bufferedAmount: number
  addEventListener (type: string, listener: (event: SocketEvent) => void): void
  send (text: string): void
  close (code?: number, reason?: string): void
  /** Present in `ws` only. */
  terminate? (): void
}

const OPEN = 1
// Its id is never that of a message of the client, so that its answer is ignored.
const PING = messageText('alive', 0)
const cut: Closed = { code: 1006, reason: '' }
// Milliseconds that a connection must stay open for the count of attempts to start over.
const STABLE = 5_000
// Milliseconds until the server must answer a close. Then the socket is terminated, where it can
// be.
const CLOSING = 1_000

/** A connection that is made again, as the close codes and the options say. */
export class Transport {
  readonly #address: Address
  readonly #options: Settings
  readonly #listener: TransportListener
  readonly #liveness: Liveness
  #stage: 'idle' | 'waiting' | 'connecting' | 'open' | 'closed' = 'idle'
  #socket: undefined | Socket
  // The timer of the next attempt, the handshake, or the stable connection.
  #timer: undefined | Timer
  #stopListening = () => {}
  // The number of this attempt: late results of an earlier attempt are discarded.
  #attempt = 0
  // The number of new attempts since a connection was stable.
  #retries = 0
  // The HTTP status of this attempt and of the previous one, if they were refused with one.
  #status: undefined | number
  #before: undefined | number
  #hasOpened = false

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

  /** Whether messages can be sent. `false` once the server has begun to close. */
  get isOpen (): boolean {
    return this.#socket?.readyState === OPEN
  }

  /**
   * Begins to connect, once.
   *
   * @throws TypeError for an invalid address; `FSR_CLIENT_NO_PAGE`, `FSR_CLIENT_NO_WEBSOCKET` where
   * a connection cannot be made.
   */
  start (): void {
    if (this.#stage !== 'idle') return
    if (typeof this.#address !== 'function') absolute(this.#address)
    if (this.#options.WebSocket === undefined) globalWebSocket()
    this.#stopListening()
    this.#stopListening = onWake(() => { this.#wake() })
    this.#connect()
  }

  /** Sends a text over an open connection. Returns whether it was sent. */
  send (text: string): boolean {
    if (!this.isOpen) return false
    this.#socket!.send(text)
    return true
  }

  /** Checks the connection, as there is a reason to doubt it. */
  check (): void {
    if (this.#stage === 'open') this.#liveness.check()
  }

  /** Reconnects at once. An open connection is replaced. */
  reconnect (): void {
    this.start()
    const socket = this.#release()
    const wasOpen = this.#stage === 'open'
    this.#retries = 0
    this.#connect()
    if (socket !== undefined) closeSocket(socket, 1000, '')
    if (wasOpen) this.#listener.onDown({ code: 1000, reason: '' }, true)
  }

  close (code: number, reason: string): void {
    const socket = this.#release()
    this.#stage = 'closed'
    this.#stopListening()
    if (socket !== undefined) closeSocket(socket, code, reason)
  }

  async #connect (): Promise<void> {
    const attempt = ++this.#attempt
    this.#stage = 'connecting'
    this.#before = this.#status
    this.#status = undefined
    try {
      // A client that is closed in the same turn must not ask for an address or a token.
      await undefined
      if (attempt !== this.#attempt) return
      const { connectTimeout } = this.#options
      this.#timer = startTimer(connectTimeout, () => {
        this.#fail(`No address or token within ${connectTimeout} ms`)
      })
      const [address, token] = await Promise.all([
        evaluate(this.#address),
        evaluate(this.#options.token)
      ])
      if (attempt === this.#attempt) this.#open(absolute(address), token ?? undefined)
    } catch (error) {
      if (attempt === this.#attempt) {
        this.#down(cut, error ?? new ClientError(clientErrors.connection, 'No address or token'))
      }
    }
  }

  #open (url: string, token: undefined | string): void {
    // The error of the browser would contain the token.
    if (token !== undefined && !isSubProtocol(token)) {
      throw new ClientError(
        clientErrors.token,
        "The token cannot be a sub-protocol; leave out 'Bearer '"
      )
    }
    const { WebSocket = globalWebSocket(), connectTimeout, protocols = [] } = this.#options
    const names = (token ? ['bearer', token] : []).concat(protocols)
    const socket = (names.length > 0 ? new WebSocket(url, names) : new WebSocket(url)) as Socket
    const on = (type: string, handle: (event: SocketEvent) => void) => {
      socket.addEventListener(type, (event) => { if (this.#socket === socket) handle(event) })
    }
    const fail = (text = '', cause?: unknown) => {
      // Bun repeats the address with its query.
      const message = text.split(url).join(printable(url))
      if (this.#stage === 'open') {
        this.#fail(`The connection had an error${message && `: ${message}`}`, cause)
        return
      }
      this.#status = statusOf(message)
      this.#fail(
        `Cannot connect to ${printable(url)}: ` +
          (message || 'no such server or path, or the client is refused'),
        cause
      )
    }
    on('open', () => { this.#opened(token) })
    on('message', ({ data }) => {
      this.#liveness.heard()
      this.#listener.onMessage(data)
    })
    on('error', ({ message, error }) => { fail(message, error) })
    // Before the connection is open the code is not a close code of the server: Bun has 1002 for a
    // refused upgrade.
    on('close', ({ code = 1006, reason }) => {
      if (this.#stage === 'open') this.#down({ code, reason: reason ?? '' })
      else fail(reason)
    })
    this.#socket = socket
    clearTimeout(this.#timer)
    this.#timer = startTimer(connectTimeout, () => {
      fail(`no answer within ${connectTimeout} ms`)
    })
  }

  #opened (token: undefined | string): void {
    this.#stage = 'open'
    this.#hasOpened = true
    clearTimeout(this.#timer)
    this.#timer = startTimer(STABLE, () => { this.#retries = 0 })
    this.#liveness.start()
    this.#listener.onOpen(token)
  }

  #fail (message: string, cause?: unknown): void {
    this.#down(cut, new ClientError(clientErrors.connection, message, cause))
  }

  // Ends the connection or the attempt, and plans the next one.
  #down (closed: Closed, failure?: unknown): void {
    const socket = this.#release()
    if (socket?.terminate) socket.terminate()
    else socket?.close()
    const ended = this.#attempt
    const attempts = this.#retries
    const advice = !this.#isFinal() && reconnectAfter(closed)
    const status = this.#status !== undefined && { status: this.#status }
    const willReconnect = this.#isWanted({ ...closed, attempts, ...status }) ?? Boolean(advice)
    // The callback `when` has closed the client, or made a new connection.
    if (ended !== this.#attempt) return
    // At once only for the first attempt: a server to which every token has expired must not be
    // asked without a pause.
    if (willReconnect && !this.#plan(advice === true && attempts === 0)) return
    this.#listener.onDown(closed, willReconnect, failure)
    if (failure !== undefined) this.#listener.onFailure(failure)
  }

  // Plans the next attempt. Returns whether that was possible: the global scope of a Cloudflare
  // worker has neither connections nor timers, and the client connects when it is needed.
  #plan (isAtOnce: boolean): boolean {
    const { minDelay, maxDelay } = this.#options
    try {
      const delay = isAtOnce ? 0 : delayOf(this.#retries, minDelay, maxDelay)
      this.#timer = startTimer(delay, () => { this.#connect() })
    } catch {
      this.#stage = 'idle'
      return false
    }
    this.#stage = 'waiting'
    this.#retries++
    return true
  }

  // Releases the connection or the attempt, and returns its WebSocket, whose events are ignored
  // from now on.
  #release (): undefined | Socket {
    const socket = this.#socket
    this.#socket = undefined
    this.#attempt++
    clearTimeout(this.#timer)
    this.#liveness.stop()
    return socket
  }

  #wake (): void {
    this.check()
    if (this.#stage !== 'waiting') return
    clearTimeout(this.#timer)
    this.#connect()
  }

  #isFinal (): boolean {
    const isRenewed = this.#options.token !== undefined || typeof this.#address === 'function'
    return isFinal(this.#status, this.#before, isRenewed, this.#hasOpened)
  }

  #isWanted (ended: Ended): undefined | boolean {
    const { reconnect, when } = this.#options
    if (reconnect === false) return false
    try {
      const wants: unknown = when?.(ended)
      if (typeof wants === 'boolean') return wants
      // Other values are ignored. A promise is not awaited, and must not end the process if it
      // rejects.
      evaluate(wants).catch(() => {})
    } catch (error) {
      this.#listener.onFailure(error)
    }
  }
}

// Returns the value, or the result of a function of the app.
async function evaluate<Value> (given: Value | (() => Value | Promise<Value>)): Promise<Value> {
  return await (typeof given === 'function' ? (given as () => Promise<Value>)() : given)
}

// Closes in order. If the server is gone, `ws` would wait half a minute for its answer, and keep
// the process alive.
function closeSocket (socket: Socket, code: number, reason: string): void {
  socket.close(code, reason)
  if (socket.terminate === undefined) return
  const timer = startTimer(CLOSING, () => { socket.terminate!() })
  socket.addEventListener('close', () => { clearTimeout(timer) })
}

// Whether a token can be sent as a sub-protocol (RFC 6455 section 4.1, RFC 9110 section 5.6.2).
function isSubProtocol (token: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(token)
}
