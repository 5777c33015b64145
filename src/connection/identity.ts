import type { FastifyRequest } from 'fastify'

/** Who is connected, and until when. */
export interface Identity {
  readonly user: unknown
  /**
   * Tells users apart, for caps, revocations and renewals: `sub`, with the issuer where there is one, or what the option
   * `subject` makes of the claims. None if the user has no such claim.
   */
  readonly subject: undefined | string
  /** The same without an issuer: by this alone a user of any issuer is revoked. */
  readonly sub: undefined | string
  /** When the token was issued, in seconds of Unix time (RFC 7519 section 4.1.6). */
  readonly iat: undefined | number
  /** When the connection ends, in seconds of Unix time: when the verifier, as it is configured, takes the token no more. */
  readonly exp: undefined | number
}

/** Who is on the other side of a request: what `@fastify/jwt` declares, if the app uses it. */
export type UserOfRequest = FastifyRequest extends { user: infer User } ? User : unknown
