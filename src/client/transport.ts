import PartySocket, { CloseEvent } from 'partysocket/ws'
import { clientErrors, ClientError } from './errors.js'
import type { Settings, WebSocketConstructor } from './options.js'
import { reconnectionOf, type Closed } from './reconnection.js'
import { LONGEST } from './timer.js'
import { isSubProtocol } from './token.js'

/** An address, or what makes one before every attempt to connect: with a new ticket, for example. */
export type Address = string | (() => string | Promise<string>)

/** Who is told what happens to the connection. */
export interface TransportListener {
  onOpen (): void
  onMessage (data: unknown): void
  /** The connection has ended, or an attempt to make one. */
  onDown (closed: Closed, willReconnect: boolean): void
  onFailure (error: unknown): void
}

// What of partysocket is used; its own types need those of browsers.
interface Socket {
  onopen: null | (() => void)
  onmessage: null | ((event: { readonly data: unknown }) => void)
  onclose: null | (() => void)
  onerror: null | ((event: { readonly message?: string, readonly error?: unknown }) => void)
  readonly readyState: number
  readonly retryCount: number
  readonly url: string
  send (text: string): boolean
  close (code: number, reason: string): void
}

const OPEN = 1
const FAILED = 'There is no address, or no token'
const cut: Closed = { code: 1006, reason: '' }

/** A connection that partysocket makes anew, as often as the close codes and the options want it. */
export class Transport {
  readonly #socket: Socket
  readonly #options: Settings
  readonly #listener: TransportListener
  #closed = cut
  #willReconnect = true
  #isAtOnce = false
  #isClosed = false
  // Why there is no address or no token.
  #failure: unknown
  #token: undefined | string

  constructor (address: Address, options: Settings, listener: TransportListener) {
    this.#options = options
    this.#listener = listener
    this.#socket = this.#connect(typeof address === 'string' ? always(absolute(address)) : async () => absolute(await address()))
    this.#socket.onopen = () => { listener.onOpen() }
    this.#socket.onmessage = ({ data }) => { listener.onMessage(data) }
    this.#socket.onclose = () => { listener.onDown(this.#closed, this.#willReconnect) }
    this.#socket.onerror = ({ message, error }) => {
      const failure = message === FAILED ? this.#failure : new ClientError(clientErrors.connection, message || 'The connection failed', error)
      // The client was closed meanwhile.
      if (failure === undefined) return
      // As long as there has been no socket, partysocket asks nobody and closes nothing.
      if (this.#socket.url === '') {
        this.#judge()
        listener.onDown(this.#closed, this.#willReconnect)
      }
      listener.onFailure(failure)
    }
  }

  /** The token of this connection. */
  get token (): undefined | string {
    return this.#token
  }

  /** Whether something can be sent: not any more once the server has begun to close. */
  get isOpen (): boolean {
    return this.#socket.readyState === OPEN
  }

  /** Answers whether it was sent, which it is only over an open connection. */
  send (text: string): boolean {
    return this.isOpen && this.#socket.send(text)
  }

  close (code: number, reason: string): void {
    this.#isClosed = true
    this.#failure = undefined
    this.#socket.close(code, reason)
  }

  #connect (address: () => Promise<string>): Socket {
    const { WebSocket = globalWebSocket(), connectTimeout, minDelay, maxDelay } = this.#options
    const isAtOnce = () => this.#isAtOnce
    return new PartySocket(async () => await this.#noted(address), async () => await this.#noted(async () => await this.#protocols()), {
      WebSocket,
      connectionTimeout: Math.min(connectTimeout, LONGEST),
      reconnectionDelayGrowFactor: 1.5,
      minUptime: 5_000,
      // What has to wait is kept by the client: see outbox.ts.
      maxEnqueuedMessages: 0,
      // These are read before each attempt. The delays of partysocket are not random by themselves.
      get minReconnectionDelay () { return isAtOnce() ? 0 : minDelay * (1 + 3 * Math.random()) },
      get maxReconnectionDelay () { return maxDelay * (0.5 + Math.random() / 2) },
      // Called before the next attempt is planned. The event comes after that.
      shouldReconnectOnClose: (event) => this.#judge(event)
    }) as unknown as Socket
  }

  async #protocols (): Promise<null | string[]> {
    const token = await this.#options.token?.() ?? undefined
    // Otherwise the error of the browser would have the token in its text.
    if (token !== undefined && !isSubProtocol(token)) throw new ClientError(clientErrors.token, 'The token has characters that a sub-protocol must not have')
    this.#token = token
    const names = [...token === undefined ? [] : ['bearer', token], ...this.#options.protocols ?? []]
    return names.length > 0 ? names : null
  }

  // partysocket keeps no more of an error than its message, and ends with it if it has none. And it asks for an address and a token
  // before it looks whether it was closed.
  async #noted<Value> (provide: () => Promise<Value>): Promise<Value> {
    try {
      if (!this.#isClosed) return await provide()
    } catch (error) {
      if (!this.#isClosed) this.#failure = error ?? new ClientError(clientErrors.connection, FAILED)
    }
    throw new Error(FAILED)
  }

  // An event that partysocket has made itself, with the code 1000, stands for an error or a time-out.
  #judge (event?: Closed): boolean {
    if (this.#isClosed) return false
    const closed = event === undefined || event instanceof CloseEvent ? cut : { code: event.code, reason: event.reason }
    const attempts = this.#socket.retryCount
    const advice = reconnectionOf(closed)
    this.#closed = closed
    this.#willReconnect = this.#wants({ ...closed, attempts }) ?? advice !== false
    // Not twice in a row: a server that finds every token expired must not be asked without a pause.
    this.#isAtOnce = advice === 'now' && attempts === 0
    return this.#willReconnect
  }

  #wants (ended: Closed & { readonly attempts: number }): undefined | boolean {
    const { reconnect } = this.#options
    if (reconnect === false) return false
    try {
      return reconnect?.when?.(ended)
    } catch (error) {
      this.#listener.onFailure(error)
    }
  }
}

function always (address: string): () => Promise<string> {
  return async () => address
}

// Browsers of before 2024 know neither relative addresses nor http: here.
function absolute (address: string): string {
  const { location } = globalThis as { readonly location?: { readonly href: string } }
  const url = new URL(address, location?.href)
  url.protocol = url.protocol.replace('http', 'ws')
  if (!/^wss?:$/.test(url.protocol)) throw new TypeError(`${url.protocol} is not ws:, wss:, http: or https:`)
  return url.href
}

function globalWebSocket (): WebSocketConstructor {
  const { WebSocket } = globalThis as { readonly WebSocket?: WebSocketConstructor }
  if (WebSocket === undefined) throw new ClientError(clientErrors.noWebSocket, 'There is no global WebSocket here: Node has one since 22. Give the option WebSocket, such as that of the package ws')
  return WebSocket
}
