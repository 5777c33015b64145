/**
 * The ping of the protocol. Its id is never that of a message of the client, so that its answer is
 * ignored.
 */
export const PING = '{"type":"alive","id":0}'

/** The id of a message that expects an answer. */
export type Id = string | number

/** A message of the server. */
export interface Incoming {
  readonly type: string
  readonly id: undefined | Id
  readonly data: unknown
  readonly more: boolean
  readonly code: string
  readonly message: string
  readonly path: undefined | string
}

/** Parses a message; returns `undefined` for invalid data. */
export function parse (text: unknown): undefined | Incoming {
  if (typeof text !== 'string') return
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return
  }
  if (typeof value !== 'object' || value === null) return
  const fields = value as Partial<Record<keyof Incoming, unknown>>
  const { type, id, data, more, code, message, path } = fields
  if (typeof type !== 'string') return
  return {
    type,
    id: typeof id === 'string' || typeof id === 'number' ? id : undefined,
    data,
    more: more === true,
    code: typeof code === 'string' ? code : '',
    message: typeof message === 'string' ? message : '',
    path: typeof path === 'string' ? path : undefined
  }
}
