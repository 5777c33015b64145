/** Asks for a sign of life. The answer to it has an id that no message of the client has. */
export const PING = '{"type":"alive","id":0}'

/** The id of a message that wants an answer. */
export type Id = string | number

/** A message as it comes from the server. */
export interface Incoming {
  readonly type: string
  readonly id: undefined | Id
  readonly data: unknown
  readonly more: boolean
  readonly code: string
  readonly message: string
  readonly path: undefined | string
}

/** Reads a message; answers `undefined` for what is none. */
export function parse (text: unknown): undefined | Incoming {
  if (typeof text !== 'string') return
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return
  }
  if (typeof value !== 'object' || value === null) return
  const { type, id, data, more, code, message, path } = value as Partial<Record<keyof Incoming, unknown>>
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
