import type { CloseReason } from '../protocol/close-codes.js'
import type { Identity } from './identity.js'

/** A limit that was exceeded, for the log. */
export interface ExceededLimit {
  /** The name of the option. */
  readonly option: string
  readonly limit: unknown
  /** The actual value, if it is a number. */
  readonly size?: undefined | number
}

/** A connection that can be closed for a reason in `close-codes`. */
export interface Closable {
  /** Starts an orderly close; does nothing and returns `false` if one has begun already. */
  closeWith (reason: CloseReason, limit?: ExceededLimit): boolean
}

/** A connection that has not ended. It is closed when the app closes or its user is revoked. */
export interface Live extends Closable {
  /** The user, once known. */
  readonly identity: undefined | Identity
  /** The time for an orderly close is over. */
  onCloseTimeout (): void
}

/** All connections that have not ended. */
export interface LiveSet {
  add (connection: Live): void
  delete (connection: Live): void
}

/** The traffic of a connection so far, in bytes. */
export interface Traffic {
  readonly received: number
  /** Bytes that the kernel has taken. */
  readonly sent: number
  /**
   * Bytes that wait for the kernel. While there are any, a rise of `sent` shows that the client
   * reads.
   */
  readonly waiting: number
  /** Whether reading is paused, because the client does not read its replies. */
  readonly isPaused: boolean
}

/** A connection that a heartbeat checks. */
export interface Beating {
  /** `undefined` while traffic does not show whether the client is alive. */
  readonly traffic: undefined | Traffic
  ping (): void
  /** Called when the heartbeat times out. */
  onHeartbeatTimeout (): void
}

/** A connection that is counted, and closed when its user has too many. */
export interface Counted extends Closable {
  readonly ip: undefined | string
  /** The name of the route. */
  readonly route: string
  /** The subjects of the user: see `Identity`. */
  readonly subjects: readonly string[]
}

/** A connection that has exceeded its rate. */
export interface Metered {
  /** The next window of the rate has begun. */
  onNextWindow (): void
}

/** A connection's token, with which the connection ends. */
export interface Expiring {
  /** The token has expired, or the time for reading on has. */
  onExpired (): void
  /** The verification of a renewal took too long. */
  onRenewalTimeout (): void
}

/** A connection, as the registries of the app and of its route use it. */
export interface Supervised extends Beating, Counted, Live, Metered {}
