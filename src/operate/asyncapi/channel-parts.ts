import type { AsyncapiMessage, AsyncapiOperation, Reference } from './document.js'
import { keyOf, UniqueKeys } from './unique-keys.js'

/** An operation, and the base of its key. */
export interface NamedOperation {
  readonly name: string
  readonly operation: AsyncapiOperation
}

type OperationInfo = Pick<
  AsyncapiOperation,
  'summary' | 'description' | 'x-granted' | 'x-has-predicate'
>

/** Collects the messages and operations of one channel. */
export class ChannelBuilder {
  readonly #channel: string
  readonly #security: undefined | readonly Reference[]
  readonly #keys = new UniqueKeys()
  readonly #messages = new Map<string, AsyncapiMessage | Reference>()
  readonly #operations: NamedOperation[] = []

  /** @param security the schemes of the channel, any of which is enough. */
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
   * @param kind keeps messages of the same name apart.
   * @param make gets the place of the message in the document.
   * @returns the key of the message.
   */
  addMessage (
    name: string,
    kind: string,
    make: (pointer: string) => AsyncapiMessage | Reference
  ): string {
    // Two types may map to the same key, as a type may contain any character.
    const key = this.#keys.take(keyOf(name), `${kind} ${name}`)
    this.#messages.set(key, make(`#/channels/${this.#channel}/messages/${key}`))
    return key
  }

  /** Adds an operation with a message, and the messages that may answer it. */
  addOperation (
    action: AsyncapiOperation['action'],
    key: string,
    answers: readonly string[] = [],
    info: OperationInfo = {}
  ): void {
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
