import type { Frame } from '../message/frame.js'
import { iteratorOf, release } from './streams.js'

/** How a stream becomes messages. */
export interface ReplyStreamOptions {
  encode (item: unknown): Frame
  /** What is sent when there is no item left. */
  readonly last: Frame
  /** What is thrown in the place of what the stream throws. */
  wrap (error: unknown): unknown
  /** Nothing more will be sent, for whatever reason. */
  onEnd (): void
  /** The stream has come to its end, which may be later if it was stopped. */
  onLeft (): void
}

/**
 * The items of a stream as they are sent, one frame each, until it ends, fails, or is stopped: it is then over at once, also where it
 * waits for something that never comes. It is sent beside the messages that come after the one it answers.
 */
export class ReplyStream implements AsyncIterableIterator<Frame> {
  readonly #iterable: AsyncIterable<unknown>
  readonly #iterator: AsyncIterator<unknown>
  readonly #options: ReplyStreamOptions
  #isOver = false
  // Who waits for the next item.
  #waiting: undefined | { resolve (step: IteratorResult<Frame>): void, reject (error: unknown): void }
  // What is to be thrown in the place of the next item.
  #failure: undefined | { readonly failure: unknown }

  constructor (iterable: AsyncIterable<unknown>, options: ReplyStreamOptions) {
    this.#iterable = iterable
    this.#iterator = iteratorOf(iterable)
    this.#options = options
  }

  [Symbol.asyncIterator] (): this {
    return this
  }

  next (): Promise<IteratorResult<Frame>> {
    if (this.#isOver) return this.#over()
    // Not a race against something that lasts as long as the stream: that would keep a little of each item.
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#step().then(resolve, reject)
    })
  }

  return (): Promise<IteratorResult<Frame>> {
    this.stop()
    return Promise.resolve(OVER)
  }

  /** Nobody wants the rest. */
  stop (): void {
    if (!this.#end()) return
    this.#waiting?.resolve(OVER)
    this.#release()
  }

  /** The rest is not sent, and the client is told why. */
  fail (error: unknown): void {
    if (!this.#end()) return
    const failure = this.#options.wrap(error)
    if (this.#waiting === undefined) this.#failure = { failure }
    else this.#waiting.reject(failure)
    this.#release()
  }

  #over (): Promise<IteratorResult<Frame>> {
    const failed = this.#failure
    this.#failure = undefined
    return failed === undefined ? Promise.resolve(OVER) : Promise.reject(failed.failure)
  }

  #release (): void {
    release(this.#iterable, this.#iterator, () => {}).then(this.#options.onLeft)
  }

  async #step (): Promise<IteratorResult<Frame>> {
    const { encode, last, wrap } = this.#options
    try {
      const { done, value } = await this.#iterator.next()
      if (this.#isOver) return OVER
      this.#waiting = undefined
      if (done !== true) return { done: false, value: encode(value) }
      this.#end()
      this.#options.onLeft()
      return { done: false, value: last }
    } catch (error) {
      if (!this.#end()) return OVER
      this.#release()
      throw wrap(error)
    }
  }

  #end (): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#options.onEnd()
    return true
  }
}

const OVER = { done: true, value: undefined } as const
