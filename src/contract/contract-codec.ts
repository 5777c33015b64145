import { errors } from '../errors.js'
import type { Codec, Request } from '../message/codec.js'
import { encodeText, type Frame } from '../message/frame.js'
import {
  createCheck,
  named,
  serialized,
  type Check,
  type Compilers,
  type Serializer
} from './validation.js'
import type { MessageDefinition } from './parse-contract.js'
import { messageText } from '../protocol/envelope.js'
import { suggest } from '../suggestion.js'

// In characters, for a suggestion.
const LONGEST_NAME = 64

interface Event {
  readonly serialize: undefined | Serializer
  /** Validates a client's reply; `undefined` if the event has no reply. */
  readonly acceptReply: undefined | Check['accept']
}

/** Encodes the messages that a contract lets the server send, and rejects all others. */
export class ContractCodec implements Codec {
  readonly arity = 2
  readonly #definitions: ReadonlyMap<string, MessageDefinition>
  readonly #events = new Map<string, Event>()
  // Counts per route, not per connection, so that a request to many clients is encoded once.
  #lastId = 0

  constructor (definitions: ReadonlyMap<string, MessageDefinition>) {
    this.#definitions = definitions
    // The app may send before the schemas are compiled, while no client can be connected yet.
    for (const { type, data, reply } of definitions.values()) {
      this.#events.set(type, {
        serialize: data === undefined ? undefined : JSON.stringify,
        acceptReply: reply === undefined ? undefined : (answer) => answer
      })
    }
  }

  compile (compilers: Compilers): void {
    for (const { type, data, reply } of this.#definitions.values()) {
      this.#events.set(type, {
        serialize: data === undefined
          ? undefined
          : named(`data of '${type}' in out`, () => compilers.serializer(data)),
        acceptReply: reply === undefined
          ? undefined
          : createCheck(
            named(`reply of '${type}' in out`, () => compilers.validator(reply)),
            errors.AnswerInvalid
          ).accept
      })
    }
  }

  frameOf (type: unknown, data?: unknown): Frame {
    return encodeText(messageText(
      type as string,
      undefined,
      serialized(this.#event(type).serialize, data, 'data of', type as string)
    ))
  }

  messageOf (type: unknown, data?: unknown): unknown {
    return { type, data }
  }

  keyOf (): undefined {
    return undefined
  }

  requestOf (type: unknown, data: unknown): Request {
    const { serialize, acceptReply: accept } = this.#event(type)
    if (accept === undefined) throw new errors.RequestUnanswerable(type as string)
    const json = serialized(serialize, data, 'data of', type as string)
    const id = ++this.#lastId
    return {
      id,
      accept,
      frame: encodeText(messageText(type as string, id, json)),
      cancel: encodeText(messageText('cancel', id))
    }
  }

  #event (type: unknown): Event {
    const event = this.#events.get(type as string)
    if (event === undefined) {
      const known = [...this.#definitions.keys()]
      const has = `it has ${known.join(', ') || 'no message'}`
      // The text does not quote the type, which may come from a client. Of a long one the most
      // similar name would take too long to find.
      const isName = typeof type === 'string' && type.length <= LONGEST_NAME && known.length > 0
      throw new errors.EventUnknown(
        typeof type === 'string'
          ? 'This type'
          : `The first argument, the type, is of type ${typeof type}, which`,
        isName ? suggest(type, known, has) : `; ${has}`
      )
    }
    return event
  }
}
