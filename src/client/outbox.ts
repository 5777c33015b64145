import { clientErrors, RequestError } from './errors.js'

/**
 * The messages that wait for a connection. Each can be removed: a request that was given up must
 * not be carried out later. They are sent after the handlers of `onOpen` have run.
 */
export class Outbox {
  readonly #waiting = new Map<number, string>()
  readonly #limit: number
  readonly #write: (text: string) => boolean

  /** @param write sends a text, and returns whether it was sent. */
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
    if (this.#waiting.size >= this.#limit) {
      throw new RequestError(
        clientErrors.bufferFull,
        `There is no connection, and ${this.#limit} messages wait for one`
      )
    }
    this.#waiting.set(id, text)
  }

  /** Sends the waiting messages. A message that cannot be sent waits on. */
  flush (): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const [id, text] of waiting) this.send(id, text)
  }

  has (id: number): boolean {
    return this.#waiting.has(id)
  }

  /** Removes a message. Returns whether it was still waiting. */
  remove (id: number): boolean {
    return this.#waiting.delete(id)
  }

  clear (): void {
    this.#waiting.clear()
  }
}
