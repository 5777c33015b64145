import { clientErrors } from './errors.js'
import type { Id, Incoming } from './wire.js'

/** What a handler of an event is told besides its data. */
export interface EventContext {
  /** Aborts when the server does not want the reply any more, or the connection has ended. */
  readonly signal: AbortSignal
}

/** A handler of any event. */
export type Handler = (data: unknown, context: EventContext) => unknown

// A handler, and whether the server gets what it returns.
interface Listener {
  readonly handler: Handler
  readonly isAnswering: boolean
}

/** The handlers of events, and the replies that the server waits for. */
export class Handlers {
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #asked = new Map<Id, AbortController>()
  readonly #write: (text: string) => boolean
  readonly #report: (error: unknown) => void

  /**
   * @param write sends, if there is a connection.
   * @param report takes what handlers throw.
   */
  constructor (write: (text: string) => boolean, report: (error: unknown) => void) {
    this.#write = write
    this.#report = report
  }

  /**
   * Answers what takes the handler away again.
   *
   * @param isAnswering whether the server gets what it returns, if it wants a reply.
   */
  on (type: string, handler: Handler, isAnswering = true): () => void {
    // A function that is there twice is called twice, and taken away once.
    const listener: Listener = { handler, isAnswering }
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners.add(listener))
    return () => { listeners.delete(listener) }
  }

  /** Calls every handler of an event. The server gets the answer of the first, if it wants one. */
  dispatch ({ type, id, data }: Incoming): void {
    const controller = new AbortController()
    if (id !== undefined) {
      // Of an older question with this id nobody would know any more.
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

  /** The server does not want this answer any more. */
  cancel (id: undefined | Id): void {
    const controller = this.#asked.get(id!)
    this.#asked.delete(id!)
    controller?.abort()
  }

  /** The connection has ended: nobody wants any of the answers. */
  cancelAll (): void {
    for (const id of [...this.#asked.keys()]) this.cancel(id)
  }

  async #answer (id: Id, controller: AbortController, result: undefined | Promise<unknown>): Promise<void> {
    const text = await this.#textOf(id, controller.signal, result)
    // It may have been cancelled, or be that of an earlier connection.
    if (this.#asked.get(id) !== controller) return
    this.#asked.delete(id)
    this.#write(text)
  }

  async #textOf (id: Id, signal: AbortSignal, result: undefined | Promise<unknown>): Promise<string> {
    if (result === undefined) return failure(id, clientErrors.noHandler, 'The client has no handler for this event')
    try {
      return JSON.stringify({ type: 'reply', id, data: await result })
    } catch (error) {
      if (!signal.aborted) this.#report(error)
      // What a handler throws is not for the server to read.
      return failure(id, clientErrors.handlerFailed, 'The handler of the client failed')
    }
  }
}

/** Calls a handler, so that what it throws at once is a rejection as well. */
export async function call<Given extends unknown[]> (handler: (...given: Given) => unknown, ...given: Given): Promise<unknown> {
  return await handler(...given)
}

function failure (id: Id, code: string, message: string): string {
  return JSON.stringify({ type: 'error', id, code, message })
}
