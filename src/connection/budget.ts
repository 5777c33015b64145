/** What waits for all slow clients of a process together. */
export class Budget {
  /** Bytes. */
  readonly limit: number
  #used = 0

  /** @param limit bytes. */
  constructor (limit: number) {
    this.limit = limit
  }

  /** Bytes that wait in all outboxes of clients that lag. */
  get used (): number {
    return this.#used
  }

  get isExceeded (): boolean {
    return this.#used > this.limit
  }

  /** @param bytes by which more waits; negative for less. */
  adjust (bytes: number): void {
    this.#used += bytes
  }
}
