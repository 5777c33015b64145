import { messageText, parseEnvelope } from '../protocol/envelope.js'
import type { Address } from './address.js'
import { AsyncQueue } from './async-queue.js'
import type { UnknownRoute } from './contract.js'
import { warn } from './environment.js'
import {
  abortReasonOf,
  ClientError,
  RequestError,
  clientErrors,
  closed,
  disconnected
} from './errors.js'
import { call, Handlers, type Handler } from './handlers.js'
import { complete, settingsOf, type ClientOptions, type Settings } from './options.js'
import { Outbox } from './outbox.js'
import { PendingRequests, type PendingRequest, type WaitOptions } from './pending-requests.js'
import type { Closed } from './reconnection.js'
import { Renewal } from './renewal.js'
import type {
  ClosedConnection,
  IterationOptions,
  RequestOptions,
  SocketClient
} from './client-types.js'
import { startTimer } from './timer.js'
import { Transport } from './transport.js'

/** The implementation of the client, without the types of a route. */
export class Client implements Record<keyof SocketClient<UnknownRoute>, unknown> {
  readonly closed: Promise<Closed>
  readonly #settings: Settings
  readonly #transport: Transport
  readonly #outbox: Outbox
  readonly #pending: PendingRequests
  readonly #handlers: Handlers
  readonly #renewal: Renewal
  readonly #queues = new Set<AsyncQueue<unknown>>()
  readonly #onOpen = new Set<() => unknown>()
  readonly #onClose = new Set<(closed: ClosedConnection) => unknown>()
  #opening = gate<void>()
  readonly #closing = gate<Closed>()
  #isOpen = false
  #hasEnded = false
  // Whether the console has a warning about the current outage.
  #hasWarned = false
  #lastId = 0

  constructor (address: Address, options: ClientOptions) {
    const write = (text: string) => this.#transport.send(text)
    const settings = settingsOf(options)
    this.#settings = settings
    this.closed = this.#closing.promise
    this.#outbox = new Outbox(settings.buffer, write)
    this.#pending = new PendingRequests(
      (id) => { if (!this.#outbox.delete(id)) write(messageText('cancel', id)) },
      () => { this.#transport.check() }
    )
    this.#handlers = new Handlers(write, (error) => { this.#reportHandlerError(error) })
    this.#renewal = new Renewal({
      before: settings.renewBefore,
      provide: () => settings.token?.(),
      renew: (token) => this.renew(token),
      report: (error) => { this.#report(error) }
    })
    this.#transport = new Transport(address, settings, {
      onOpen: (token) => { this.#open(token) },
      onMessage: (data) => { this.#receive(data) },
      onDown: (closed, willReconnect, failure) => { this.#down(closed, willReconnect, failure) },
      onFailure: (error) => { this.#reportFailure(error) }
    })
    try {
      this.#transport.start()
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      // During server-side rendering the client is not used, so there is nothing to report.
      if (error.code !== clientErrors.noPage) this.#report(error)
    }
  }

  get isOpen (): boolean {
    return this.#isOpen && this.#transport.isOpen
  }

  get opened (): Promise<void> {
    if (!this.#hasEnded) {
      try {
        this.#transport.start()
      } catch (error) {
        // Not a rejection that ends the process: `opened` may be read at the top of a module,
        // during server-side rendering.
        const never = Promise.reject(error)
        never.catch(() => {})
        return never
      }
    }
    return this.#opening.promise
  }

  send (type: string, data?: unknown): void {
    this.#post(type, data)
  }

  request (type: string, data?: unknown, options: RequestOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#ask(type, data, {
        // If the server answers with a stream, its last message resolves the request.
        onReply (data, more) { if (!more) resolve(data) },
        onFailure: reject
      }, complete(options, { timeout: this.#settings.timeout, signal: undefined }))
    })
  }

  stream (type: string, data?: unknown, options?: IterationOptions): AsyncIterable<unknown> {
    return iterable(options, ({ signal, buffer }) => {
      let abandon = (_error?: unknown) => {}
      const queue = this.#createQueue(buffer, () => { abandon() })
      try {
        abandon = this.#ask(type, data, {
          onReply (item, more) { if (more) queue.push(item); else queue.end() },
          onFailure (error) { queue.end({ error }) }
        }, { signal })
      } catch (error) {
        queue.end({ error })
      }
      return queue
    })
  }

  on (type: string, handler: Handler): () => void {
    return this.#handlers.on(type, handler)
  }

