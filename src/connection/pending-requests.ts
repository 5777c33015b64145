import type { Clock } from '../clock.js'
import { errors } from '../errors.js'
import { strayIn } from '../members.js'
import type { Request } from '../message/codec.js'
import { suggest } from '../suggestion.js'
import type { Outbox } from './outbox.js'
import { FairTimer } from './fair-timer.js'

/** What a message is known by while it is not answered. */
export type MessageId = string | number

/** How long to wait for an answer. */
export interface RequestOptions {
  /**
   * Milliseconds.
   *
   * @default 10_000
   */
  readonly timeout?: undefined | number
  /** Ends the wait, with its reason; nothing is sent if it has ended it before. */
  readonly signal?: undefined | AbortSignal
}

/**
 * Checks the options of a request.
 *
 * @throws `FSR_ERR_OPTION_INVALID`: a slip would wait too long, or not at all.
 */
export function checkRequestOptions (options: RequestOptions): void {
  if (typeof options !== 'object' || options === null) throw new errors.OptionInvalid('the last argument of request()', 'is not an object of options: { timeout, signal }')
  // A signal itself, for instance.
  const unknown = strayIn(options, ['timeout', 'signal'])
  if (unknown !== undefined) throw new errors.OptionInvalid(`'${unknown}'`, `is unknown in request()${suggest(unknown, ['timeout', 'signal'], 'there are timeout, signal')}`)
  const { timeout, signal } = options
  if (timeout !== undefined && (typeof timeout !== 'number' || !(timeout > 0))) throw new errors.OptionInvalid('timeout', 'is not a number of milliseconds above 0')
  if (signal !== undefined && !isSignal(signal)) throw new errors.OptionInvalid('signal', 'is not an AbortSignal')
}

function isSignal (value: unknown): boolean {
  const { aborted, addEventListener } = Object(value) as Partial<AbortSignal>
  return typeof aborted === 'boolean' && typeof addEventListener === 'function'
}

// More than these are handled as if nobody had taken them back.
const MOST_TAKEN_BACK = 64

// What is longer, Node takes for one millisecond: 24.8 days.
const LONGEST_TIMEOUT = 2_147_483_647

interface Asked {
  readonly accept: Request['accept']
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

// What is to be called when a signal aborts: one listener for all requests that share it, as Node warns of more than ten.
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

// Returns what takes the callback back.
function onAbort (signal: AbortSignal, callback: () => void): () => void {
  let callbacks = waiting.get(signal)
  if (callbacks === undefined) {
    const all = callbacks = new Set()
    signal.addEventListener('abort', () => { for (const each of all) each() }, { once: true })
    waiting.set(signal, all)
  }
  callbacks.add(callback)
  return () => { callbacks.delete(callback) }
}

/** A message of the client that is not answered yet. */
export class InboundRequest {
  readonly #onLeft: () => void
  #controller: undefined | AbortController
  #isAborted = false
  #isOver = false
  #hasLeft = false
  /** Called once when it is answered, or nobody wants the answer any more. */
  onOver: undefined | (() => void)
  /** Called when the user of the connection is another one than when the message was granted. */
  onUserChanged: undefined | (() => void)

  /** @param onLeft is called once when nothing runs for it any more. */
  constructor (onLeft: () => void) {
    this.#onLeft = onLeft
  }

  /** Aborts when it is answered, nobody wants that any more, or the connection begins to close. */
  get signal (): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#isAborted) this.#controller.abort()
    }
    return this.#controller.signal
  }

  get isAborted (): boolean {
    return this.#isAborted
  }

  /** Whether it is answered, or nobody wants that any more. */
  get isOver (): boolean {
    return this.#isOver
  }

  abort (): void {
    this.#isAborted = true
    this.#controller?.abort()
  }

  end (): void {
    if (this.#isOver) return
    this.#isOver = true
    this.abort()
    this.onOver?.()
  }

  /** Its handler, and the stream that this has returned, have come to their end. */
  leave (): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#onLeft()
  }
}

/** The requests under way on one connection, in both directions. It is made with the first. */
export class PendingRequests {
  readonly #clock: Clock
  readonly #outbox: Outbox
  readonly #asked = new Map<MessageId, Asked>()
  readonly #works = new Map<MessageId, InboundRequest>()
  // Ids of messages that were taken back before their turn, with the last message that such an id can be of.
  readonly #takenBack = new Map<MessageId, object>()
  // Streams that the client wants, and those that have not come to their end yet, wanted or not.
  #wantedStreams = 0
  #streams = 0
  #isEnded = false

