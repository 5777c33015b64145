/** A timer that has been started. */
export type Timer = ReturnType<typeof setTimeout>

// The longest delay of a timer, in milliseconds: a longer one would end at once.
const LONGEST = 2 ** 31 - 1

/** Starts a timer that ends after at most 24.8 days, also for `Infinity`. */
export function startTimer (milliseconds: number, callback: () => void): Timer {
  return setTimeout(callback, Math.min(milliseconds, LONGEST))
}
