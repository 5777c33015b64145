import type { Envelope } from '../protocol/envelope.js'
import { abortReasonOf, clientErrors, RequestError } from './errors.js'
import { startTimer, type Timer } from './timer.js'

/** A request or a stream that waits for an answer. */
export interface PendingRequest {
  /**
   * Called with the reply. With `more` it is an item of a stream, which a reply without `more`
   * ends.
   */
  readonly onReply: (data: unknown, more: boolean) => void
  readonly onFailure: (error: unknown) => void
}

/** How long a request waits. */
export interface WaitOptions {
  readonly signal?: undefined | AbortSignal
  /** Milliseconds. */
  readonly timeout?: undefined | number
}

interface TimedRequest extends PendingRequest {
  /** Stops the timer, and the listener of the signal. */
  readonly stop: () => void
}

/** The requests and streams that wait for an answer of the server. */
export class PendingRequests {
  readonly #pending = new Map<number, TimedRequest>()
  readonly #cancel: (id: number) => void
  readonly #check: () => void

  /**
   * @param cancel tells the server that an answer is no longer wanted.
   * @param check called when an answer is late.
   */
  constructor (cancel: (id: number) => void, check: () => void) {
    this.#cancel = cancel
    this.#check = check
  }

  /**
   * Waits for the answer to the message with this id. Returns a function that gives up, and does
   * nothing once the request has ended.
   */
  add (
    id: number,
    request: PendingRequest,
    { signal, timeout = Infinity }: WaitOptions
  ): (error: unknown) => void {
    const abandon = (error: unknown) => {
      if (!this.#pending.has(id)) return
      this.#cancel(id)
      this.fail(id, error)
    }
    const onAbort = () => { abandon(abortReasonOf(signal!)) }
    const onTimeout = () => {
      abandon(new RequestError(clientErrors.timeout, `There was no reply within ${timeout} ms`))
      this.#check()
    }
    let timer: undefined | Timer
    // A reply that arrived while the event loop was blocked is read first.
    if (timeout !== Infinity) {
      timer = startTimer(timeout, () => { timer = startTimer(0, onTimeout) })
    }
    signal?.addEventListener('abort', onAbort)
    this.#pending.set(id, {
      ...request,
      stop: () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
    })
    return abandon
  }

  /** Ignores an answer to a request that no longer waits. */
  reply ({ id, data, more }: Envelope): void {
    const request = more ? this.#pending.get(id as number) : this.#remove(id)
    request?.onReply(data, more)
  }

  fail (id: unknown, error: unknown): void {
    this.#remove(id)?.onFailure(error)
  }

  /** Fails all requests whose message has been sent. */
  failAll (error: RequestError, isSent: (id: number) => boolean): void {
    for (const id of [...this.#pending.keys()].filter(isSent)) this.fail(id, error)
  }

  #remove (id: unknown): undefined | PendingRequest {
    const request = this.#pending.get(id as number)
    this.#pending.delete(id as number)
    request?.stop()
    return request
  }
}
