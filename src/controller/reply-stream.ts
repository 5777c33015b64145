import type { Frame } from '../message/frame.js'
import { iteratorOf, release } from './streams.js'

/** How the items of a stream are encoded, and the callbacks for its end. */
export interface ReplyStreamOptions {
  encode (item: unknown): Frame
  /** The frame sent after the last item. */
  readonly last: Frame
  /** Returns the error to throw for an error of the stream. */
  wrap (error: unknown): unknown
  /** Called once, when no more frames will be sent. */
  onEnd (): void
  /** Called when the app's stream has ended: later than `onEnd` if the stream was stopped. */
  onReleased (): void
  /** Called with an error of the app's stream after it was stopped: it has no other effect. */
  onLateFailure (error: unknown): void
}

/**
 * Iterates over the frames of a streamed reply, one for each item. It ends as soon as it is
 * stopped, also while the app's stream waits for something that never comes. Later messages of the
 * client do not wait for it.
 */
export class ReplyStream implements AsyncIterableIterator<Frame> {
  readonly #iterable: AsyncIterable<unknown>
  readonly #iterator: AsyncIterator<unknown>
  readonly #options: ReplyStreamOptions
  #isOver = false
  // The promise that the last call of next() returned, while it is pending.
  #waiting: undefined | {
    resolve (step: IteratorResult<Frame>): void
    reject (error: unknown): void
  }

  // The error that the next call of next() rejects with.
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
    // Not Promise.race with a promise that lasts as long as the stream: that would retain some
    // memory for each item.
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#step().then(resolve, reject)
    })
  }

  return (): Promise<IteratorResult<Frame>> {
    this.stop()
    return Promise.resolve(OVER)
  }

  /** Ends the stream without telling the client. */
  stop (): void {
    if (!this.#end()) return
    this.#waiting?.resolve(OVER)
    this.#release()
  }

  /** Ends the stream with an error, which is sent to the client. */
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
    const { onLateFailure, onReleased } = this.#options
    release(this.#iterable, this.#iterator, onLateFailure).then(onReleased)
  }

  async #step (): Promise<IteratorResult<Frame>> {
    const { encode, last, wrap, onLateFailure } = this.#options
    try {
      const { done, value } = await this.#iterator.next()
      if (this.#isOver) return OVER
      this.#waiting = undefined
      if (done !== true) return { done: false, value: encode(value) }
      this.#end()
      this.#options.onReleased()
      return { done: false, value: last }
    } catch (error) {
      if (!this.#end()) {
        onLateFailure(error)
        return OVER
      }
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
