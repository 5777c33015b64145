import type { Clock, Timer } from '../../src/clock.js'
import { traffic } from './traffic.js'

// The real functions, also if a test mocks them.
const { setTimeout: realTimeout } = globalThis

// The time of day stands still: when a token was signed and when it ends must not depend on how
// slow the machine is.
const start = Date.now()
Date.now = () => start

interface Waiting {
  due: number
  readonly run: () => void
  readonly every: undefined | number
}

/** A clock that stands still until a test moves it: `createApp(t, { clock })`. */
export class TestClock implements Clock {
  readonly #timers = new Set<Waiting>()
  #start = Date.now()
  #now = 0

  now (): number {
    return this.#now
  }

  /** Begins with the time of day, so that tokens that are signed count. */
  unixNow (): number {
    return this.#start + this.#now
  }

  after (milliseconds: number, run: () => void): Timer {
    // As newer versions of Node do, on the console.
    if (milliseconds < 0) throw new RangeError(`${milliseconds} is a negative number`)
    return this.#add({ due: this.#now + Math.max(1, milliseconds), run, every: undefined })
  }

  every (milliseconds: number, run: () => void): Timer {
    const every = Math.max(1, milliseconds)
    return this.#add({ due: this.#now + every, run, every })
  }

  cancel (timer: undefined | Timer): void {
    this.#timers.delete(timer as Waiting)
  }

  /** How many timers there are. */
  get timers (): number {
    return this.#timers.size
  }

  /**
   * Lets time pass: timers run when they are due, one after the other, and what they and others
   * have sent arrives in between. What takes real time, such as the check of a token, is to be
   * waited for before and after.
   */
  async advance (milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds
    await traffic()
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#now = Math.max(this.#now, next.due)
      await this.#runDue()
      await traffic()
    }
    this.#now = Math.max(this.#now, end)
  }

  /**
   * Lets as much time pass as something takes, from one timer to the next, and answers what comes
   * of it.
   */
  async during<T> (work: Promise<T>): Promise<T> {
    let isDone = false
    const done = () => { isDone = true }
    work.then(done, done)
    for (;;) {
      await traffic()
      if (isDone) return await work
      const next = this.#next(Infinity)
      if (next !== undefined) await this.advance(Math.max(0, next.due - this.#now))
    }
  }

  /** Lets the machine sleep: only Unix time goes on. */
  sleep (milliseconds: number): void {
    this.#start += milliseconds
  }

  /**
   * Lets time pass in which the event loop is held up: nothing runs and nothing is read. What is
   * due runs with the next `advance`.
   */
  stall (milliseconds: number): void {
    this.#now += milliseconds
  }

  #add (timer: Waiting): Timer {
    this.#timers.add(timer)
    return timer
  }

  #next (end: number): undefined | Waiting {
    let first: undefined | Waiting
    for (const timer of this.#timers) {
      if (timer.due <= end && (first === undefined || timer.due < first.due)) first = timer
    }
    return first
  }

  // As Node does: all that is due in one phase of the event loop, before anything that has come is
  // read.
  async #runDue (): Promise<void> {
    await new Promise((resolve) => { realTimeout(resolve, 1) })
    for (let timer = this.#next(this.#now); timer !== undefined; timer = this.#next(this.#now)) {
      if (timer.every === undefined) this.#timers.delete(timer)
      else timer.due = this.#now + timer.every
      timer.run()
      await new Promise<void>((resolve) => { process.nextTick(resolve) })
    }
  }
}

/** A clock that stands still: no deadline of an app passes, however slow the machine is. */
export class StillClock extends TestClock {}
