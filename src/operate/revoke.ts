import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../clock.js'
import { closeCodes } from '../protocol/close-codes.js'
import type { Live } from '../connection/connection-roles.js'
import { namesOf } from '../connection/identity.js'
import { errors } from '../errors.js'
import { writeLog } from '../log.js'
import { suggest } from '../suggestion.js'
import { discard } from '../thenable.js'
import { isInMilliseconds } from '../auth/claims.js'
import { checkArgument, isObject } from '../option-checks.js'
import { isRevoked, type Revocation, type Revocations } from '../auth/revocation-store.js'
import { keyOf, textOf } from '../auth/subject.js'

const members = ['sub', 'iss', 'before', 'until']

/**
 * Revokes tokens: connections that use one are closed with 4403, and upgrades with one are refused.
 *
 * @returns the number of connections of this process that were closed.
 * @throws `FSR_ERR_OPTION_INVALID`, and the error of the app's store, which is also logged, after
 * the connections have been closed. The returned promise rejects with them; an unawaited rejection
 * does not end the process.
 */
export function revoke (...given: Parameters<typeof revokeAll>): Promise<number> {
  const revoked = revokeAll(...given)
  discard(revoked)
  return revoked
}

async function revokeAll (
  app: { readonly log: FastifyBaseLogger },
  clock: Clock,
  live: Iterable<Live>,
  revocations: Revocations,
  given: Revocation
): Promise<number> {
  const revocation = checkRevocation(clock, given)
  const { sub, before } = revocation
  // This process first, which cannot fail: pending upgrades see it at once.
  revocations.revokeHere(revocation)
  let closed = 0
  const subjects = new Set<string>()
  for (const connection of live) {
    const { identity } = connection
    const met = namesOf(identity).find((name) =>
      (name.subject === sub || name.sub === sub) && isRevoked(name, before))
    if (met === undefined || !connection.closeWith(closeCodes.revoked)) continue
    closed++
    subjects.add(met.subject)
  }
  if (subjects.size > 1) {
    writeLog(
      app,
      'warn',
      { closed },
      'socketRevoke() without iss closed connections of several issuers; ' +
        'set iss, unless a sub means the same user for all of them'
    )
  }
  try {
    await revocations.keep(revocation)
  } catch (error) {
    writeLog(
      app,
      'error',
      { err: error },
      'the revocation store failed to keep a revocation: ' +
        'only this process refuses its tokens, and only for a limited time'
    )
    throw error
  }
  return closed
}

function checkRevocation (
  clock: Clock,
  given: Revocation
): { sub: string, before: number, until: undefined | number } {
  checkArgument(isObject(given), 'The argument of socketRevoke()',
    `is not { ${members.join(', ')} }`)
  const { iss, before, until } = given
  const unknown = Object.keys(given).find((name) => !members.includes(name))
  // Without the name, as the object may be the body of a request.
  if (unknown !== undefined) {
    throw new errors.OptionInvalid(
      'The argument of socketRevoke()',
      `has an unknown member${suggest(unknown, members, `there are ${members.join(', ')}`)}`
    )
  }
  checkArgument(iss === undefined || typeof iss === 'string', 'Argument iss of socketRevoke()',
    'is not the issuer of a token, a string')
  checkTime(before, 'Argument before of socketRevoke()')
  checkTime(until, 'Argument until of socketRevoke()')
  // The default includes tokens issued in the current second.
  return {
    sub: keyOf(subOf(given), iss),
    before: before ?? Math.floor(clock.unixNow() / 1000) + 1,
    until
  }
}

// Seconds of Unix time, with fractions, as in a token (RFC 7519 section 2).
function checkTime (time: undefined | number, subject: string): void {
  if (time === undefined) return
  checkArgument(Number.isFinite(time) && time >= 0, subject, 'is not a time in seconds')
  // A time in milliseconds would lock the user out for thousands of years.
  checkArgument(!isInMilliseconds(time), subject, 'is in milliseconds, not in seconds')
}

function subOf ({ sub }: Revocation): string {
  try {
    return textOf(sub)
  } catch {
    throw new errors.OptionInvalid(
      'Argument sub of socketRevoke()',
      'is not the subject of a token: a non-empty string or an integer'
    )
  }
}
