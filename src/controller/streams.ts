import type { Readable } from 'node:stream'
import { discard, isThenable } from '../thenable.js'

// Items that a stream sends before it yields to the event loop. A stream with all its items at hand
// would block all other connections for as long as its client keeps up.
const SLICE = 32

/** The streams that are being sent on one connection. */
export class Streams {
  readonly #stops = new Set<() => void>()
  readonly #onLateFailure: (error: unknown) => void

  /** @param onLateFailure is given each error of a stopped stream, which has no other effect. */
  constructor (onLateFailure: (error: unknown) => void) {
    this.#onLateFailure = onLateFailure
  }

  /**
   * Sends each item, and pulls the next when that is done. Resolves when the stream has ended or
   * was stopped, and rejects with an error of the stream or of `send`.
   */
  pump (
    iterable: AsyncIterable<unknown>,
    send: (item: unknown) => undefined | Promise<void>
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const iterator = iteratorOf(iterable)
      // Resolves without waiting for the stream: one that waits for something that never comes must
      // not outlive the connection.
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

  /** Releases a stream that is not going to be sent. */
  drop (iterable: AsyncIterable<unknown>): void {
    try {
      release(iterable, iteratorOf(iterable), this.#onLateFailure)
    } catch (error) {
      this.#onLateFailure(error)
    }
  }

  /** Stops all streams. */
  stop (): void {
    for (const stop of this.#stops) stop()
  }
}

/**
 * Releases a stream that is not read to its end. Resolves when the stream has ended, which may be
 * never. Never rejects.
 */
export async function release (
  iterable: AsyncIterable<unknown>,
  iterator: AsyncIterator<unknown>,
  onLateFailure: (error: unknown) => void
): Promise<void> {
  try {
    if (isDestroyable(iterable)) {
      iterable.on('error', onLateFailure)
      await iterable.destroy()
      return
    }
    // Not synchronously: the caller may be deep inside a broadcast, or the handler that closes.
    await undefined
    await iterator.return?.()
  } catch (error) {
    onLateFailure(error)
  }
}

/** Returns the iterator of a stream. */
export function iteratorOf (iterable: AsyncIterable<unknown>): AsyncIterator<unknown> {
  const iterator = iterable[Symbol.asyncIterator]()
  // [Symbol.asyncIterator] is an async function, by mistake. Reading fails with an error; a
  // rejection of the promise must not end the process.
  if (isThenable(iterator)) discard(iterator)
  return iterator
}

// A stream of Node, or one made like it, holds a file or a socket, and has to be destroyed. The
// return() of its iterator would wait for the pending read first, and destroy it a second time.
function isDestroyable (
  iterable: object & Partial<Pick<Readable, 'on' | 'destroy'>>
): iterable is Pick<Readable, 'on' | 'destroy'> {
  return typeof iterable.on === 'function' && typeof iterable.destroy === 'function'
}
