import type { AsyncapiMessage, AsyncapiOperation, Reference } from './document.js'
import { keyOf, Keys } from './keys.js'

/** An operation, and what its key is made of. */
export interface NamedOperation {
  readonly name: string
  readonly operation: AsyncapiOperation
}

type OperationInfo = Pick<AsyncapiOperation, 'summary' | 'description' | 'x-granted' | 'x-has-predicate'>

/** The messages of one channel, and what is done with them. */
export class Talk {
  readonly #channel: string
  readonly #security: undefined | readonly Reference[]
  readonly #keys = new Keys()
  readonly #messages = new Map<string, AsyncapiMessage | Reference>()
  readonly #operations: NamedOperation[] = []

  /** @param security any of which is enough for the channel. */
  constructor (channel: string, security: readonly Reference[]) {
    this.#channel = channel
    this.#security = security.length === 0 ? undefined : security
  }

  get messages (): Readonly<Record<string, AsyncapiMessage | Reference>> {
    return Object.fromEntries(this.#messages)
  }

  get operations (): readonly NamedOperation[] {
    return this.#operations
  }

  /**
   * Adds a message.
   *
   * @param kind what it is, besides its name, so that it is told from others.
   * @param make gets where it is in the document.
   * @returns its key.
   */
  add (name: string, kind: string, make: (pointer: string) => AsyncapiMessage | Reference): string {
    // A type may have any name, so that two may come to be the same as a key.
    const key = this.#keys.take(keyOf(name), `${kind} ${name}`)
    this.#messages.set(key, make(`#/channels/${this.#channel}/messages/${key}`))
    return key
  }

  /** Adds what is done with a message, and the messages that may be the answer. */
  operation (action: AsyncapiOperation['action'], key: string, answers: readonly string[] = [], info: OperationInfo = {}): void {
    const channel = { $ref: `#/channels/${this.#channel}` }
    const refer = (key: string): Reference => ({ $ref: `${channel.$ref}/messages/${key}` })
    const direction = action === 'receive' ? 'in' : 'out'
    this.#operations.push({
      name: `${this.#channel}.${key.startsWith(`${direction}.`) ? key : `${direction}.${key}`}`,
      operation: {
        action,
        channel,
        ...info,
        messages: [refer(key)],
        reply: answers.length === 0 ? undefined : { channel, messages: answers.map(refer) },
        security: this.#security
      }
    })
  }
}
