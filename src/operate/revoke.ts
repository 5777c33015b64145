import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../clock.js'
import { closeCodes } from '../close-codes.js'
import type { Live } from '../connection/live.js'
import type { Named } from '../connection/identity.js'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'
import { suggest } from '../suggestion.js'
import { discard } from '../thenable.js'
import { isInMilliseconds } from '../auth/claims.js'
import { check, isObject } from '../options/option-checks.js'
import { isRevoked, type Revocation, type Revocations } from '../auth/revocation.js'
import { keyOf, textOf } from '../auth/subject.js'

const members = ['sub', 'iss', 'before', 'until']

/**
 * Revokes tokens: connections with one are closed with 4403, and clients that come with one are refused.
 *
 * @returns how many connections of this process were closed.
 * @throws `FSR_ERR_OPTION_INVALID`, and what a store of the app throws, after the connections were closed: as a rejection that is logged
 * where it is of the store, and ends no process if it is not awaited.
 */
export function revoke (...given: Parameters<typeof revokeAll>): Promise<number> {
  const revoked = revokeAll(...given)
  discard(revoked)
  return revoked
}

async function revokeAll (app: { readonly log: FastifyBaseLogger }, clock: Clock, live: Iterable<Live>, revocations: Revocations, given: Revocation): Promise<number> {
  const revocation = checkRevocation(clock, given)
  const { sub, before } = revocation
  // First here, where it cannot fail; upgrades under way see it at once.
  revocations.revokeHere(revocation)
  let closed = 0
  const subjects = new Set<undefined | string>()
  for (const connection of live) {
    const { identity } = connection
    const met = [identity, identity?.own].find((named) => isOf(named, sub) && isRevoked(named, before))
    if (met === undefined || !connection.closeWith(closeCodes.revoked)) continue
    closed++
    subjects.add(met.subject)
  }
  if (subjects.size > 1) writeLog(app, 'warn', { closed }, 'socketRevoke() without iss has closed connections of several issuers: name iss, unless a sub is the same user for all')
  try {
    await revocations.keep(revocation)
  } catch (error) {
    writeLog(app, 'error', { err: error }, 'the store has not kept a revocation: its tokens are refused here, for a while only')
    throw error
  }
  return closed
}

function isOf (named: undefined | Named, sub: string): named is Named {
  return named !== undefined && (named.subject === sub || named.sub === sub)
}

function checkRevocation (clock: Clock, given: Revocation): { sub: string, before: number, until: undefined | number } {
  check(isObject(given), 'of socketRevoke()', `is not { ${members.join(', ')} }`)
  const { iss, before, until } = given
  const unknown = Object.keys(given).find((name) => !members.includes(name))
  // Without its name: the object may be the body of a request.
  if (unknown !== undefined) throw new errors.OptionInvalid('of socketRevoke()', `is unknown${suggest(unknown, members, `there are ${members.join(', ')}`)}`)
  if (iss !== undefined && typeof iss !== 'string') throw new errors.OptionInvalid('iss', 'is not the issuer of a token, a string')
  for (const [name, time] of Object.entries({ before, until })) {
    if (time !== undefined && !Number.isFinite(time)) throw new errors.OptionInvalid(name, 'is not a time in seconds')
    // It would lock the user out for thousands of years.
    if (time !== undefined && isInMilliseconds(time)) throw new errors.OptionInvalid(name, 'is a time in milliseconds, not in seconds')
  }
  // The default revokes also what was issued in this very second.
  return { sub: keyOf(subOf(given), iss), before: before ?? Math.floor(clock.unixNow() / 1000) + 1, until }
}

function subOf ({ sub }: Revocation): string {
  try {
    return textOf(sub)
  } catch {
    throw new errors.OptionInvalid('sub', 'is not the subject of a token, a string that is not empty or an integer')
  }
}
