import type { Envelope } from '../protocol/envelope.js'
import { abortReasonOf, clientErrors, RequestError } from './errors.js'
import { startTimer, type Timer } from './timer.js'

/** A caller that waits for an answer. */
export interface Call {
  /**
   * Called with the reply. With `more` it is an item of a stream, which a reply without `more`
   * ends.
   */
  readonly onReply: (data: unknown, more: boolean) => void
  readonly onFailure: (error: unknown) => void
}

/** How long a caller waits. */
export interface WaitOptions {
  readonly signal?: undefined | AbortSignal
  /** Milliseconds. */
  readonly timeout?: undefined | number
}

interface WaitingCall extends Call {
  /** Stops the timer, and the listener of the signal. */
  readonly rest: () => void
}

/** The calls that wait for an answer of the server. */
export class Calls {
  readonly #calls = new Map<number, WaitingCall>()
  readonly #cancel: (id: number) => void
  readonly #doubt: () => void

  /**
   * @param cancel tells the server that an answer is no longer wanted.
   * @param doubt called when an answer is late.
   */
  constructor (cancel: (id: number) => void, doubt: () => void) {
    this.#cancel = cancel
    this.#doubt = doubt
  }

  /**
   * Waits for the answer to the message with this id. Returns a function that gives up, and does
   * nothing once the call has ended.
   */
  add (
    id: number,
    call: Call,
    { signal, timeout = Infinity }: WaitOptions
  ): (error: unknown) => void {
    const abandon = (error: unknown) => {
      if (!this.#calls.has(id)) return
      this.#cancel(id)
      this.fail(id, error)
    }
    const onAbort = () => { abandon(abortReasonOf(signal!)) }
    const onTimeout = () => {
      abandon(new RequestError(clientErrors.timeout, `There was no reply within ${timeout} ms`))
      this.#doubt()
    }
    let timer: undefined | Timer
    // A reply that arrived while the event loop was blocked is read first.
    if (timeout !== Infinity) {
      timer = startTimer(timeout, () => { timer = startTimer(0, onTimeout) })
    }
    signal?.addEventListener('abort', onAbort)
    this.#calls.set(id, {
      ...call,
      rest: () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
    })
    return abandon
  }

  /** Ignores an answer to a call that no longer waits. */
  reply ({ id, data, more }: Envelope): void {
    const call = more ? this.#calls.get(id as number) : this.#remove(id)
    call?.onReply(data, more)
  }

  fail (id: unknown, error: unknown): void {
    this.#remove(id)?.onFailure(error)
  }

  /** Fails all calls whose message has been sent. */
  failAll (error: RequestError, isSent: (id: number) => boolean): void {
    for (const id of [...this.#calls.keys()].filter(isSent)) this.fail(id, error)
  }

  #remove (id: unknown): undefined | Call {
    const call = this.#calls.get(id as number)
    this.#calls.delete(id as number)
    call?.rest()
    return call
  }
}
