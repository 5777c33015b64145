import { closeCodes } from '../close-codes.js'
import type { Live } from '../connection/closable.js'
import { errors } from '../errors.js'
import { isRevoked, type Revocation, type Revocations } from '../upgrade/revocation.js'

/**
 * Revokes tokens: whoever is connected with one is closed with 4403, and whoever comes with one is refused.
 *
 * @returns how many connections of this process were closed.
 * @throws `FSR_ERR_OPTION_INVALID`.
 */
export async function revoke (live: Iterable<Live>, revocations: Revocations, { sub, before, until }: Revocation): Promise<number> {
  if (typeof sub !== 'string' || sub === '') throw new errors.OptionInvalid('sub', 'is not the subject of a token')
  for (const [name, time] of Object.entries({ before, until })) {
    if (time !== undefined && !Number.isFinite(time)) throw new errors.OptionInvalid(name, 'is not a time in seconds')
  }
  // The default revokes also what was issued in this very second.
  const revocation = { sub, before: before ?? Math.floor(Date.now() / 1000) + 1, until }
  await revocations.revoke(revocation)
  let closed = 0
  for (const connection of live) {
    const { identity } = connection
    if (identity?.sub !== sub || !isRevoked(identity, revocation.before)) continue
    connection.shut(closeCodes.revoked)
    closed++
  }
  return closed
}
