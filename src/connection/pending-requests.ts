import type { Clock } from '../clock.js'
import { errors } from '../errors.js'
import type { Request } from '../message/codec.js'
import { checkAmount, checkArgument, checkMembers } from '../option-checks.js'
import type { MessageId } from '../protocol/envelope.js'
import type { Outbox } from './outbox.js'
import { FairTimer } from './fair-timer.js'

/** The options of a request. */
export interface RequestOptions {
  /**
   * Milliseconds to wait for the answer. `Infinity`: no limit.
   *
   * @default 10_000
   */
  readonly timeout?: undefined | number
  /** Cancels the request with its reason. If already aborted, nothing is sent. */
  readonly signal?: undefined | AbortSignal
}

/**
 * Checks the options of a request.
 *
 * @throws `FSR_ERR_OPTION_INVALID`, as a mistake would go unnoticed and wait too long or not at
 * all.
 */
export function checkRequestOptions (options: RequestOptions): void {
  // Catches a signal passed in place of the options, for instance.
  checkMembers(options, 'The last argument of request()', ['timeout', 'signal'])
  const { timeout, signal } = options
  if (timeout !== undefined) {
    checkAmount(timeout, 'Option timeout of request()', 'milliseconds', true)
  }
  checkArgument(signal === undefined || isSignal(signal), 'Option signal of request()',
    'is not an AbortSignal')
}

function isSignal (value: unknown): boolean {
  const { aborted, addEventListener } = Object(value) as Partial<AbortSignal>
  return typeof aborted === 'boolean' && typeof addEventListener === 'function'
}

interface Pending {
  readonly accept: Request['accept']
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

// The callbacks of each signal: one listener serves all requests that share it, as Node warns about
// more than ten.
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

// Returns a function that removes the callback.
function onAbort (signal: AbortSignal, callback: () => void): () => void {
  let callbacks = waiting.get(signal)
  if (callbacks === undefined) {
    const all = callbacks = new Set()
    signal.addEventListener('abort', () => { for (const each of all) each() }, { once: true })
    waiting.set(signal, all)
  }
  callbacks.add(callback)
  return () => { callbacks.delete(callback) }
}

/** The requests of the server to one client that are not answered yet. */
export class PendingRequests {
  readonly #clock: Clock
  readonly #outbox: Outbox
  readonly #pending = new Map<MessageId, Pending>()
  #isAborted = false

  constructor (clock: Clock, outbox: Outbox) {
    this.#clock = clock
    this.#outbox = outbox
  }

  /** Whether any request is pending. */
  get isBusy (): boolean {
    return this.#pending.size > 0
  }

  /**
   * Waits for the answer to a request that is about to be sent. Nothing is kept of the request
   * afterwards, however it ends.
   *
   * @throws `FSR_ERR_REQUEST_TIMEOUT`, `FSR_ERR_REQUEST_REFUSED`, `FSR_ERR_REQUEST_ENDED`,
   * `FSR_ERR_ANSWER_INVALID`, the reason of the signal.
   */
  wait (
    { id, accept, cancel }: Request,
    { timeout = 10_000, signal }: RequestOptions
  ): Promise<unknown> {
    if (this.#isAborted) return Promise.reject(new errors.RequestEnded())
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const giveUp = (error: unknown): void => {
        this.#outbox.send(cancel)
        settle()
        reject(error)
      }
      const settle = (): void => {
        this.#pending.delete(id)
        timer?.cancel()
        forget?.()
      }
      // Before the timer is started: the signal may be of a library and throw, which must leave no
      // timer behind.
      const forget = signal === undefined
        ? undefined
        : onAbort(signal, () => { giveUp(signal.reason) })
      const timer = timeout === Infinity
        ? undefined
        : new FairTimer(
          this.#clock,
          { due: this.#clock.now() + timeout, grace: timeout },
          () => { giveUp(new errors.RequestTimeout()) }
        )
      this.#pending.set(id, {
        accept,
        resolve: (value) => { settle(); resolve(value) },
        reject: (error) => { settle(); reject(error) }
      })
    })
  }

  /** Whether a request is pending. It is not if it was cancelled or failed before it was sent. */
  awaits ({ id }: Pick<Request, 'id'>): boolean {
    return this.#pending.has(id)
  }

  /** The client has answered. An answer without a pending request is ignored. */
  answered (id: MessageId, data: unknown): void {
    const request = this.#pending.get(id)
    if (request === undefined) return
    try {
      request.resolve(request.accept(data))
    } catch (error) {
      request.reject(error)
    }
  }

  /** The client has answered with an error. */
  refused (id: MessageId, error: Error): void {
    this.#pending.get(id)?.reject(error)
  }

  /** The connection has begun to close. */
  abort (): void {
    this.#isAborted = true
    for (const { reject } of this.#pending.values()) reject(new errors.RequestEnded())
  }
}
