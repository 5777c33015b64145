import type { FastifyRequest } from 'fastify'

/** The subject by which a user is counted and revoked, and the time of its token. */
export interface Name {
  /**
   * Identifies the user for limits, revocations and renewals: `sub` with the issuer, if there is
   * one, or the result of the option `subject`.
   */
  readonly subject: string
  /** `sub` without the issuer; used to revoke a user of any issuer. */
  readonly sub: string
  /** When the token was issued, in seconds of Unix time (RFC 7519 section 4.1.6). */
  readonly iat: undefined | number
}

/** The user of a connection, and when the user's token expires. */
export interface Identity {
  readonly user: unknown
  /** The name of the user: see `Name`. `undefined` if the user has no such claim. */
  readonly subject: undefined | Name['subject']
  readonly sub: undefined | Name['sub']
  readonly iat: Name['iat']
  /**
   * The name of a session whose client has sent a token beside it. The user is counted and revoked
   * by that as well, also after a renewal of the token.
   */
  readonly session?: undefined | Name
  /**
   * When the connection ends, in seconds of Unix time: the first moment at which the verifier, as
   * configured, rejects the token.
   */
  readonly exp: undefined | number
}

/** The names by which a user is counted and revoked. */
export function namesOf (identity: undefined | Identity): readonly Name[] {
  return [identity, identity?.session].filter((each): each is Name => each?.subject !== undefined)
}

/** The subjects by which a user is counted. */
export function subjectsOf (identity: undefined | Identity): readonly string[] {
  return namesOf(identity).map(({ subject }) => subject)
}

/** The type of `request.user`, as `@fastify/jwt` declares it; `unknown` without that plugin. */
export type UserOfRequest = FastifyRequest extends { user: infer User } ? User : unknown

/** Verifies a token that comes while connected, and whether its user is still granted access. */
export type Renewal =
  (request: FastifyRequest, token: string, before: Identity) => Promise<Identity>
