import { clientErrors, RequestError } from './errors.js'

type Result<Item> = IteratorResult<Item, undefined>

/** A queue from a producer of items to an iteration. The number of waiting items is limited. */
export class AsyncQueue<Item> implements AsyncIterator<Item, undefined> {
  readonly #limit: number
  readonly #release: () => void
  readonly #items: Item[] = []
  // Resolves the promises of `next` that wait for an item.
  readonly #waiting: Array<(result: Result<Item> | Promise<Result<Item>>) => void> = []
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
    const resolve = this.#waiting.shift()
    if (resolve !== undefined) resolve({ value: item, done: false })
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
    for (const resolve of this.#waiting.splice(0)) resolve(this.#last())
    this.#release()
  }

  async next (): Promise<Result<Item>> {
    if (this.#items.length > 0) return { value: this.#items.shift()!, done: false }
    if (this.#hasEnded) return await this.#last()
    return await new Promise((resolve) => { this.#waiting.push(resolve) })
  }

  /** Called when a loop is left early. */
  async return (): Promise<Result<Item>> {
    this.#items.length = 0
    this.end()
    this.#failure = undefined
    return await this.#last()
  }

  // A failure is thrown once.
  async #last (): Promise<Result<Item>> {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
    return { value: undefined, done: true }
  }
}
