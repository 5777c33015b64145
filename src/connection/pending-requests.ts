import type { Clock } from '../clock.js'
import { errors } from '../errors.js'
import type { Request } from '../message/codec.js'
import { checkAmount, checkArgument, checkMembers } from '../option-checks.js'
import type { Outbox } from './outbox.js'
import { FairTimer } from './fair-timer.js'

/** The id of a message while it is not answered. */
export type MessageId = string | number

/** The options of a request. */
export interface RequestOptions {
  /**
   * Milliseconds to wait for the answer. `Infinity`: no limit.
   *
   * @default 10_000
   */
  readonly timeout?: undefined | number
  /** Cancels the request with its reason. If already aborted, nothing is sent. */
  readonly signal?: undefined | AbortSignal
}

/**
 * Checks the options of a request.
 *
 * @throws `FSR_ERR_OPTION_INVALID`, as a mistake would go unnoticed and wait too long or not at
 * all.
 */
export function checkRequestOptions (options: RequestOptions): void {
  // Catches a signal passed in place of the options, for instance.
  checkMembers(options, 'The last argument of request()', ['timeout', 'signal'])
  const { timeout, signal } = options
  if (timeout !== undefined) {
    checkAmount(timeout, 'Option timeout of request()', 'milliseconds', true)
  }
  checkArgument(signal === undefined || isSignal(signal), 'Option signal of request()',
    'is not an AbortSignal')
}

function isSignal (value: unknown): boolean {
  const { aborted, addEventListener } = Object(value) as Partial<AbortSignal>
  return typeof aborted === 'boolean' && typeof addEventListener === 'function'
}

// Cancellations kept for messages that wait. Further ones are ignored: their messages are handled.
const MOST_TAKEN_BACK = 64

interface OutboundRequest {
  readonly accept: Request['accept']
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

// The callbacks of each signal: one listener serves all requests that share it, as Node warns about
// more than ten.
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

// Returns a function that removes the callback.
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

/** A request of the client that is not answered yet. */
export class InboundRequest {
  readonly #onLeft: () => void
  #controller: undefined | AbortController
  #isAborted = false
  #isOver = false
  #hasLeft = false
  /** Called once when the request is answered or cancelled. */
  onOver: undefined | (() => void)
  /** Called when a renewal has replaced the user that the request was granted to. */
  onUserChanged: undefined | (() => void)

  /** @param onLeft is called once when its handler and stream have ended. */
  constructor (onLeft: () => void) {
    this.#onLeft = onLeft
  }

  /** Aborts when the request is answered or cancelled, or the connection begins to close. */
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

  /** Whether the request is answered or cancelled. */
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

  /** The handler, and the stream that it returned, have ended. */
  leave (): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#onLeft()
  }
}

/** The pending requests of one connection, in both directions. */
export class PendingRequests {
  readonly #clock: Clock
  readonly #outbox: Outbox
  readonly #outbound = new Map<MessageId, OutboundRequest>()
  readonly #inbound = new Map<MessageId, InboundRequest>()
  // Ids of messages that were cancelled while they waited, each with the last message that can have
  // the id.
  readonly #takenBack = new Map<MessageId, object>()
  // The number of streams not cancelled, and of all streams that have not ended.
  #wantedStreams = 0
  #streams = 0
  #isEnded = false

  constructor (clock: Clock, outbox: Outbox) {
    this.#clock = clock
    this.#outbox = outbox
  }

  /** Whether any request is pending, in either direction. */
  get isBusy (): boolean {
    return this.#outbound.size > 0 || this.#inbound.size > 0
  }

