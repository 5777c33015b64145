import { clientErrors, RequestError } from './errors.js'

/**
 * The messages that wait for a connection. Each can be taken out again: a request that has been given up must not be carried out later.
 * They leave after the handlers of `onOpen` have run.
 */
export class Outbox {
  readonly #waiting = new Map<number, string>()
  readonly #limit: number
  readonly #write: (text: string) => boolean

  /** @param write sends, and answers whether it could. */
  constructor (limit: number, write: (text: string) => boolean) {
    this.#limit = limit
    this.#write = write
  }

  get size (): number {
    return this.#waiting.size
  }

  /** @throws `FSR_CLIENT_BUFFER_FULL`. */
  send (id: number, text: string): void {
    if (this.#write(text)) return
    if (this.#waiting.size >= this.#limit) throw new RequestError(clientErrors.bufferFull, `There is no connection, and ${this.#limit} messages wait for one`)
    this.#waiting.set(id, text)
  }

  /** Sends what waits; whatever cannot be sent goes on waiting. */
  flush (): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const [id, text] of waiting) this.send(id, text)
  }

  has (id: number): boolean {
    return this.#waiting.has(id)
  }

  /** Answers whether it was still there. */
  remove (id: number): boolean {
    return this.#waiting.delete(id)
  }

  clear (): void {
    this.#waiting.clear()
  }
}
