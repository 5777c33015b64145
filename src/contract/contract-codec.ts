import { errors } from '../errors.js'
import type { Codec, Request } from '../message/codec.js'
import type { Frame } from '../message/frame.js'
import { encodeText, type Sendable } from '../message/outbound.js'
import { discard } from '../thenable.js'
import { createCheck, named, type Check, type Compilers, type Serializer } from './validation.js'
import type { MessageDefinition } from './parse-contract.js'
import { cancelFrame, eventText, requestFrame } from './envelope.js'

interface Event {
  readonly serialize: undefined | Serializer
  /** Validates a client's reply; `undefined` if the event has no reply. */
  readonly acceptReply: undefined | Check
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
          )
      })
    }
  }

  frameOf (type: unknown, data?: unknown): Frame {
    return encodeText(eventText(
      type as string,
      serialized(this.#event(type).serialize, data, 'data of', type as string)
    ))
  }

  messageOf (type: unknown, data?: unknown): Sendable {
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
    return { id, accept, frame: requestFrame(type as string, json, id), cancel: cancelFrame(id) }
  }

  #event (type: unknown): Event {
    const event = this.#events.get(type as string)
    if (event === undefined) {
      // The text does not quote the type, which may come from a client.
      throw new errors.EventUnknown(
        typeof type === 'string'
          ? 'This type'
          : `The first argument, the type, is of type ${typeof type}, which`,
        [...this.#definitions.keys()].join(', ')
      )
    }
    return event
  }
}

/**
 * Returns data as JSON, written by the serializer of its schema.
 *
 * @param what the relation of the data to the message, for the error text.
 * @throws `FSR_ERR_EVENT_INVALID`.
 */
export function serialized (
  serialize: undefined | Serializer,
  data: unknown,
  what: 'data of' | 'reply to',
  type: string
): undefined | string {
  if (serialize === undefined) {
    // Rejected rather than ignored: it may be options in the place of data.
    if (data !== undefined) {
      throw new errors.EventInvalid(what, type, {
        cause: new TypeError(what === 'reply to'
          ? 'schema.in has no reply for it: give it one, or return nothing'
          : 'schema.out has no data for it: give it a schema, or send no data')
      })
    }
    return
  }
  let json: unknown
  try {
    json = serialize(data)
  } catch (cause) {
    throw new errors.EventInvalid(what, type, { cause: withoutValue(cause) })
  }
  if (typeof json === 'string' && json !== 'undefined') return json
  // JSON.stringify returns undefined for a function or undefined, and Fastify's serializer the
  // text 'undefined'. A serializer may also return a promise, which must not reject unhandled.
  discard(json)
  throw new errors.EventInvalid(what, type)
}

// Fastify's serializer quotes the value that it cannot write. A value from a client must not reach
// the log.
function withoutValue (error: unknown): unknown {
  const quoting = /^The value ".*" (cannot be converted to [\w -]+\.)$/s
    .exec(String((error as undefined | null | Error)?.message))
  return quoting === null ? error : new TypeError(`A value ${quoting[1]!}`)
}
