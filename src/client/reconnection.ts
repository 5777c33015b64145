/** How a connection ended. */
export interface Closed {
  /** The close code (RFC 6455 section 7.4); 1006 if the connection was cut, or was never open. */
  readonly code: number
  /** The close reason of the server, or an empty string. */
  readonly reason: string
}

/** How a connection or an attempt to connect ended, with the number of attempts so far. */
export interface Ended extends Closed {
  /** The number of new attempts since a connection last stayed open for five seconds. */
  readonly attempts: number
  /**
   * The HTTP status of a refused upgrade, if the WebSocket exposes it: `ws`, Bun, Deno and workerd
   * do; browsers and the global WebSocket of Node do not.
   */
  readonly status?: undefined | number
}

/**
 * Returns the HTTP status in an error text, if the WebSocket exposes it: "Unexpected server
 * response: 401" (`ws`), "Expected HTTP 101 response but was '401 Unauthorized'" (React Native),
 * "Invalid status code: 401" (Deno), "received 401 instead" (workerd).
 */
export function statusOf (message: string): undefined | number {
  return Number(/(?:response|status|received)\D*([345]\d\d)\b/i.exec(message)?.[1]) || undefined
}

/**
 * Whether further attempts are pointless.
 *
 * @param status the HTTP status of the refused upgrade; `undefined` if the WebSocket does not
 * expose it, as in browsers.
 * @param before the status of the previous attempt, if that was refused as well.
 * @param isRenewed whether the next attempt has another token or address.
 * @param hasOpened whether this client has ever been connected.
 */
export function isFinal (
  status = 500,
  before: undefined | number,
  isRenewed: boolean,
  hasOpened: boolean
): boolean {
  // The token may have expired meanwhile, but not twice in a row.
  if (status === 401) return !isRenewed || before === 401
  if (status === 403) return true
  // Request timeout, too early and too many requests are temporary. So are the answers of a proxy
  // while the server is being replaced.
  return status < 500 && ![408, 425, 429].includes(status) && !hasOpened
}

/**
 * Returns the milliseconds until the next attempt, after this number of attempts. Random, so that
 * clients that were disconnected together do not reconnect together.
 */
export function delayOf (attempts: number, minDelay: number, maxDelay: number): number {
  return Math.min(
    minDelay * (1 + 3 * Math.random()) * 1.5 ** attempts,
    maxDelay * (0.5 + Math.random() / 2)
  )
}
