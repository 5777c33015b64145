import type { FastifyRequest } from 'fastify'

/** Who is connected, and until when that is known. */
export interface Identity {
  readonly user: unknown
  /** The registered claims of the token that matter while connected (RFC 7519 section 4.1): times are seconds of Unix time. */
  readonly sub: undefined | string
  readonly iat: undefined | number
  readonly exp: undefined | number
}

/** Who is on the other side of a request: what `@fastify/jwt` declares, if the app uses it. */
export type UserOfRequest = FastifyRequest extends { user: infer User } ? User : unknown
