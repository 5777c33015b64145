import type { FastifyRequest } from 'fastify'
import { isOver } from '../auth/claims.js'
import { subjectsOf, type Identity } from '../connection/identity.js'
import { errors, type SocketError } from '../errors.js'
import { writeLog } from '../log.js'
import { refuseByLimits, refuseUser } from '../upgrade/connection-limits.js'
import type { RouteSetup } from './route-context.js'

/** The checks in the turn in which a client connects: of what has changed while hooks ran. */
export class LastCheck {
  readonly #setup: RouteSetup
  #hasWarned = false

  constructor (setup: RouteSetup) {
    this.#setup = setup
  }

  /** Returns an error if an upgrade must be refused now. */
  refusal (request: FastifyRequest, identity: undefined | Identity): undefined | SocketError {
    const { name, server: { live, counts }, effective: { connections } } = this.#setup
    if (live.isClosing) return new errors.Closing()
    return (identity && this.#ofToken(identity)) ??
      refuseByLimits(connections, counts, name, request.ip, this.#subjectsOf(identity))
  }

  /** Returns an error if the client must be refused whose token came as the first message. */
  refusalOfFirst (identity: Identity): undefined | SocketError {
    const { server: { counts }, effective: { connections } } = this.#setup
    return this.#ofToken(identity) ??
      refuseUser(connections.perUser, counts, this.#subjectsOf(identity))
  }

  // A revocation or an expiry that has happened while hooks and predicates ran.
  #ofToken (identity: Identity): undefined | SocketError {
    const { revocations, clocks } = this.#setup.server
    if (revocations.isRevokedNow(identity)) return new errors.TokenInvalid()
    return isOver(identity, clocks.clock) ? new errors.TokenExpired() : undefined
  }

  #subjectsOf (identity: undefined | Identity): readonly string[] {
    if (identity === undefined) return []
    const { path, scope, effective: { connections } } = this.#setup
    if (
      identity.subject === undefined && connections.perUser !== undefined && !this.#hasWarned
    ) {
      this.#hasWarned = true
      writeLog(scope, 'warn', { route: path }, 'connections.perUser does not count users ' +
        'without a subject: set the option subject to the claim that identifies them')
    }
    return subjectsOf(identity)
  }
}