  constructor (clock: Clock, outbox: Outbox) {
    this.#clock = clock
    this.#outbox = outbox
  }

  /** Whether anybody waits for an answer. */
  get isBusy (): boolean {
    return this.#asked.size > 0 || this.#works.size > 0
  }

  /**
   * Waits for the answer to a request that is being sent, unless its signal has aborted before. Whatever happens, nothing is kept of it afterwards.
   *
   * @throws `FSR_ERR_REQUEST_TIMEOUT`, `FSR_ERR_REQUEST_REFUSED`, `FSR_ERR_REQUEST_ENDED`, `FSR_ERR_ANSWER_INVALID`, the reason of the signal.
   */
  wait ({ id, accept, cancel }: Request, { timeout = 10_000, signal }: RequestOptions): Promise<unknown> {
    if (this.#isEnded) return Promise.reject(new errors.RequestEnded())
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const giveUp = (error: unknown): void => {
        this.#outbox.send(cancel)
        settle()
        reject(error)
      }
      const settle = (): void => {
        this.#asked.delete(id)
        timer.cancel()
        forget?.()
      }
      // Before the timer, as it calls code that may be of a library: where that throws, nothing is left that runs.
      const forget = signal === undefined ? undefined : onAbort(signal, () => { giveUp(signal.reason) })
      const time = Math.min(timeout, LONGEST_TIMEOUT)
      const timer = new FairTimer(this.#clock, { due: this.#clock.now() + time, grace: time }, () => { giveUp(new errors.RequestTimeout()) })
      this.#asked.set(id, {
        accept,
        resolve: (value) => { settle(); resolve(value) },
        reject: (error) => { settle(); reject(error) }
      })
    })
  }

  /** Whether the answer to a request is waited for: it is not where that was given up, or has failed, before it is sent. */
  awaits ({ id }: Pick<Request, 'id'>): boolean {
    return this.#asked.has(id)
  }

  /** The client has answered. An answer that is late, or made up, is ignored. */
  answered (id: MessageId, data: unknown): void {
    const asked = this.#asked.get(id)
    if (asked === undefined) return
    try {
      asked.resolve(asked.accept(data))
    } catch (error) {
      asked.reject(error)
    }
  }

  /** The client has answered that it cannot. */
  refused (id: MessageId, error: Error): void {
    this.#asked.get(id)?.reject(error)
  }

  /** A message of the client is to be answered. Answers nothing if another with its id is not answered yet. */
  begin (id: MessageId, isStream = false): undefined | InboundRequest {
    if (this.#works.has(id)) return
    const work = new InboundRequest(() => { if (isStream) this.#streams-- })
    if (isStream) {
      this.#streams++
      this.#wantedStreams++
      work.onOver = () => { this.#wantedStreams-- }
    }
    this.#works.set(id, work)
    // What the client sent before it left is still handled.
    if (this.#isEnded) work.abort()
    return work
  }

  /**
   * The client does not want the answer any more.
   *
   * @param last the last message that waits for its turn, if one does: the id may be that of one of these.
   */
  takeBack (id: MessageId, last: undefined | object): void {
    const work = this.#works.get(id)
    if (work !== undefined) this.finish(id, work)
    else if (last !== undefined && this.#takenBack.size < MOST_TAKEN_BACK) this.#takenBack.set(id, last)
  }

  /** Whether the message of this id, whose turn has come, was taken back before. */
  isTakenBack (id: MessageId): boolean {
    return this.#takenBack.has(id)
  }

  /** A message has had its turn: ids that were taken back before it came, and can be of no later message, are forgotten. */
  hadTurn (message: object): void {
    for (const [id, last] of this.#takenBack) if (last === message) this.#takenBack.delete(id)
  }

  /**
   * Whether there may be another stream. One that was cancelled goes on until what it awaits has settled: as many of these may be left
   * as may be sent.
   */
  hasRoomForStream (limit: number): boolean {
    return this.#wantedStreams < limit && this.#streams < limit * 2
  }

  /** The connection has another user. */
  userChanged (): void {
    for (const work of this.#works.values()) work.onUserChanged?.()
  }

  /** It is answered. Another message may have its id by now, if it was cancelled before. */
  finish (id: MessageId, work: InboundRequest): void {
    if (this.#works.get(id) === work) this.#works.delete(id)
    work.end()
  }

  /** The connection has begun to close. What is answered nevertheless is sent, if that is possible. */
  end (): void {
    this.#isEnded = true
    for (const { reject } of this.#asked.values()) reject(new errors.RequestEnded())
    for (const work of this.#works.values()) work.abort()
  }
}
