import type { MessageId } from '../connection/pending-requests.js'
import type { Upkeep } from '../connection/rate.js'
import { errors } from '../errors.js'
import { encodeText, type Frame } from '../message/frame.js'
import { parseJson, type Message } from '../message/message.js'
import { MessageFailure } from '../controller/message-failure.js'

/** A message of the protocol, as parsed: see docs/protocol.md. */
export interface Envelope {
  readonly type: string
  readonly id: undefined | MessageId
  readonly data: unknown
  /** Set in an `error` only, as is `message`. */
  readonly code: unknown
  readonly message: unknown
}

const LONGEST_ID = 64

/**
 * Parses a message of a client.
 *
 * @throws a `MessageFailure`, with the id if that could be read, of `FSR_ERR_MESSAGE_BINARY`,
 * `FSR_ERR_MESSAGE_NOT_JSON`, `FSR_ERR_MESSAGE_FORBIDDEN`, `FSR_ERR_MESSAGE_INVALID`.
 */
export function readEnvelope (message: Message): Envelope {
  if (message.isBinary) throw new MessageFailure(new errors.MessageBinary(), undefined)
  let value: unknown
  try {
    value = parseJson(message.text)
  } catch (error) {
    throw new MessageFailure(error as Error, undefined)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MessageFailure(new errors.MessageInvalid('this is not an object'), undefined)
  }
  const { type, id } = value as Partial<Record<keyof Envelope, unknown>>
  if (id !== undefined && !isId(id)) {
    throw new MessageFailure(
      new errors.MessageInvalid(
        `its id is neither a string of 1 to ${LONGEST_ID} characters nor an integer`),
      undefined
    )
  }
  if (typeof type !== 'string') {
    throw new MessageFailure(new errors.MessageInvalid('its type is not a string'), id)
  }
  return value as Envelope
}

/** Returns the kind of upkeep if the message is one that keeps its connection alive. */
export function upkeepOf (message: Message): undefined | Upkeep {
  // Matched as text first, since every message is parsed again when it is handled.
  if (message.isBinary || !/"(?:alive|renew)"/.test(message.text)) return
  try {
    const { type } = readEnvelope(message)
    return type === 'alive' || type === 'renew' ? type : undefined
  } catch {
    // An invalid message gets its error when it is handled.
  }
}

function isId (value: unknown): value is MessageId {
  return typeof value === 'string'
    ? value !== '' && value.length <= LONGEST_ID
    : Number.isSafeInteger(value)
}

/** Encodes a message of the contract. */
export function eventText (type: string, json: undefined | string): string {
  return json === undefined
    ? `{"type":${JSON.stringify(type)}}`
    : `{"type":${JSON.stringify(type)},"data":${json}}`
}

/** Encodes a message of the contract that asks for a reply. */
export function requestFrame (type: string, json: undefined | string, id: MessageId): Frame {
  return encodeText(`${eventText(type, json).slice(0, -1)},"id":${JSON.stringify(id)}}`)
}

/** Encodes the reply to a message, or with `hasMore` an item of a stream. */
export function replyFrame (id: MessageId, json: undefined | string, hasMore = false): Frame {
  const data = json === undefined ? '' : `,"data":${json}`
  const more = hasMore ? ',"more":true' : ''
  return encodeText(`{"type":"reply","id":${JSON.stringify(id)}${data}${more}}`)
}

interface WireError {
  readonly code: string
  readonly message: string
  readonly path?: undefined | string
}

/** Encodes an error, which takes the place of a reply. */
export function errorFrame (id: undefined | MessageId, { code, message, path }: WireError): Frame {
  return encodeText(JSON.stringify({ type: 'error', id, code, message, path }))
}

/** Encodes the cancellation of a request. */
export function cancelFrame (id: MessageId): Frame {
  return encodeText(`{"type":"cancel","id":${JSON.stringify(id)}}`)
}
