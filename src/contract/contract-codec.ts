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
  /** Of what a client answers, if it can be asked. */
  readonly acceptReply: undefined | Check
}

/** What a contract lets the server send, and how: nothing leaves that it does not name. */
export class ContractCodec implements Codec {
  readonly arity = 2
  readonly #definitions: ReadonlyMap<string, MessageDefinition>
  readonly #events = new Map<string, Event>()
  // One for a route, so that a request to many is encoded once.
  #lastId = 0

  constructor (definitions: ReadonlyMap<string, MessageDefinition>) {
    this.#definitions = definitions
    // Until the app is ready nobody is there to get anything, but it can be sent.
    for (const { type, data, reply } of definitions.values()) {
      this.#events.set(type, { serialize: data === undefined ? undefined : JSON.stringify, acceptReply: reply === undefined ? undefined : (answer) => answer })
    }
  }

  compile (compilers: Compilers): void {
    for (const { type, data, reply } of this.#definitions.values()) {
      this.#events.set(type, {
        serialize: data === undefined ? undefined : named(`data of '${type}' in out`, () => compilers.serializer(data)),
        acceptReply: reply === undefined ? undefined : createCheck(named(`reply of '${type}' in out`, () => compilers.validator(reply)), errors.AnswerInvalid)
      })
    }
  }

  frameOf (type: unknown, data?: unknown): Frame {
    return encodeText(eventText(type as string, serialized(this.#event(type).serialize, data, 'data of', type as string)))
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
    // Without the type, which may be what a client has sent.
    if (event === undefined) throw new errors.EventUnknown(typeof type === 'string' ? 'This type' : `The first argument, the type, is of type ${typeof type}, which`, [...this.#definitions.keys()].join(', '))
    return event
  }
}

/**
 * Data in JSON, as its schema says.
 *
 * @param what it is of the message of this type, for whoever reads an error.
 * @throws `FSR_ERR_EVENT_INVALID`.
 */
export function serialized (serialize: undefined | Serializer, data: unknown, what: 'data of' | 'reply to', type: string): undefined | string {
  if (serialize === undefined) {
    // Options in the place of data, say: they would be ignored.
    if (data !== undefined) throw new errors.EventInvalid(what, type, { cause: new TypeError(what === 'reply to' ? 'schema.in has no reply for it: give it one, or return nothing' : 'schema.out has no data for it') })
    return
  }
  let json: unknown
  try {
    json = serialize(data)
  } catch (cause) {
    throw new errors.EventInvalid(what, type, { cause: withoutValue(cause) })
  }
  if (typeof json === 'string' && json !== 'undefined') return json
  // What JSON.stringify makes of a function, or of nothing, and Fastify's serializer a text of that; or a promise, which may reject.
  discard(json)
  throw new errors.EventInvalid(what, type)
}

// Fastify's serializer quotes what cannot be written, which may be what a client has sent, and would reach the log.
function withoutValue (error: unknown): unknown {
  const quoting = /^The value ".*" (cannot be converted to [\w -]+\.)$/s.exec(String((error as undefined | null | Error)?.message))
  return quoting === null ? error : new TypeError(`A value ${quoting[1]!}`)
}
