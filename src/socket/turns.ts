import { nextTick } from 'node:process'
import { systemClock } from '../clock.js'

// Messages, and frames that are none, of one connection that are handled before others get their turn.
const PIECES = 256

// Milliseconds after which a turn ends before that. Reading the clock takes as long as a third of a short message: it is read after
// 8 pieces, which most reads do not bring, and after every 32 from there; sooner while it is not known that the first were short.
const MILLISECONDS = 2
const FIRST = 8
const SECOND_IF_SHORT = 24
const SECOND = 12
const EVERY = 32

// Bytes of a message that takes much longer than reading the clock, so that this is not put off.
const LARGE = 8_192

// Milliseconds in one turn of the event loop for connections that have more to be handled than one turn of theirs.
const MOST = 4

/** A connection that has more to be handled than may be handled at once. */
export interface DeferredWork {
  /**
   * Its turn has come again. Returns whether it can be stopped in the middle of what comes; if not, it is the last of its round.
   */
  nextTurn (): boolean
}

// How long others are held up is a question of the machine's time, whatever an app takes for its own.
// One connection is handled at a time, so that its turn is counted here and nothing is kept for each.
let pieces = 0
let began: undefined | number
// After how many the clock is read; and what it said the last time, in whichever turn.
let next = FIRST
let now = -Infinity
// What may be read again before the event loop has gone round, in the same turn; and whether that ends when it has.
let reader: undefined | object
let isEnding = false

const queue: DeferredWork[] = []
// Whether a round is going on or will.
let isRunning = false
// How many of them may have a turn in this turn of the event loop, and when their round has begun.
let left = 0
let roundBegan = 0

/**
 * Bytes of one connection have been read: what they bring is a turn of its own. Where more may be there, Node reads on at once, up to 32
 * times, before it looks at others: all that is one turn.
 *
 * @param from what was read from.
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
 * Counts what was handled. Returns whether the connection may go on; otherwise it is to wait for its next turn.
 *
 * @param size bytes of it.
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

/** Has a connection wait until other connections, timers and what else the event loop has to do have had their turn. */
export function waitForTurn (item: DeferredWork): void {
  queue.push(item)
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
      if (!queue.shift()!.nextTurn()) left = 0
    } finally {
      // Behind all that it has brought about: a socket that goes on to be read hands over what waits in the next tick.
      nextTick(step)
    }
  } else if (queue.length > 0) {
    setImmediate(run)
  } else {
    isRunning = false
  }
}
