import { nextTick } from 'node:process'

/** What is done once at the end of a tick, however often it was asked for. */
export interface Flushable {
  flush (): void
}

const waiting: Flushable[] = []
// How many callers have said that they will flush when they are done.
let holds = 0
let isFlushing = false

/** Flushes when all that is running now has run, also what runs in microtasks. */
export function flushLater (item: Flushable): void {
  if (waiting.push(item) === 1 && holds === 0) nextTick(flushAll)
}

/** Until `release` nothing is flushed: whoever calls them saves a tick. */
export function hold (): void {
  holds++
}

/** Flushes what has come since `hold`. */
export function release (): void {
  holds--
  // What is added while others are flushed is flushed behind them.
  if (holds === 0 && waiting.length > 0 && !isFlushing) flushAll()
}

function flushAll (): void {
  let done = 0
  isFlushing = true
  try {
    // Also what is added while this goes on, where a stream in memory answers at once.
    while (done < waiting.length) waiting[done++]!.flush()
  } finally {
    isFlushing = false
    waiting.splice(0, done)
    if (waiting.length > 0) nextTick(flushAll)
  }
}
