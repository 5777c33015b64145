import { errors } from '../errors.js'
import type { Request } from '../message/codec.js'
import type { Outbox } from './outbox.js'

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

interface Asked {
  readonly accept: Request['accept']
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** A message of the client that is not answered yet. */
export class Work {
  #controller: undefined | AbortController
  #isOver = false
  /** Called once when nobody wants the answer any more. */
  onOver: undefined | (() => void)

  /** Aborts when nobody wants the answer any more. */
  get signal (): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#isOver) this.#controller.abort()
    }
    return this.#controller.signal
  }

  get isOver (): boolean {
    return this.#isOver
  }

  end (): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#controller?.abort()
    this.onOver?.()
  }
}

/** The requests under way on one connection, in both directions. It is made with the first. */
export class Exchange {
  readonly #outbox: Outbox
  readonly #asked = new Map<MessageId, Asked>()
  readonly #works = new Map<MessageId, Work>()
  /** Streams that the client is being sent. */
  streams = 0
  #isEnded = false

  constructor (outbox: Outbox) {
    this.#outbox = outbox
  }

  /** Whether anything may come that is not to wait for messages before it. */
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
    return new Promise((resolve, reject) => {
      const giveUp = (error: unknown): void => {
        this.#outbox.send(cancel, { type: 'cancel', id })
        settle()
        reject(error)
      }
      const onAbort = (): void => { giveUp(signal!.reason) }
      const timer = setTimeout(() => { giveUp(new errors.RequestTimeout()) }, timeout).unref()
      const settle = (): void => {
        this.#asked.delete(id)
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      signal?.addEventListener('abort', onAbort)
      this.#asked.set(id, {
        accept,
        resolve: (value) => { settle(); resolve(value) },
        reject: (error) => { settle(); reject(error) }
      })
    })
  }

  /** The client has answered. Answers `false` if nobody waits for it. */
  answered (id: MessageId, data: unknown): boolean {
    const asked = this.#asked.get(id)
    if (asked === undefined) return false
    try {
      asked.resolve(asked.accept(data))
    } catch (error) {
      asked.reject(error)
    }
    return true
  }

  /** The client has answered that it cannot. */
  refused (id: MessageId, error: Error): boolean {
    const asked = this.#asked.get(id)
    asked?.reject(error)
    return asked !== undefined
  }

  /** A message of the client is to be answered. Answers nothing if another with its id is not answered yet. */
  begin (id: MessageId): undefined | Work {
    if (this.#works.has(id)) return
    const work = new Work()
    this.#works.set(id, work)
    return work
  }

  /** Whether a message of the client with this id is not answered yet. */
  isAnswering (id: undefined | MessageId): boolean {
    return id !== undefined && this.#works.has(id)
  }

  /** It is answered, or nobody wants that any more. */
  finish (id: MessageId): void {
    const work = this.#works.get(id)
    this.#works.delete(id)
    work?.end()
  }

  /** The connection has ended. */
  end (): void {
    this.#isEnded = true
    for (const { reject } of this.#asked.values()) reject(new errors.RequestEnded())
    for (const id of this.#works.keys()) this.finish(id)
  }
}
