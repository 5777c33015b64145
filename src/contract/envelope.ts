import type { MessageId } from '../connection/pending-requests.js'
import type { Upkeep } from '../connection/rate.js'
import { errors } from '../errors.js'
import type { Frame } from '../message/frame.js'
import { parseJson } from '../message/json.js'
import type { Message } from '../message/message.js'
import { encodeText } from '../message/outbound.js'
import { MessageFailure } from '../controller/message-failure.js'

/** A message of the protocol: see docs/protocol.md. */
export interface Envelope {
  readonly type: string
  readonly id: undefined | MessageId
  readonly data: unknown
  /** Of an `error`. */
  readonly code: unknown
  readonly message: unknown
}

const LONGEST_ID = 64

/**
 * Reads a message of a client.
 *
 * @throws a failure, with the id if it could be read: `FSR_ERR_MESSAGE_BINARY`, `FSR_ERR_MESSAGE_NOT_JSON`, `FSR_ERR_MESSAGE_FORBIDDEN`,
 * `FSR_ERR_MESSAGE_INVALID`.
 */
export function readEnvelope (message: Message): Envelope {
  if (message.isBinary) throw new MessageFailure(new errors.MessageBinary(), undefined)
  let value: unknown
  try {
    value = parseJson(message.text)
  } catch (error) {
    throw new MessageFailure(error as Error, undefined)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MessageFailure(new errors.MessageInvalid('it is none'), undefined)
  const { type, id, data, code, message: text } = value as Partial<Record<keyof Envelope, unknown>>
  if (id !== undefined && !isId(id)) throw new MessageFailure(new errors.MessageInvalid(`its id is neither a string of 1 to ${LONGEST_ID} characters nor an integer`), undefined)
  if (typeof type !== 'string') throw new MessageFailure(new errors.MessageInvalid('its type is not a string'), id)
  return { type, id, data, code, message: text }
}

/** What a message does for its connection, if it is one of those that a client sends to stay connected. */
export function upkeepOf (message: Message): undefined | Upkeep {
  // Looked for before it is parsed, as it is parsed again when it is handled.
  if (message.isBinary || !/"(?:alive|renew)"/.test(message.text)) return
  try {
    const { type } = readEnvelope(message)
    return type === 'alive' || type === 'renew' ? type : undefined
  } catch {
    // Answered when it is handled.
  }
}

function isId (value: unknown): value is MessageId {
  return typeof value === 'string' ? value !== '' && value.length <= LONGEST_ID : Number.isSafeInteger(value)
}

/** One of the contract's own, with its data in JSON, if it has any. */
export function eventText (type: string, json: undefined | string): string {
  return json === undefined ? `{"type":${JSON.stringify(type)}}` : `{"type":${JSON.stringify(type)},"data":${json}}`
}

/** The same, where an answer is wanted. */
export function requestFrame (type: string, json: undefined | string, id: MessageId): Frame {
  return encodeText(`${eventText(type, json).slice(0, -1)},"id":${JSON.stringify(id)}}`)
}

/** The answer to a message, or an item of one. */
export function replyFrame (id: MessageId, json: undefined | string, hasMore = false): Frame {
  return encodeText(`{"type":"reply","id":${JSON.stringify(id)}${json === undefined ? '' : `,"data":${json}`}${hasMore ? ',"more":true' : ''}}`)
}

/** What is answered in the place of a reply. */
export function errorFrame (id: undefined | MessageId, { code, message, path }: { readonly code: string, readonly message: string, readonly path?: undefined | string }): Frame {
  return encodeText(JSON.stringify({ type: 'error', id, code, message, path }))
}

/** Nobody wants the answer any more. */
export function cancelFrame (id: MessageId): Frame {
  return encodeText(`{"type":"cancel","id":${JSON.stringify(id)}}`)
}