  events (type: string, options?: IterationOptions): AsyncIterable<unknown> {
    return iterable(options, ({ signal, buffer }) => {
      const end = () => { queue.end() }
      const queue = this.#createQueue(buffer, () => {
        off()
        signal?.removeEventListener('abort', end)
      })
      const off = this.#handlers.on(type, (data) => { queue.push(data) }, false)
      signal?.addEventListener('abort', end)
      if (this.#hasEnded || signal?.aborted) end()
      return queue
    })
  }

  onOpen (handler: () => void): () => void {
    return subscribed(this.#onOpen, handler)
  }

  onClose (handler: (closed: ClosedConnection) => void): () => void {
    return subscribed(this.#onClose, handler)
  }

  reconnect (): void {
    if (this.#hasEnded) throw closed()
    this.#transport.reconnect()
  }

  async renew (token: string): Promise<void> {
    // The token is for this connection: the next one gets its own.
    if (!this.isOpen) throw disconnected()
    await this.request('renew', { token })
    this.#renewal.plan(token)
  }

  close (code = 1000, reason = ''): void {
    if (code !== 1000 && ((code | 0) !== code || code < 3000 || code > 4999)) {
      throw new RangeError('The code must be 1000 or 3000 to 4999')
    }
    if (byteLength(reason) > 123) throw new RangeError('The reason has at most 123 bytes')
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#transport.close(code, reason)
    this.#finish({ code, reason })
  }

  #post (type: string, data: unknown, wantsAnswer = false): number {
    if (this.#hasEnded) throw closed()
    this.#transport.start()
    const id = ++this.#lastId
    this.#outbox.send(id, messageText(type, wantsAnswer ? id : undefined, JSON.stringify(data)))
    return id
  }

  #ask (
    type: string,
    data: unknown,
    request: PendingRequest,
    wait: WaitOptions
  ): (error: unknown) => void {
    if (wait.signal?.aborted) throw abortReasonOf(wait.signal)
    return this.#pending.add(this.#post(type, data, true), request, wait)
  }

  #createQueue (limit: number, release: () => void): AsyncQueue<unknown> {
    const queue: AsyncQueue<unknown> = new AsyncQueue(limit, () => {
      this.#queues.delete(queue)
      release()
    })
    this.#queues.add(queue)
    return queue
  }

  #open (token: undefined | string): void {
    this.#isOpen = true
    this.#hasWarned = false
    this.#renewal.plan(token)
    this.#opening.resolve()
    this.#notify(this.#onOpen)
    this.#outbox.flush()
  }

  #receive (data: unknown): void {
    const message = typeof data === 'string' ? parseEnvelope(data) : undefined
    if (message === undefined) {
      this.#report(new ClientError(clientErrors.protocol, 'Not a message of the protocol'))
      return
    }
    const { type, id, code, path } = message
    if (type === 'reply') this.#pending.reply(message)
    else if (type === 'cancel') this.#handlers.cancel(id)
    else if (type !== 'error') this.#handlers.dispatch(message)
    else if (id === undefined) this.#report(new RequestError(code, message.message, path))
    else this.#pending.fail(id, new RequestError(code, message.message, path))
  }

  #down (closed: Closed, willReconnect: boolean, failure: unknown): void {
    if (!willReconnect) {
      this.#hasEnded = true
      this.#transport.close(1000, '')
      this.#finish(closed, failure)
    } else if (this.#isOpen) {
      this.#endConnection()
      this.#pending.failAll(disconnected(), (id) => !this.#outbox.has(id))
      this.#notify(this.#onClose, { ...closed, willReconnect })
    }
  }

  #finish ({ code, reason }: Closed, failure?: unknown): void {
    const error = closed(failure)
    this.#endConnection()
    this.#opening.reject(error)
    this.#pending.failAll(error, (id) => {
      this.#outbox.delete(id)
      return true
    })
    if (this.#outbox.size > 0) {
      this.#report(
        new ClientError(
          clientErrors.closed,
          `The client is closed, and ${this.#outbox.size} messages were not sent`
        )
      )
    }
    this.#outbox.clear()
    for (const queue of [...this.#queues]) queue.end()
    this.#closing.resolve({ code, reason })
    this.#notify(this.#onClose, { code, reason, willReconnect: false })
  }

  // Ends everything that belongs to the connection.
  #endConnection (): void {
    if (this.#isOpen) this.#opening = gate()
    this.#isOpen = false
    this.#renewal.stop()
    this.#handlers.cancelAll()
  }

  #notify<Event extends unknown[]> (
    handlers: Set<(...event: Event) => unknown>,
    ...event: Event
  ): void {
    for (const handler of [...handlers]) {
      call(handler, ...event).catch((error: unknown) => { this.#reportHandlerError(error) })
    }
  }

  // In a microtask, so that an error of `onError` affects nothing here.
  #report (error: unknown): void {
    const { onError } = this.#settings
    if (onError === undefined) warn(error)
    // `await`, as an app may have replaced the `then` of the promise that it returns.
    else Promise.resolve().then(async () => await onError(error)).catch(warn)
  }

  // The console gets a warning for the first of several failing attempts to connect.
  #reportFailure (error: unknown): void {
    if (this.#settings.onError !== undefined || !this.#hasWarned) this.#report(error)
    this.#hasWarned = true
  }

  // An error of the app's handlers must not pass unnoticed.
  #reportHandlerError (error: unknown): void {
    if (this.#settings.onError === undefined) startTimer(0, () => { throw error })
    else this.#report(error)
  }
}

interface Iteration extends IterationOptions {
  readonly buffer: number
}

interface Gate<Value> {
  readonly promise: Promise<Value>
  resolve (value: Value): void
  reject (error: unknown): void
}

function gate<Value> (): Gate<Value> {
  let settle!: Omit<Gate<Value>, 'promise'>
  const promise = new Promise<Value>((resolve, reject) => { settle = { resolve, reject } })
  // A rejection without a listener must not end the process.
  promise.catch(() => {})
  return { promise, ...settle }
}

// A function that is added twice is called twice, and removed once.
function subscribed<Event extends unknown[]> (
  handlers: Set<(...event: Event) => unknown>,
  handler: (...event: Event) => unknown
): () => void {
  const own = (...event: Event) => handler(...event)
  handlers.add(own)
  return () => { handlers.delete(own) }
}

function iterable (
  given: IterationOptions = {},
  iterate: (options: Iteration) => AsyncIterator<unknown, undefined>
): AsyncIterable<unknown> {
  const options = complete<Iteration>(given, { signal: undefined, buffer: 10_000 })
  return { [Symbol.asyncIterator]: () => iterate(options) }
}

// Returns the length of a text in UTF-8 bytes, without `TextEncoder`, which Jest's jsdom and older
// React Native lack.
function byteLength (text: string): number {
  return text
    .replace(/[^\0-\uffff]/gu, '____')
    .replace(/[^\0-\u07ff]/g, '___')
    .replace(/[^\0-\x7f]/g, '__')
    .length
}
