// The messages of a route with a contract, as they are on the wire: see docs/protocol.md.

/** The types of messages that the protocol uses itself. */
export const reservedTypes = ['reply', 'error', 'cancel', 'alive', 'renew'] as const

/** A type of message that the protocol uses itself. */
export type ReservedType = typeof reservedTypes[number]

/** The id of a message while it is not answered. */
export type MessageId = string | number

/** The largest length of an id that is a string, in characters. */
export const LONGEST_ID = 64

/** Whether a value is a valid id: a string of 1 to 64 characters, or an integer. */
export function isId (value: unknown): value is MessageId {
  return typeof value === 'string'
    ? value !== '' && value.length <= LONGEST_ID
    : Number.isSafeInteger(value)
}

/** The fields of a message. A field of the wrong type counts as missing. */
export interface Envelope {
  /** Never empty in a contract; empty if it is missing. */
  readonly type: string
  readonly id: undefined | MessageId
  readonly data: unknown
  /** Whether the message is an item of a stream, which goes on. */
  readonly more: boolean
  /** Empty except in an error, as is `message`. */
  readonly code: string
  readonly message: string
  /** The place of the fault in the data: a JSON Pointer (RFC 6901), in some errors. */
  readonly path: undefined | string
}

/** The fields of a message, of which none has been checked. */
export type UncheckedEnvelope = Partial<Readonly<Record<keyof Envelope, unknown>>>

/**
 * Parses a message; returns `undefined` for a text that is not one. For clients: the server, which
 * tells the client why, has a parser of its own.
 */
export function parseEnvelope (text: string): undefined | Envelope {
  try {
    const envelope = checked(JSON.parse(text))
    if (envelope.type) return envelope
  } catch {
    // The text is not JSON, or is `null`.
  }
}

function checked (envelope: UncheckedEnvelope): Envelope {
  const { type, id, data, more, code, message, path } = envelope
  return {
    type: textOf(type),
    id: typeof id === 'string' || typeof id === 'number' ? id : undefined,
    data,
    more: more === true,
    code: textOf(code),
    message: textOf(message),
    path: typeof path === 'string' ? path : undefined
  }
}

function textOf (value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/**
 * Writes a message, except an error.
 *
 * @param id the id of a request, or of the request that the message answers or cancels.
 * @param json the data as JSON; `undefined` for a message without data.
 */
export function messageText (
  type: string,
  id?: undefined | MessageId,
  json?: undefined | string
): string {
  return `{"type":${JSON.stringify(type)}` +
    (id === undefined ? '' : `,"id":${JSON.stringify(id)}`) +
    (json === undefined ? '' : `,"data":${json}`) + '}'
}

/** Writes an item of the stream that answers a request. */
export function itemText (id: MessageId, json: undefined | string): string {
  return `${messageText('reply', id, json).slice(0, -1)},"more":true}`
}

/** The fields of an error that the other side gets. */
export interface ErrorFields {
  readonly code: string
  readonly message: string
  readonly path?: undefined | string
}

/** Writes an error, which takes the place of a reply. */
export function errorText (id: undefined | MessageId, error: ErrorFields): string {
  return JSON.stringify({ type: 'error', id, ...error })
}
