import { nextTick } from 'node:process'

/** What is done once at the end of a tick, however often it was asked for. */
export interface Flushable {
  flush (): void
}

let waiting: Flushable[] = []

/** Flushes when all that is running now has run, also what runs in microtasks. */
export function flushLater (item: Flushable): void {
  if (waiting.push(item) === 1) nextTick(flushAll)
}

function flushAll (): void {
  const items = waiting
  waiting = []
  for (const item of items) item.flush()
}
