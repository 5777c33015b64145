import { nextTick } from 'node:process'

/** An object that is flushed once at the end of a tick. */
export interface Flushable {
  flush (): void
}

const waiting: Flushable[] = []
// The number of calls of `holdFlushes` without their `flushHeld`.
let holds = 0
let isFlushing = false

/** Flushes an item at the end of the tick, after the running code and its microtasks. */
export function flushLater (item: Flushable): void {
  if (waiting.push(item) === 1 && holds === 0) nextTick(flushAll)
}

/** Holds back flushing until `flushHeld`, which flushes without waiting for a tick. */
export function holdFlushes (): void {
  holds++
}

/** Flushes the items added since `holdFlushes`. */
export function flushHeld (): void {
  holds--
  // Items added during a flush are flushed at its end.
  if (holds === 0 && waiting.length > 0 && !isFlushing) flushAll()
}

function flushAll (): void {
  let done = 0
  isFlushing = true
  try {
    // The queue may grow meanwhile, as a stream in memory may answer at once.
    while (done < waiting.length) waiting[done++]!.flush()
  } finally {
    isFlushing = false
    waiting.splice(0, done)
    if (waiting.length > 0) nextTick(flushAll)
  }
}
