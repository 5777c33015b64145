import type { CloseReason } from '../close-codes.js'

/** What can be closed for one of the reasons of this plugin. */
export interface Closable {
  /** Closes in an orderly way; nothing happens if that has begun already. */
  shut (reason: CloseReason): void
}
