import { errorText, messageText, type Envelope, type MessageId } from '../protocol/envelope.js'
import { clientErrors } from './errors.js'

/** The second argument of an event handler. */
export interface EventContext {
  /** Aborts when the server no longer wants the reply, or the connection has ended. */
  readonly signal: AbortSignal
}

/** A handler of any event. */
export type Handler = (data: unknown, context: EventContext) => unknown

// A handler, and whether its return value may be the reply.
interface Listener {
  readonly handler: Handler
  readonly isAnswering: boolean
}

/** The handlers of events, and the replies that the server is waiting for. */
export class Handlers {
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #asked = new Map<MessageId, AbortController>()
  readonly #write: (text: string) => boolean
  readonly #report: (error: unknown) => void

  /**
   * @param write sends a text, if there is a connection.
   * @param report gets the errors of handlers.
   */
  constructor (write: (text: string) => boolean, report: (error: unknown) => void) {
    this.#write = write
    this.#report = report
  }

  /**
   * Adds a handler. Returns a function that removes the handler.
   *
   * @param isAnswering whether the return value may be the reply.
   * @throws TypeError if the handler is not a function.
   */
  on (type: string, handler: Handler, isAnswering = true): () => void {
    // It would fail only at its first call.
    if (typeof handler !== 'function') throw new TypeError('handler must be a function')
    // A function that is added twice is called twice, and removed once.
    const listener: Listener = { handler, isAnswering }
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners.add(listener))
    return () => { listeners.delete(listener) }
  }

  /**
   * Calls every handler of an event. The result of the first one is the reply, if the server wants
   * one.
   */
  dispatch ({ type, id, data }: Envelope): void {
    const controller = new AbortController()
    if (id !== undefined) {
      // Aborts an earlier event with the same id.
      this.cancel(id)
      this.#asked.set(id, controller)
    }
    const { signal } = controller
    let answer: undefined | Promise<unknown>
    for (const { handler, isAnswering } of [...this.#listeners.get(type) ?? []]) {
      const result = call(handler, data, { signal })
      if (id !== undefined && isAnswering && answer === undefined) answer = result
      else result.catch(this.#report)
    }
    if (id !== undefined) this.#answer(id, controller, answer)
  }

  /** Aborts a reply that the server no longer wants. */
  cancel (id: undefined | MessageId): void {
    const controller = this.#asked.get(id!)
    this.#asked.delete(id!)
    controller?.abort()
  }

  /** Aborts all replies, as the connection has ended. */
  cancelAll (): void {
    for (const id of [...this.#asked.keys()]) this.cancel(id)
  }

  async #answer (
    id: MessageId,
    controller: AbortController,
    result: undefined | Promise<unknown>
  ): Promise<void> {
    let text: string
    try {
      text = result === undefined
        ? errorText(id, {
          code: clientErrors.noHandler,
          message: 'The client has no handler for this event'
        })
        : messageText('reply', id, JSON.stringify(await result))
    } catch (error) {
      if (!controller.signal.aborted) this.#report(error)
      // The server must not see the error of a handler.
      text = errorText(id, {
        code: clientErrors.handlerFailed,
        message: 'The handler of the client failed'
      })
    }
    // The reply may have been cancelled, or belong to an earlier connection.
    if (this.#asked.get(id) !== controller) return
    this.#asked.delete(id)
    this.#write(text)
  }
}

/** Calls a handler. A synchronous exception becomes a rejection. */
export async function call<Given extends unknown[]> (
  handler: (...given: Given) => unknown,
  ...given: Given
): Promise<unknown> {
  return await handler(...given)
}
