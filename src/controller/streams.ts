import type { Readable } from 'node:stream'
import { discard, isThenable } from '../thenable.js'

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
      const iterator = iteratorOf(iterable)
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
          const { done, value } = step
          if (done === true) break
          if (value !== undefined && value !== null) await send(value)
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
      release(iterable, iteratorOf(iterable), this.#onLateFailure)
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
    if (isDestroyable(iterable)) {
      iterable.on('error', onLateFailure)
      await iterable.destroy()
      return
    }
    // Not at once: this may be deep inside a broadcast, or inside the handler that closes.
    await undefined
    await iterator.return?.()
  } catch (error) {
    onLateFailure(error)
  }
}

/** Begins to read a stream. */
export function iteratorOf (iterable: AsyncIterable<unknown>): AsyncIterator<unknown> {
  const iterator = iterable[Symbol.asyncIterator]()
  // Of an async function, by mistake: reading it fails, and if it rejects that must not end the process.
  if (isThenable(iterator)) discard(iterator)
  return iterator
}

// A stream of Node, or of a library that is made like one, holds a file or a socket. Its own iterator would return only after what it is
// waiting for, and destroy it once more.
function isDestroyable (iterable: object & Partial<Pick<Readable, 'on' | 'destroy'>>): iterable is Pick<Readable, 'on' | 'destroy'> {
  return typeof iterable.on === 'function' && typeof iterable.destroy === 'function'
}
