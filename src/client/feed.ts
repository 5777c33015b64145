import { clientErrors, RequestError } from './errors.js'

interface Waiting<Item> {
  resolve (result: IteratorResult<Item, undefined>): void
  reject (error: unknown): void
}

/** A queue from a producer of items to an iteration. The number of waiting items is limited. */
export class Feed<Item> implements AsyncIterator<Item, undefined> {
  readonly #limit: number
  readonly #release: () => void
  readonly #items: Item[] = []
  readonly #waiting: Array<Waiting<Item>> = []
  #hasEnded = false
  #failure: undefined | { readonly error: unknown }

  /**
   * @param limit the largest number of waiting items.
   * @param release called once, when no more items are wanted.
   */
  constructor (limit: number, release: () => void) {
    this.#limit = limit
    this.#release = release
  }

  push (item: Item): void {
    if (this.#hasEnded) return
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) waiting.resolve({ value: item, done: false })
    else if (this.#items.length < this.#limit) this.#items.push(item)
    else {
      this.end({
        error: new RequestError(
          clientErrors.overflow,
          `More than ${this.#limit} items wait to be iterated`
        )
      })
    }
  }

  /** Ends the iteration after the waiting items. With a failure it then throws. */
  end (failure?: { readonly error: unknown }): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#failure = failure
    for (const waiting of this.#waiting.splice(0)) this.#settle(waiting)
    this.#release()
  }

  async next (): Promise<IteratorResult<Item, undefined>> {
    return await new Promise((resolve, reject) => {
      if (this.#items.length > 0) resolve({ value: this.#items.shift()!, done: false })
      else if (this.#hasEnded) this.#settle({ resolve, reject })
      else this.#waiting.push({ resolve, reject })
    })
  }

  /** Called when a loop is left early. */
  async return (): Promise<IteratorResult<Item, undefined>> {
    this.#items.length = 0
    this.end()
    this.#failure = undefined
    return { value: undefined, done: true }
  }

  // A failure is thrown once.
  #settle ({ resolve, reject }: Waiting<Item>): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure === undefined) resolve({ value: undefined, done: true })
    else reject(failure.error)
  }
}
