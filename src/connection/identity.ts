import type { FastifyRequest } from 'fastify'

/** The name and the age by which a user is counted and revoked. */
export interface Named {
  /**
   * Tells users apart, for caps, revocations and renewals: `sub`, with the issuer where there is one, or what the option
   * `subject` makes of the claims. None if the user has no such claim.
   */
  readonly subject: undefined | string
  /** The same without an issuer: by this alone a user of any issuer is revoked. */
  readonly sub: undefined | string
  /** When the token was issued, in seconds of Unix time (RFC 7519 section 4.1.6). */
  readonly iat: undefined | number
}

/** Who is connected, and until when. */
export interface Identity extends Named {
  readonly user: unknown
  /** Another name, which a hook has given the user of a token: that of a session, say. The user is counted and revoked by either. */
  readonly own?: undefined | Named
  /** When the connection ends, in seconds of Unix time: when the verifier, as it is configured, takes the token no more. */
  readonly exp: undefined | number
}

/** The subjects that a user is counted by. */
export function subjectsOf (identity: undefined | Identity): readonly string[] {
  return [identity?.subject, identity?.own?.subject].filter((subject) => subject !== undefined)
}

/** Who is on the other side of a request: what `@fastify/jwt` declares, if the app uses it. */
export type UserOfRequest = FastifyRequest extends { user: infer User } ? User : unknown
