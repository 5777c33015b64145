import type { MessageId } from '../protocol/envelope.js'

/** A request of the client that is not answered yet, as its connection sees it. */
export interface PendingInbound {
  /** The client no longer waits for the reply. */
  cancel (): void
  /** Aborts the signal of the handler. */
  abort (): void
  /** A renewal of the token has replaced the user of the connection. */
  userChanged (): void
}

// Cancellations kept for messages that wait. Further ones are ignored: their messages are handled.
const MOST_CANCELLED = 64

/**
 * The requests of one client that are not answered yet, and its cancellations of messages that
 * wait.
 */
export class InboundRequests {
  /** The requests by id. Each adds and removes itself. */
  readonly byId = new Map<MessageId, PendingInbound>()
  /** Whether the connection has begun to close. A request that begins later is aborted at once. */
  isAborted: boolean
  /**
   * Ids of messages that were cancelled while they waited, each with the last message that can have
   * the id. `undefined` if there are none.
   */
  cancelled: undefined | Map<MessageId, object>
  // The number of streams not cancelled, and of all streams that have not ended.
  #wantedStreams = 0
  #streams = 0

  constructor (isAborted: boolean) {
    this.isAborted = isAborted
  }

  /**
   * The client cancels a request.
   *
   * @param last the last waiting message, if there is one: the id may be that of a waiting message.
   */
  cancel (id: MessageId, last: undefined | object): void {
    const request = this.byId.get(id)
    if (request !== undefined) {
      request.cancel()
    } else if (last !== undefined) {
      this.cancelled ??= new Map()
      if (this.cancelled.size < MOST_CANCELLED) this.cancelled.set(id, last)
    }
  }

  /**
   * Marks a waiting message as processed: removes the cancelled ids that no later message can have.
   */
  markProcessed (message: object): void {
    const { cancelled } = this
    if (cancelled === undefined) return
    for (const [id, last] of cancelled) if (last === message) cancelled.delete(id)
    if (cancelled.size === 0) this.cancelled = undefined
  }

  /**
   * Whether another stream may start. A cancelled stream runs on until its pending promise settles,
   * so up to twice `limit` may run in all.
   */
  hasRoomForStream (limit: number): boolean {
    return this.#wantedStreams < limit && this.#streams < limit * 2
  }

  streamBegun (): void {
    this.#wantedStreams++
    this.#streams++
  }

  /** The client waits for no more items of a stream. */
  streamOver (): void {
    this.#wantedStreams--
  }

  /** Nothing of a stream runs any more. */
  streamEnded (): void {
    this.#streams--
  }

  userChanged (): void {
    for (const request of this.byId.values()) request.userChanged()
  }

  /** The connection has begun to close. Replies are still sent while it is open. */
  abort (): void {
    this.isAborted = true
    for (const request of this.byId.values()) request.abort()
  }
}
