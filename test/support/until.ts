// The real functions, also if a test mocks them.
const { setTimeout: realTimeout, setImmediate: realImmediate } = globalThis

// Turns of the event loop that are watched before the processor is left to others.
const TURNS = 10

// Looks, not time, as they are fewer where other processes have the processor: a minute and a half
// where none has.
const MOST = 40_000

/**
 * Waits until something holds. @param what is told if that never comes. @default the source of the
 * condition
 */
export async function until (condition: () => boolean, what = String(condition)): Promise<void> {
  for (let count = 0; !condition(); count++) {
    if (count === MOST) throw new Error(`waited in vain until ${what}`)
    await pause(count)
  }
}

/**
 * The time between two looks at something. @param count how many looks there have been: after some
 * the processor is left to others.
 */
export async function pause (count: number): Promise<void> {
  await new Promise((resolve) => {
    count < TURNS ? realImmediate(resolve) : realTimeout(resolve, 2)
  })
}

/** Lets a number of turns of the event loop pass, for what must not happen meanwhile. */
export async function turns (count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(realImmediate)
}
