import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../clock.js'
import { closeCodes } from '../protocol/close-codes.js'
import type { Live, LiveSet } from '../connection/connection-roles.js'
import { FairTimer } from '../connection/fair-timer.js'
import { writeLog } from '../log.js'

/** How the connections of an app are closed. Durations in milliseconds. */
export interface DrainSettings {
  readonly deadline: number
  readonly batch: number
  readonly interval: number
}

/** The live connections of the app, which are closed together with it. */
export class Drain implements LiveSet {
  readonly #clock: Clock
  readonly #live = new Set<Live>()
  /** Whether the app is closing and refuses new connections. Set by `begin()`. */
  isClosing = false
  #onEmpty: undefined | (() => void)

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** The number of live connections. */
  get size (): number {
    return this.#live.size
  }

  /** Refuses connections from now on. */
  begin (): void {
    this.isClosing = true
  }

  [Symbol.iterator] (): IterableIterator<Live> {
    return this.#live.values()
  }

  add (connection: Live): void {
    this.#live.add(connection)
    // The upgrade began before the app began to close.
    if (this.isClosing) connection.closeWith(closeCodes.restart)
  }

  delete (connection: Live): void {
    this.#live.delete(connection)
    if (this.#live.size === 0) this.#onEmpty?.()
  }

  /**
   * Closes all connections in order: handlers end, `onClose` runs, and a close frame is sent and
   * answered. Resolves when every `onClose` has settled and every socket is closed, or at the
   * deadline.
   *
   * Connections that are still open after four fifths of the deadline are terminated. An `onClose`
   * that a handler has blocked until then has the rest of the time.
   *
   * @param owner has the log for connections that did not close in time.
   */
  async run (
    { deadline, batch, interval }: DrainSettings,
    owner: { readonly log: FastifyBaseLogger }
  ): Promise<void> {
    this.begin()
    const cut = this.#clock.now() + deadline * 4 / 5
    const last = this.#clock.now() + deadline * 2 / 5
    const pauses = Math.max(1, Math.ceil(this.#live.size / batch) - 1)
    // The last batch begins when half of the time to close is left.
    const pause = Math.min(interval, deadline * 2 / 5 / pauses)
    let count = 0
    for (const connection of [...this.#live]) {
      // A timer takes at least one millisecond, which would add up over many small batches.
      if (count > 0 && count % batch === 0 && this.#clock.now() < last) await this.#wait(pause)
      connection.closeWith(closeCodes.restart)
      count++
    }
    if (await this.#isEmptyBy(cut, deadline / 5)) return
    writeLog(
      owner,
      'warn',
      { connections: this.#live.size },
      'connections did not close in time; terminating them'
    )
    for (const connection of this.#live) connection.onCloseTimeout()
    if (await this.#isEmptyBy(this.#clock.now() + deadline / 5, deadline / 5)) return
    writeLog(owner, 'warn', { connections: this.#live.size }, 'onClose did not end in time')
  }

  #wait (milliseconds: number): Promise<void> {
    return new Promise((resolve) => { this.#clock.after(milliseconds, resolve, true) })
  }

  #isEmptyBy (due: number, grace: number): Promise<boolean> {
    if (this.#live.size === 0) return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = new FairTimer(this.#clock, { due, grace, keepsAlive: true }, () => {
        resolve(false)
      })
      this.#onEmpty = () => {
        timer.cancel()
        resolve(true)
      }
    })
  }
}
