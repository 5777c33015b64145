import { AsyncResource } from 'node:async_hooks'

/** A timer that a clock has started. */
export type Timer = object

/** The source of time for all deadlines and timers. Tests replace it. */
export interface Clock {
  /** Monotonic time, in milliseconds since an arbitrary moment. */
  now (): number
  /** Unix time in milliseconds. The system clock can be set, so it may jump. */
  unixNow (): number
  /**
   * Runs a function once.
   *
   * @param milliseconds up to 24.8 days; Node treats a longer delay as one millisecond.
   * @param keepsAlive whether the timer keeps the process alive. @default false
   */
  after (milliseconds: number, run: () => void, keepsAlive?: boolean): Timer
  /** Runs a function repeatedly. The timer does not keep the process alive. */
  every (milliseconds: number, run: () => void): Timer
  /** Cancels a timer. Has no effect on `undefined` and on a timer that has run. */
  cancel (timer: undefined | Timer): void
}

// A shared timer runs outside any async context. Else it would keep the `AsyncLocalStorage` stores
// of its first user for as long as it runs.
const nowhere = new AsyncResource('SOCKETCLOCK')

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  unixNow: () => Date.now(),
  after (milliseconds, run, keepsAlive = false) {
    const timer = nowhere.runInAsyncScope(() => setTimeout(run, milliseconds))
    return keepsAlive ? timer : timer.unref()
  },
  every: (milliseconds, run) =>
    nowhere.runInAsyncScope(() => setInterval(run, milliseconds)).unref(),
  cancel (timer) { clearTimeout(timer as undefined | NodeJS.Timeout) }
}

/** Key of the clock in the plugin's options, for tests. It is not a public option. */
export const kClock = Symbol('fastify-socket-route.clock')

/** Returns the clock of an app, given the options of the plugin. */
export function clockOf (options: object): Clock {
  return (options as { readonly [kClock]?: Clock })[kClock] ?? systemClock
}
