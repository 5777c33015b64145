import { nextTick } from 'node:process'
import { systemClock } from '../clock.js'

// Messages, control frames and fragments of one connection that are handled before others get their
// turn.
const PIECES = 256

// Milliseconds after which a turn ends sooner. Reading the clock takes as long as a third of a
// short message. So it is read after 8 pieces, which most reads do not reach, and after every 32
// from there; sooner until the first pieces are known to be short.
const MILLISECONDS = 2
const FIRST = 8
const SECOND_IF_SHORT = 24
const SECOND = 12
const EVERY = 32

// Bytes from which a message takes much longer than reading the clock, which is then read at once.
const LARGE = 8_192

// Milliseconds in each turn of the event loop for connections that have used up their own turn.
const MOST = 4

/**
 * Continues the work of a connection that has more messages than one turn allows. Returns whether
 * the work can be interrupted; if not, it is the last of its round.
 */
export type DeferredWork = () => boolean

// Turns use the system clock, also if the app has a clock of its own: real time delays other
// connections. Connections are handled one at a time, so these variables serve all of them.
let pieces = 0
let began: undefined | number
// The number of pieces at which the clock is read next, and its last value, also of an earlier
// turn.
let next = FIRST
let now = -Infinity
// The stream that Node may read again in this turn of the event loop, and whether its end is
// scheduled.
let reader: undefined | object
let isEnding = false

const queue: DeferredWork[] = []
// Whether a round is running or scheduled.
let isRunning = false
// The number of connections left in the round of this turn of the event loop, and its start.
let left = 0
let roundBegan = 0

/**
 * Begins a turn for the bytes of a read. If there may be more, Node reads on at once, up to 32
 * times, before it serves others: all these reads are one turn.
 *
 * @param from the stream or socket that was read.
 */
export function beginTurn (from: object, mayHaveMore: boolean): void {
  if (from !== reader) begin()
  reader = mayHaveMore ? from : undefined
  if (!mayHaveMore || isEnding) return
  isEnding = true
  setImmediate(endReading)
}

function begin (): void {
  pieces = 0
  began = undefined
  next = FIRST
}

function endReading (): void {
  reader = undefined
  isEnding = false
}

/**
 * Counts a message, control frame or fragment. Returns whether the connection may go on; if not, it
 * waits for its next turn.
 *
 * @param size its size in bytes.
 */
export function mayGoOn (size: number): boolean {
  return (++pieces < next && size < LARGE) || hasTime()
}

function hasTime (): boolean {
  if (pieces >= PIECES) return false
  const before = now
  now = systemClock.now()
  if (began === undefined) {
    began = now
    next = now - before < MILLISECONDS ? SECOND_IF_SHORT : SECOND
    return true
  }
  next = Math.min(pieces + EVERY, PIECES)
  return now - began < MILLISECONDS
}

/** Queues a connection until other connections, timers and other events have had their turn. */
export function waitForTurn (work: DeferredWork): void {
  queue.push(work)
  if (isRunning) return
  isRunning = true
  setImmediate(run)
}

function run (): void {
  left = queue.length
  roundBegan = systemClock.now()
  step()
}

function step (): void {
  if (left > 0 && systemClock.now() - roundBegan < MOST) {
    left--
    begin()
    try {
      if (!queue.shift()!()) left = 0
    } finally {
      // After all that this has caused: a resumed socket delivers its waiting bytes in the next
      // tick.
      nextTick(step)
    }
  } else if (queue.length > 0) {
    setImmediate(run)
  } else {
    isRunning = false
  }
}
