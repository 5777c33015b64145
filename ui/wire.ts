// The messages of a route with a contract: docs/protocol.md.

/** What a message is known by while it is not answered. */
export type MessageId = string | number

const LONGEST_ID = 64

/** A message as it came. What is not of this form has no `type`. */
export interface Envelope {
  readonly type: undefined | string
  readonly id: undefined | MessageId
  readonly hasMore: boolean
  readonly code: string
  readonly message: string
  readonly path: string
}

/** Reads a message; what is not one is told by what it lacks. */
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
    id: (typeof id === 'string' && id.length <= LONGEST_ID) || typeof id === 'number' ? id : undefined,
    hasMore: given['more'] === true,
    code: textOf('code'),
    message: textOf('message'),
    path: textOf('path')
  }
}

/** A message, with its data as JSON exactly as it was written. */
export function messageText (type: string, data: undefined | string, id?: undefined | MessageId): string {
  return `{"type":${JSON.stringify(type)}${data === undefined ? '' : `,"data":${data}`}${id === undefined ? '' : `,"id":${JSON.stringify(id)}`}}`
}

/** What answers a question of the server. */
export function replyText (id: MessageId, data: undefined | string): string {
  return `{"type":"reply","id":${JSON.stringify(id)}${data === undefined ? '' : `,"data":${data}`}}`
}

/** What refuses one. */
export function errorText (id: MessageId, code: string, message: string): string {
  return JSON.stringify({ type: 'error', id, code, message })
}

/** What takes a request back. */
export function cancelText (id: MessageId): string {
  return JSON.stringify({ type: 'cancel', id })
}
