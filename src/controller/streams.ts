import type { Readable } from 'node:stream'

// So many items are handed on before others get their turn: one that has all its items at hand would hold up everybody, for as long as
// its client reads as fast as it is written to.
const SLICE = 32

/** The streams that one connection is being sent. */
export class Streams {
  readonly #stops = new Set<() => void>()
  readonly #onLateFailure: (error: unknown) => void

  /** @param onLateFailure hears of what fails when a stream is stopped, which harms nobody any more. */
  constructor (onLateFailure: (error: unknown) => void) {
    this.#onLateFailure = onLateFailure
  }

  /**
   * Hands each item on, and pulls the next when that is done. Resolves when the stream has ended or was stopped, and rejects with
   * what it, or handing on, throws.
   */
  pump (iterable: AsyncIterable<unknown>, send: (item: unknown) => undefined | Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const iterator = iterable[Symbol.asyncIterator]()
      // A stream that waits for something that never comes must not outlive the connection, so this does not wait for it.
      const stop = () => {
        if (!this.#stops.delete(stop)) return
        resolve()
        release(iterable, iterator, this.#onLateFailure)
      }
      const run = async () => {
        for (let count = 1; this.#stops.has(stop); count++) {
          const step = await iterator.next()
          if (!this.#stops.has(stop)) return
          if (step.done === true) break
          if (step.value !== undefined && step.value !== null) await send(step.value)
          if (count % SLICE === 0) await new Promise(setImmediate)
        }
        this.#stops.delete(stop)
        resolve()
      }
      this.#stops.add(stop)
      run().catch((error: Error) => {
        reject(error)
        stop()
      })
    })
  }

  /** Lets go of a stream that is not going to be sent. */
  drop (iterable: AsyncIterable<unknown>): void {
    try {
      release(iterable, iterable[Symbol.asyncIterator](), this.#onLateFailure)
    } catch (error) {
      this.#onLateFailure(error)
    }
  }

  /** Ends all of them. */
  stop (): void {
    for (const stop of this.#stops) stop()
  }
}

/** Lets go of a stream that is not read to its end. Resolves when that has ended, which may be never; it never rejects. */
export async function release (iterable: AsyncIterable<unknown>, iterator: AsyncIterator<unknown>, onLateFailure: (error: unknown) => void): Promise<void> {
  try {
    destroy(iterable as object, onLateFailure)
  } catch (error) {
    onLateFailure(error)
  }
  try {
    // Not at once: this may be deep inside a broadcast, or inside the handler that closes.
    await undefined
    await iterator.return?.()
  } catch (error) {
    onLateFailure(error)
  }
}

// A stream of Node, or of a library that is made like one, holds a file or a socket, and its own iterator returns only after what it is
// waiting for.
function destroy (iterable: object & Partial<Pick<Readable, 'on' | 'destroy'>>, onLateFailure: (error: unknown) => void): void {
  if (typeof iterable.on !== 'function' || typeof iterable.destroy !== 'function') return
  iterable.on('error', onLateFailure)
  iterable.destroy()
}