  /**
   * Waits for the answer to a request that is about to be sent. Nothing is kept of the request
   * afterwards, however it ends.
   *
   * @throws `FSR_ERR_REQUEST_TIMEOUT`, `FSR_ERR_REQUEST_REFUSED`, `FSR_ERR_REQUEST_ENDED`,
   * `FSR_ERR_ANSWER_INVALID`, the reason of the signal.
   */
  wait (
    { id, accept, cancel }: Request,
    { timeout = 10_000, signal }: RequestOptions
  ): Promise<unknown> {
    if (this.#isEnded) return Promise.reject(new errors.RequestEnded())
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const giveUp = (error: unknown): void => {
        this.#outbox.send(cancel)
        settle()
        reject(error)
      }
      const settle = (): void => {
        this.#outbound.delete(id)
        timer?.cancel()
        forget?.()
      }
      // Before the timer is started: the signal may be of a library and throw, which must leave no
      // timer behind.
      const forget = signal === undefined
        ? undefined
        : onAbort(signal, () => { giveUp(signal.reason) })
      const timer = timeout === Infinity
        ? undefined
        : new FairTimer(
          this.#clock,
          { due: this.#clock.now() + timeout, grace: timeout },
          () => { giveUp(new errors.RequestTimeout()) }
        )
      this.#outbound.set(id, {
        accept,
        resolve: (value) => { settle(); resolve(value) },
        reject: (error) => { settle(); reject(error) }
      })
    })
  }

  /** Whether a request is pending. It is not if it was cancelled or failed before it was sent. */
  awaits ({ id }: Pick<Request, 'id'>): boolean {
    return this.#outbound.has(id)
  }

  /** The client has answered. An answer without a pending request is ignored. */
  answered (id: MessageId, data: unknown): void {
    const request = this.#outbound.get(id)
    if (request === undefined) return
    try {
      request.resolve(request.accept(data))
    } catch (error) {
      request.reject(error)
    }
  }

  /** The client has answered with an error. */
  refused (id: MessageId, error: Error): void {
    this.#outbound.get(id)?.reject(error)
  }

  /** Starts a request of the client. Returns `undefined` if another with its id is pending. */
  begin (id: MessageId, isStream = false): undefined | InboundRequest {
    if (this.#inbound.has(id)) return
    const request = new InboundRequest(() => { if (isStream) this.#streams-- })
    if (isStream) {
      this.#streams++
      this.#wantedStreams++
      request.onOver = () => { this.#wantedStreams-- }
    }
    this.#inbound.set(id, request)
    // Messages that the client sent before it left are still handled.
    if (this.#isEnded) request.abort()
    return request
  }

  /**
   * The client cancels a request.
   *
   * @param last the last waiting message, if there is one: the id may be that of a waiting message.
   */
  takeBack (id: MessageId, last: undefined | object): void {
    const request = this.#inbound.get(id)
    if (request !== undefined) this.finish(id, request)
    else if (last !== undefined && this.#takenBack.size < MOST_TAKEN_BACK) {
      this.#takenBack.set(id, last)
    }
  }

  /** Whether the message of this id was cancelled while it waited. */
  isTakenBack (id: MessageId): boolean {
    return this.#takenBack.has(id)
  }

  /**
   * Marks a waiting message as processed: removes the cancelled ids that no later message can have.
   */
  hadTurn (message: object): void {
    for (const [id, last] of this.#takenBack) if (last === message) this.#takenBack.delete(id)
  }

  /**
   * Whether another stream may start. A cancelled stream runs on until its pending promise settles,
   * so up to twice `limit` may run in all.
   */
  hasRoomForStream (limit: number): boolean {
    return this.#wantedStreams < limit && this.#streams < limit * 2
  }

  /** A renewal has replaced the user of the connection. */
  userChanged (): void {
    for (const request of this.#inbound.values()) request.onUserChanged?.()
  }

  /** The request is answered or cancelled. After a cancellation another one may have its id. */
  finish (id: MessageId, request: InboundRequest): void {
    if (this.#inbound.get(id) === request) this.#inbound.delete(id)
    request.end()
  }

  /** The connection has begun to close. Answers are still sent while it is open. */
  end (): void {
    this.#isEnded = true
    for (const { reject } of this.#outbound.values()) reject(new errors.RequestEnded())
    for (const request of this.#inbound.values()) request.abort()
  }
}
