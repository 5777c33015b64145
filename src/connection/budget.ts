/** The bytes queued for all lagging clients of a process, and their limit. */
export class Budget {
  /** Bytes. */
  readonly limit: number
  #used = 0

  /** @param limit bytes. */
  constructor (limit: number) {
    this.limit = limit
  }

  /** Bytes queued in the outboxes of all clients that lag. */
  get used (): number {
    return this.#used
  }

  get isExceeded (): boolean {
    return this.#used > this.limit
  }

  /** @param bytes to add to the total; negative to subtract. */
  adjust (bytes: number): void {
    this.#used += bytes
  }
}
