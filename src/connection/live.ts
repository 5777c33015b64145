import type { CloseReason } from '../close-codes.js'
import type { Identity } from './identity.js'

/** What was too much, for the log. */
export interface ExceededLimit {
  /** The option that bounds it. */
  readonly option: string
  readonly limit: unknown
  /** How much it was, if that is a number. */
  readonly size?: undefined | number
}

/** What can be closed for one of the reasons of this plugin. */
export interface Closable {
  /** Closes in an orderly way; answers `false`, and does nothing, if that has begun already. */
  closeWith (reason: CloseReason, limit?: ExceededLimit): boolean
}

/** A connection that is not done yet: the app closes it when it is closed itself, or when its user is revoked. */
export interface Live extends Closable {
  /** Who it is, if that is known yet. */
  readonly identity: undefined | Identity
  /** The time to close in an orderly way is over. */
  expire (): void
}

/** All connections that are not done yet. */
export interface LiveSet {
  add (connection: Live): void
  delete (connection: Live): void
}
