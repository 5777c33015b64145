import type { EventEmitter } from 'node:events'
import { internalOf } from '../fastify-internals.js'

/** Listeners on the app's servers, which may go on when the app is closed: all of them are removed then. */
export class ServerListeners {
  readonly #removals: Array<() => void> = []

  /** Adds a listener that runs before those that are there. */
  prepend<Arguments extends unknown[]> (server: EventEmitter, event: string, listener: (...given: Arguments) => void): void {
    // Types of EventEmitter do not tell what an event has.
    const added = listener as (...given: unknown[]) => void
    server.prependListener(event, added)
    this.#removals.push(() => { server.removeListener(event, added) })
  }

  /** Adds what is to be done besides when the listeners are removed. */
  onRemoval (run: () => void): void {
    this.#removals.push(run)
  }

  /** Leaves the servers as they were. */
  remove (): void {
    for (const remove of this.#removals.splice(0)) remove()
  }
}

/** One listener for all emitters, which is given the one that calls it. */
export function listenerOf<Emitter> (run: (emitter: Emitter) => void): (this: Emitter) => void {
  return function () { run(this) }
}

/**
 * The servers that Fastify has for further addresses, such as `::1` where it listens on `localhost`. Fastify passes their upgrades
 * to the first server, and shows the others by this symbol only.
 */
export function furtherServers (fastify: object): readonly EventEmitter[] {
  return (internalOf(fastify, 'fastify.serverBindings') ?? []) as readonly EventEmitter[]
}
