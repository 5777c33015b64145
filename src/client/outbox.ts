import { clientErrors, RequestError } from './errors.js'

/**
 * The messages that wait for a connection. Each can be removed: a request that was given up must
 * not be carried out later. They are sent after the handlers of `onOpen` have run.
 */
export class Outbox extends Map<number, string> {
  readonly #limit: number
  readonly #write: (text: string) => boolean

  /** @param write sends a text, and returns whether it was sent. */
  constructor (limit: number, write: (text: string) => boolean) {
    super()
    this.#limit = limit
    this.#write = write
  }

  /** @throws `FSR_CLIENT_BUFFER_FULL`. */
  send (id: number, text: string): void {
    if (this.#write(text)) return
    if (this.size >= this.#limit) {
      throw new RequestError(
        clientErrors.bufferFull,
        `There is no connection, and ${this.#limit} messages wait for one`
      )
    }
    this.set(id, text)
  }

  /** Sends the waiting messages. A message that cannot be sent waits on. */
  flush (): void {
    const waiting = [...this]
    this.clear()
    for (const [id, text] of waiting) this.send(id, text)
  }
}
