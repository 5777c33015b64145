import type { EventEmitter } from 'node:events'

/** Listeners on the servers of the app. They are removed when it closes: servers may go on. */
export class ServerListeners {
  readonly #removals: Array<() => void> = []

  /** Adds a listener that runs before the existing ones. */
  prepend<Arguments extends unknown[]> (
    server: EventEmitter,
    event: string,
    listener: (...given: Arguments) => void
  ): void {
    // The types of EventEmitter have no arguments of events.
    const added = listener as (...given: unknown[]) => void
    server.prependListener(event, added)
    this.#removals.push(() => { server.removeListener(event, added) })
  }

  /** Adds a function that runs when the listeners are removed. */
  onRemoval (run: () => void): void {
    this.#removals.push(run)
  }

  /** Removes all listeners. */
  remove (): void {
    for (const remove of this.#removals.splice(0)) remove()
  }
}

/** Creates a listener that many emitters can share: `run` is called with the emitter. */
export function listenerOf<Emitter> (run: (emitter: Emitter) => void): (this: Emitter) => void {
  return function () { run(this) }
}
