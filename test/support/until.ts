// Those of tests that mock them stay away from this.
const { setTimeout: realTimeout, setImmediate: realImmediate } = globalThis

// Turns of the event loop that are watched before the processor is left to others.
const TURNS = 10

// Milliseconds: less than the runner gives a file, which then says only that it took too long.
const LONGEST = 90_000

/** Waits until something holds. @param what is told if that never comes. @default the source of the condition */
export async function until (condition: () => boolean, what = String(condition)): Promise<void> {
  const end = performance.now() + LONGEST
  for (let count = 0; !condition(); count++) {
    if (count < TURNS) await new Promise(realImmediate)
    else await new Promise((resolve) => { realTimeout(resolve, 2) })
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`)
  }
}

/** Lets a number of turns of the event loop pass, for what must not happen meanwhile. */
export async function turns (count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(realImmediate)
}
