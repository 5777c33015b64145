import type { FastifyRequest } from 'fastify'

/** The name and token time by which a user is counted and revoked. */
export interface Named {
  /**
   * Identifies the user for limits, revocations and renewals: `sub` with the issuer, if there is
   * one, or the result of the option `subject`. `undefined` if the user has no such claim.
   */
  readonly subject: undefined | string
  /** `sub` without the issuer; used to revoke a user of any issuer. */
  readonly sub: undefined | string
  /** When the token was issued, in seconds of Unix time (RFC 7519 section 4.1.6). */
  readonly iat: undefined | number
}

/** The user of a connection, and when the user's token expires. */
export interface Identity extends Named {
  readonly user: unknown
  /**
   * A second name, set by a hook beside the token: of a session, say. The user is counted and
   * revoked by either.
   */
  readonly own?: undefined | Named
  /**
   * When the connection ends, in seconds of Unix time: the first moment at which the verifier, as
   * configured, rejects the token.
   */
  readonly exp: undefined | number
}

/** The subjects by which a user is counted. */
export function subjectsOf (identity: undefined | Identity): readonly string[] {
  return [identity?.subject, identity?.own?.subject].filter((subject) => subject !== undefined)
}

/** The type of `request.user`, as `@fastify/jwt` declares it; `unknown` without that plugin. */
export type UserOfRequest = FastifyRequest extends { user: infer User } ? User : unknown

/** Verifies a token that comes while connected, and whether its user is still granted access. */
export type Renewal =
  (request: FastifyRequest, token: string, before: Identity) => Promise<Identity>
