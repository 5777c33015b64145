/** Waits, turn by turn of the event loop, until something holds. The test's own time-out ends it if that never comes. */
export async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}

/** Lets a number of turns of the event loop pass, for what must not happen meanwhile. */
export async function turns (count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate)
}
