import { nextTick } from 'node:process'

/** An object that is flushed once at the end of a tick. */
export interface Flushable {
  flush (): void
}

const waiting: Flushable[] = []

/** Flushes an item at the end of the tick, after the running code and its microtasks. */
export function flushLater (item: Flushable): void {
  if (waiting.push(item) === 1) nextTick(flushAll)
}

function flushAll (): void {
  let done = 0
  try {
    // The queue may grow meanwhile, as a stream in memory may answer at once.
    while (done < waiting.length) waiting[done++]!.flush()
  } finally {
    waiting.splice(0, done)
    if (waiting.length > 0) nextTick(flushAll)
  }
}
