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
  expire (): void
}

/** All connections that have not ended. */
export interface LiveSet {
  add (connection: Live): void
  delete (connection: Live): void
}
