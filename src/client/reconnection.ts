/** How a connection ended. */
export interface Closed {
  /** The close code (RFC 6455 section 7.4); 1006 if the connection was cut, or there was none. */
  readonly code: number
  /** The reason that the server gave, or an empty text. */
  readonly reason: string
}

/** When to connect again: not, at once, or after a random delay. */
export type Reconnection = false | 'now' | 'later'

// Going away, cut, internal error, service restart, try again later, bad gateway, too many messages or connections.
const later = [1001, 1006, 1011, 1012, 1013, 1014, 4429]

/**
 * What the close codes of the plugin say about connecting again. Those of the app, from 4000 on, are final unless the app says
 * otherwise.
 */
export function reconnectionOf ({ code, reason }: Closed): Reconnection {
  if (code === 4401 && reason === 'token expired') return 'now'
  return later.includes(code) && 'later'
}
