import { AsyncResource } from 'node:async_hooks'

/** A timer that a clock has started. */
export type Timer = object

/** Time, as everything here takes it that has to do with time. */
export interface Clock {
  /** Milliseconds since some moment: they only go forward, at the same pace. */
  now (): number
  /** Milliseconds of Unix time, which may be set. */
  unixNow (): number
  /**
   * Runs something once.
   *
   * @param milliseconds up to 24.8 days; Node takes what is longer for one millisecond.
   * @param keepsAlive whether the process goes on while it waits. @default false
   */
  after (milliseconds: number, run: () => void, keepsAlive?: boolean): Timer
  /** Runs something again and again; it keeps no process alive. */
  every (milliseconds: number, run: () => void): Timer
  /** Stops a timer, if there is one that still runs. */
  cancel (timer: undefined | Timer): void
}

// A timer that many share is of no context: it would keep the stores of the first (`AsyncLocalStorage`) for as long as it runs.
const nowhere = new AsyncResource('SOCKETCLOCK')

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  unixNow: () => Date.now(),
  after (milliseconds, run, keepsAlive = false) {
    const timer = nowhere.runInAsyncScope(() => setTimeout(run, milliseconds))
    return keepsAlive ? timer : timer.unref()
  },
  every: (milliseconds, run) => nowhere.runInAsyncScope(() => setInterval(run, milliseconds)).unref(),
  cancel (timer) { clearTimeout(timer as undefined | NodeJS.Timeout) }
}

/** Where the options of the plugin have another clock than the machine's, which a test moves. It is no option for users. */
export const kClock = Symbol('fastify-socket-route.clock')

/** The clock of an app, by the options of its plugin. */
export function clockOf (options: object): Clock {
  return (options as { readonly [kClock]?: Clock })[kClock] ?? systemClock
}
