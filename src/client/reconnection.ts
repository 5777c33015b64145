/** How a connection ended. */
export interface Closed {
  /** The close code (RFC 6455 section 7.4); 1006 if the connection was cut, or there was none. */
  readonly code: number
  /** The reason that the server gave, or an empty text. */
  readonly reason: string
}

/** How a connection ended, or an attempt to make one, and the how manieth new attempt would be next. */
export interface Ended extends Closed {
  /** How many new attempts there were since a connection last stayed open for five seconds. */
  readonly attempts: number
  /**
   * The HTTP status of an upgrade that was refused, if the WebSocket tells it: those of `ws`, Bun, Deno and workerd do, those of browsers
   * and the global one of Node do not.
   */
  readonly status?: undefined | number
}

/** When to connect again: not, at once, or after a random delay. */
export type Reconnection = false | 'now' | 'later'

// Going away, no code (as proxies close), cut, internal error, service restart, try again later, bad gateway, too many messages or
// connections.
const later = [1001, 1005, 1006, 1011, 1012, 1013, 1014, 4429]

/**
 * What the close codes of the plugin say about connecting again. Those of the app, from 4000 on, are final unless the app says
 * otherwise.
 */
export function reconnectionOf ({ code, reason }: Closed): Reconnection {
  if (code === 4401 && reason === 'token expired') return 'now'
  return later.includes(code) && 'later'
}

/** What is known when an upgrade was refused. */
export interface Refusal {
  /** The HTTP status; `undefined` if the WebSocket does not tell: those of browsers do not. */
  readonly status: undefined | number
  /** That of the attempt before, if that was refused as well. */
  readonly before: undefined | number
  /** Whether the next attempt has another token or address. */
  readonly isRenewed: boolean
  /** Whether this client has ever been connected. */
  readonly hasOpened: boolean
}

/**
 * The HTTP status in the text of an error, if the WebSocket tells it: "Unexpected server response: 401" (`ws`), "Expected HTTP 101
 * response but was '401 Unauthorized'" (React Native), "Invalid status code: 401" (Deno), "received 401 instead" (workerd).
 */
export function statusOf (message = ''): undefined | number {
  const status = /(?:response|status|received)\D*([345]\d\d)\b/i.exec(message)?.[1]
  return status === undefined ? undefined : Number(status)
}

/** Whether no further attempt is of use. */
export function isFinal ({ status = 500, before, isRenewed, hasOpened }: Refusal): boolean {
  // A token that has expired meanwhile, but not twice in a row.
  if (status === 401) return !isRenewed || before === 401
  if (status === 403) return true
  // A timeout, too early, too many: they pass. So does what a proxy says while the server is being replaced.
  return status < 500 && ![408, 425, 429].includes(status) && !hasOpened
}

/** Milliseconds until the next attempt, after so many: at random, so that clients that were cut together do not come back together. */
export function delayOf (attempts: number, minDelay: number, maxDelay: number): number {
  return Math.min(minDelay * (1 + 3 * Math.random()) * 1.5 ** attempts, maxDelay * (0.5 + Math.random() / 2))
}
