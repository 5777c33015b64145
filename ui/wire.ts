// The messages of a route with a contract: docs/protocol.md.

/** The id of a message that expects an answer. */
export type MessageId = string | number

const LONGEST_ID = 64

/** A received message. A message of another form has no `type`. */
export interface Envelope {
  readonly type: undefined | string
  readonly id: undefined | MessageId
  readonly hasMore: boolean
  readonly code: string
  readonly message: string
  readonly path: string
}

/** Parses a message. Missing and invalid fields are `undefined` or empty. */
export function readEnvelope (text: string): Envelope {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  const given = typeof value === 'object' && value !== null ? value as Record<string, unknown> : {}
  const textOf = (name: string): string => typeof given[name] === 'string' ? given[name] : ''
  const { type, id } = given
  return {
    type: typeof type === 'string' ? type : undefined,
    id: (typeof id === 'string' && id.length <= LONGEST_ID) || typeof id === 'number'
      ? id
      : undefined,
    hasMore: given['more'] === true,
    code: textOf('code'),
    message: textOf('message'),
    path: textOf('path')
  }
}

/** Returns a message, with its data as JSON exactly as written. */
export function messageText (
  type: string,
  data: undefined | string,
  id?: undefined | MessageId
): string {
  const dataText = data === undefined ? '' : `,"data":${data}`
  const idText = id === undefined ? '' : `,"id":${JSON.stringify(id)}`
  return `{"type":${JSON.stringify(type)}${dataText}${idText}}`
}

/** Returns a reply to a request of the server. */
export function replyText (id: MessageId, data: undefined | string): string {
  return `{"type":"reply","id":${JSON.stringify(id)}${data === undefined ? '' : `,"data":${data}`}}`
}

/** Returns an error in reply to a request of the server. */
export function errorText (id: MessageId, code: string, message: string): string {
  return JSON.stringify({ type: 'error', id, code, message })
}

/** Returns a message that cancels a request. */
export function cancelText (id: MessageId): string {
  return JSON.stringify({ type: 'cancel', id })
}
