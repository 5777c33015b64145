import { clientErrors } from './errors.js'
import type { Id, Incoming } from './wire.js'

/** What a handler of an event is told besides its data. */
export interface EventContext {
  /** Aborts when the server does not want the reply any more, or the connection has ended. */
  readonly signal: AbortSignal
}

/** A handler of any event. */
export type Handler = (data: unknown, context: EventContext) => unknown

/** The handlers of events, and the replies that the server waits for. */
export class Handlers {
  readonly #handlers = new Map<string, Set<Handler>>()
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

  /** Answers what takes the handler away again. */
  on (type: string, handler: Handler): () => void {
    // A function that is there twice is called twice, and taken away once.
    const own: Handler = (data, context) => handler(data, context)
    const handlers = this.#handlers.get(type) ?? new Set()
    this.#handlers.set(type, handlers.add(own))
    return () => { handlers.delete(own) }
  }

  /** Calls every handler of an event. The server gets the answer of the first, if it wants one. */
  dispatch ({ type, id, data }: Incoming): void {
    const controller = new AbortController()
    if (id !== undefined) this.#asked.set(id, controller)
    const { signal } = controller
    const results = [...this.#handlers.get(type) ?? []].map(async (handler) => await handler(data, { signal }))
    if (id !== undefined) this.#answer(id, controller, results.shift())
    for (const result of results) result.catch(this.#report)
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

function failure (id: Id, code: string, message: string): string {
  return JSON.stringify({ type: 'error', id, code, message })
}
