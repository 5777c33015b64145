import type { Clock } from '../clock.js'
import { closeCodes } from '../close-codes.js'
import type { Live } from '../connection/closable.js'
import { errors } from '../errors.js'
import { isRevoked, type Revocation, type Revocations } from '../upgrade/revocation.js'

// Above this Unix time is not in seconds: they come to it in the year 5138.
const MILLISECONDS = 1e11

/**
 * Revokes tokens: whoever is connected with one is closed with 4403, and whoever comes with one is refused.
 *
 * @returns how many connections of this process were closed.
 * @throws `FSR_ERR_OPTION_INVALID`, and what a store of the app throws, after the connections were closed.
 */
export async function revoke (clock: Clock, live: Iterable<Live>, revocations: Revocations, given: Revocation): Promise<number> {
  const { sub, before, until } = given
  const unknown = Object.keys(given).find((name) => !['sub', 'before', 'until'].includes(name))
  if (unknown !== undefined) throw new errors.OptionInvalid(`'${unknown}'`, 'is unknown here; there are sub, before, until')
  if (typeof sub !== 'string' || sub === '') throw new errors.OptionInvalid('sub', 'is not the subject of a token, a string that is not empty')
  for (const [name, time] of Object.entries({ before, until })) {
    if (time !== undefined && !Number.isFinite(time)) throw new errors.OptionInvalid(name, 'is not a time in seconds')
    // It would lock the user out for thousands of years.
    if (time !== undefined && time >= MILLISECONDS) throw new errors.OptionInvalid(name, 'is a time in milliseconds, not in seconds')
  }
  // The default revokes also what was issued in this very second.
  const revocation = { sub, before: before ?? Math.floor(clock.unixNow() / 1000) + 1, until }
  // First here, where it cannot fail; upgrades under way see it at once.
  revocations.revokeHere(revocation)
  let closed = 0
  for (const connection of live) {
    const { identity } = connection
    if (identity?.sub === sub && isRevoked(identity, revocation.before) && connection.shut(closeCodes.revoked)) closed++
  }
  await revocations.keep(revocation)
  return closed
}
