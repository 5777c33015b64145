import type { FastifyRequest } from 'fastify'
import { Admission } from '../auth/admission.js'
import { endsTokens, oldestOf } from '../auth/claims.js'
import { missingJwt } from '../auth/jwt.js'
import { Authenticator } from '../auth/authenticator.js'
import { checkPlaces, isOfJwt, type TokenSource } from '../auth/token-source.js'
import { errors } from '../errors.js'
import { jwtOf, type Jwt } from '../host/fastify-jwt-internals.js'
import { writeLog } from '../log.js'
import { patternOf } from '../upgrade/path-template.js'
import type { RouteSetup } from './route-context.js'

/** Who may connect to a route. It is complete once all plugins are loaded. */
export class RouteGuard {
  readonly #setup: RouteSetup
  /** Decides about clients. Set by `ready()`. */
  admission!: Admission
  // Set by ready().
  #ofRest: undefined | Authenticator
  #jwt: undefined | Jwt

  constructor (setup: RouteSetup) {
    this.#setup = setup
    for (const source of ['query', 'ticket'] as const) {
      if (this.#reads(source)) setup.server.credentials.expect(source)
    }
  }

  /**
   * Resolves the `@fastify/jwt` of the scope.
   *
   * @param isShared whether a REST route has the same path.
   * @throws `FSR_ERR_JWT_MISSING`, `FSR_ERR_OPTION_INVALID`, `FSR_ERR_PACKAGE_UNSUPPORTED`.
   */
  ready (isShared: boolean): void {
    const { server: { revocations, credentials }, effective, path, isGuarded } = this.#setup
    const { isGranted: grants, tokenFrom } = effective
    const jwt = this.#jwt = jwtOf(this.#setup.scope, effective.jwt)
    if (isGuarded) this.#checkJwt(jwt)
    if (!isShared && (this.#reads('query') || this.#reads('ticket'))) {
      credentials.expectAt(patternOf(path))
    }
    // Without a source of tokens, hooks of the app set the users, whose tokens can be of any age.
    const times = jwt?.options.verify ?? {}
    revocations.expect(tokenFrom.some(isOfJwt) ? oldestOf(times) : Infinity)
    this.admission =
      new Admission(this.#authenticate(isGuarded ? tokenFrom : []), revocations, grants)
    this.#ofRest = this.#authenticate(['header', 'cookie'])
  }

  /**
   * Issues a ticket for the user of a REST request.
   *
   * @throws `FSR_ERR_OPTION_INVALID`, `FSR_ERR_TOKEN_MISSING`, `FSR_ERR_TOKEN_INVALID`,
   * `FSR_ERR_TOKEN_EXPIRED`.
   */
  async ticket (request: FastifyRequest): Promise<string> {
    const { name, path, server, effective } = this.#setup
    if (!this.#reads('ticket')) {
      throw new errors.OptionInvalid('Option route of socketTicket()',
        "is not the name of a guarded route with 'ticket' in tokenFrom")
    }
    const jwt = request.server && jwtOf(request.server, effective.jwt)
    if (jwt !== undefined && jwt.plugin !== this.#jwt?.plugin) {
      throw new errors.OptionInvalid('Option route of socketTicket()', 'is the name of a route ' +
        'with another @fastify/jwt than the request: issue its tickets in its scope')
    }
    const { authorization } = request.headers
    if (jwt === undefined && authorization !== undefined && !this.#ofRest!.users.isKnown(request)) {
      writeLog(request, 'warn', { route: path }, 'the token of a ticket request is ignored: ' +
        '@fastify/jwt is not registered in the scope of the request')
    }
    // No first message can follow a REST request: the result is an identity or an error.
    const identity = await this.#ofRest!.authenticate(request, undefined)
    return await server.tickets.issue(name, request, identity!)
  }

  // Checks that tokens can be verified.
  #checkJwt (jwt: undefined | Jwt): void {
    const { scope, path, effective: { tokenFrom, requireExpiry, jwt: name } } = this.#setup
    if (jwt === undefined && tokenFrom.some(isOfJwt)) {
      throw new errors.JwtMissing(path, missingJwt(scope, name))
    }
    if (jwt === undefined) return
    checkPlaces(scope, jwt, tokenFrom, path)
    if (requireExpiry && !endsTokens(jwt.options.verify)) {
      throw new errors.OptionInvalid('Option requireExpiry', `has no effect on '${path}': ` +
        'verify.ignoreExpiration or clockTimestamp of @fastify/jwt makes tokens valid for ever')
    }
  }

  #authenticate (tokenFrom: readonly TokenSource[]): Authenticator {
    const { name, server, isGuarded, effective: { requireExpiry, subject } } = this.#setup
    const { tickets, handshakeTimeout, clocks: { clock } } = server
    return new Authenticator({
      jwt: this.#jwt,
      tokenFrom,
      requireExpiry,
      subject,
      isGuarded,
      handshakeTimeout,
      clock,
      redeem: (request, ticket) => tickets.redeem(name, request, ticket)
    })
  }

  // Whether the guard reads tokens from a source.
  #reads (source: TokenSource): boolean {
    const { isGuarded, effective } = this.#setup
    return isGuarded && effective.tokenFrom.includes(source)
  }
}
