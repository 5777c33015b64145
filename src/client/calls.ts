import { abortReasonOf, clientErrors, RequestError } from './errors.js'
import { LONGEST } from './timer.js'
import type { Incoming } from './wire.js'

/** A caller that waits for an answer. */
export interface Call {
  /**
   * Called with the reply. With `more` it is an item of a stream, which a reply without `more`
   * ends.
   */
  onReply (data: unknown, more: boolean): void
  onFailure (error: unknown): void
}

/** How long a caller waits. */
export interface Patience {
  readonly signal?: undefined | AbortSignal
  /** Milliseconds. */
  readonly timeout?: undefined | number
}

/** The calls that wait for an answer of the server. */
export class Calls {
  readonly #calls = new Map<number, Call>()
  readonly #withdraw: (id: number) => void
  readonly #doubt: () => void

  /**
   * @param withdraw tells the server that an answer is no longer wanted.
   * @param doubt called when an answer is late.
   */
  constructor (withdraw: (id: number) => void, doubt: () => void) {
    this.#withdraw = withdraw
    this.#doubt = doubt
  }

  /**
   * Waits for the answer to the message with this id. Returns a function that gives up, and does
   * nothing once the call has ended.
   */
  add (id: number, call: Call, { signal, timeout = Infinity }: Patience): (error: unknown) => void {
    const abandon = (error: unknown) => {
      if (!this.#calls.has(id)) return
      this.#withdraw(id)
      this.fail(id, error)
    }
    const onAbort = () => { abandon(abortReasonOf(signal!)) }
    const onTimeout = () => {
      abandon(new RequestError(clientErrors.timeout, `There was no reply within ${timeout} ms`))
      this.#doubt()
    }
    let timer: undefined | ReturnType<typeof setTimeout>
    // A reply that arrived while the event loop was blocked is read first.
    if (timeout !== Infinity) {
      timer = setTimeout(() => { timer = setTimeout(onTimeout, 0) }, Math.min(timeout, LONGEST))
    }
    signal?.addEventListener('abort', onAbort)
    const rest = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
    this.#calls.set(id, {
      onReply (data, more) {
        if (!more) rest()
        call.onReply(data, more)
      },
      onFailure (error) {
        rest()
        call.onFailure(error)
      }
    })
    return abandon
  }

  /** Ignores an answer to a call that no longer waits. */
  reply ({ id, data, more }: Incoming): void {
    const call = this.#calls.get(id as number)
    if (!more) this.#calls.delete(id as number)
    call?.onReply(data, more)
  }

  fail (id: unknown, error: unknown): void {
    const call = this.#calls.get(id as number)
    this.#calls.delete(id as number)
    call?.onFailure(error)
  }

  /** Fails all calls whose message has been sent. */
  failAll (error: RequestError, isSent: (id: number) => boolean): void {
    for (const id of [...this.#calls.keys()].filter(isSent)) this.fail(id, error)
  }
}
