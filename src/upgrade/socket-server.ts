import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import * as ws from 'ws'
import type {
  ServerOptions,
  VerifyClientCallbackAsync,
  VerifyClientCallbackSync,
  WebSocketServer
} from 'ws'
import { notUpgraded, wrapHandleUpgrade } from '../host/fastify-websocket-internals.js'
import { FrameSocket } from '../socket/frame-socket.js'
import { asError, errors } from '../errors.js'
import { writeLog } from '../log.js'
import { attempt } from '../thenable.js'
import { switchingHeaders } from './switching-headers.js'

const kClaim = Symbol('fastify-socket-route.claim')
type Upgrade = IncomingMessage & { [kClaim]?: undefined | Claim }

/** An upgrade of a socket route. */
interface Claim {
  readonly reply: FastifyReply
  readonly server: WebSocketServer
  /** Whether `@fastify/websocket` has called `handleUpgrade()`. */
  isBegun: boolean
}

/** The limits of ws for one message and for its parts. */
export interface SocketLimits {
  /** Bytes. */
  readonly maxPayload: number
  readonly maxFragments: number
  readonly maxBufferedChunks: number
}

// Public in ws since 8.19, but missing in its types.
interface Extensions {
  readonly extension: { parse (header: string): Record<string, undefined | object[]> }
  readonly PerMessageDeflate: new (options: object) => { accept (offers: object[]): unknown }
}
const { extension, PerMessageDeflate } = ws as unknown as Extensions
const DEFLATE = 'permessage-deflate'

// The most offers that are read of one client; more than a few are of no use (RFC 7692 section
// 5.1).
const MOST_OFFERS = 16

// The lowest maxPayload of a server of ws, in bytes. A route with a lower limit checks a message
// when it is complete.
const LEAST = 65_536

/**
 * The `ws` servers of all socket routes. They use the plugin's own `ws`, not the version that
 * `@fastify/websocket` was installed with, so that every limit exists. Checks that `ws` would make
 * during the upgrade are made before it, so that Fastify replies to refusals.
 */
export class SocketServer {
  readonly #theirs: WebSocketServer
  readonly #options: ServerOptions
  readonly #limitsOf: (maxPayload: number) => SocketLimits
  // Keyed by maxPayload, which ws has per server.
  readonly #own = new Map<number, WebSocketServer>()

  /**
   * @param theirs the server of `@fastify/websocket`, which still upgrades bare routes.
   * @param options the options of `ws` for socket routes.
   * @param limitsOf returns the limits for the `maxPayload` of a route.
   */
  constructor (
    theirs: WebSocketServer,
    options: ServerOptions,
    limitsOf: (maxPayload: number) => SocketLimits
  ) {
    this.#theirs = theirs
    this.#options = options
    this.#limitsOf = limitsOf
    wrapHandleUpgrade(theirs, (handleUpgrade) =>
      function (this: WebSocketServer, request: Upgrade, socket: Duplex, head, done) {
        const claim = request[kClaim]
        if (claim === undefined) handleUpgrade.call(this, request, socket, head, done)
        else {
          claim.isBegun = true
          claim.server.handleUpgrade(request, socket, head, (client, request) => {
            if (client instanceof FrameSocket) client.writeTo(socket)
            done(client, request)
          })
        }
      })
  }

  /**
   * Returns the server for a route, and the limits of its sockets.
   *
   * @param maxPayload bytes of the largest message of the route.
   */
  serverFor (maxPayload: number): {
    readonly server: WebSocketServer
    readonly limits: SocketLimits
  } {
    const limits = this.#limitsOf(Math.min(Math.max(maxPayload, LEAST), this.#options.maxPayload!))
    const server = this.#own.get(limits.maxPayload) ?? this.#create(limits)
    this.#own.set(limits.maxPayload, server)
    return { server, limits }
  }

  #create (limits: SocketLimits): WebSocketServer {
    // Routes keep the clients, Fastify makes refusals, and the sub-protocol is chosen before the
    // upgrade.
    const { handleProtocols: _, ...given } = this.#options
    const own = limits.maxPayload === given.maxPayload ? {} : limits
    const options = {
      ...given,
      ...own,
      noServer: true,
      clientTracking: false,
      verifyClient: undefined,
      path: undefined
    }
    const server = new ws.WebSocketServer(options)
    server.on('headers', (lines, request: Upgrade) => {
      const { reply } = request[kClaim]!
      lines.push(...switchingHeaders(reply))
      request[kClaim] = undefined
      try {
        this.#theirs.emit('headers', lines, request)
      } catch (thrown) {
        const details = { err: asError(thrown) }
        writeLog(reply, 'error', details, "a 'headers' listener of the WebSocket server threw")
      }
    })
    return server
  }

  /**
   * Performs the upgrade of a socket route. The 101 gets the headers of the reply.
   *
   * @param server the server for the route.
   * @param accept calls the handler that `@fastify/websocket` has created for the route.
   * @throws the error of a WebSocket class of the app, `FSR_ERR_PACKAGE_UNSUPPORTED`.
   */
  upgrade (reply: FastifyReply, server: WebSocketServer, accept: () => unknown): void {
    const claim: Claim = { reply, server, isBegun: false };
    (reply.request.raw as Upgrade)[kClaim] = claim
    accept()
    if (!claim.isBegun) throw notUpgraded()
  }

  /**
   * Chooses one of the extensions that a client offers. An offer that `ws` cannot accept is
   * declined by ignoring it (RFC 7692 sections 5.1 and 7.1). Afterwards the header has at most one
   * offer, which `ws` accepts.
   *
   * @throws `FSR_ERR_HANDSHAKE_INVALID` (400) if the header is malformed (RFC 6455 section 9.1).
   */
  chooseExtension (headers: IncomingMessage['headers']): void {
    const header = headers['sec-websocket-extensions']
    const { perMessageDeflate } = this.#options
    if (header === undefined || !perMessageDeflate) return
    try {
      extension.parse(header)
    } catch {
      throw new errors.HandshakeInvalid('the Sec-WebSocket-Extensions header is malformed')
    }
    // An offer contains no comma: quoted values are tokens as well.
    const offer = header
      .split(',')
      .slice(0, MOST_OFFERS)
      .find((each) => isAcceptable(each.trim(), perMessageDeflate as object))
    if (offer === undefined) delete headers['sec-websocket-extensions']
    else headers['sec-websocket-extensions'] = offer.trim()
  }

  /**
   * Calls `shouldHandle` and `verifyClient` that the app has passed to `@fastify/websocket`. Called
   * by `ws` they would bypass the error handler of the app.
   *
   * @throws `FSR_ERR_HANDSHAKE_INVALID` (400), `FSR_ERR_CLIENT_REFUSED` (401, or as `verifyClient`
   * says).
   */
  async verify (request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { verifyClient } = this.#theirs.options
    // ws would treat a promise as a yes.
    const isHandled: unknown = await this.#theirs.shouldHandle(request.raw)
    if (!isHandled) throw new errors.HandshakeInvalid('shouldHandle of the app rejected it')
    if (verifyClient) await verify(verifyClient, request, reply)
  }
}

type VerifyClient = VerifyClientCallbackAsync | VerifyClientCallbackSync
interface Verdict {
  readonly isVerified: unknown
  readonly code?: undefined | number
  readonly headers?: undefined | object
}

async function verify (
  verifyClient: VerifyClient,
  { raw, headers: { origin } }: FastifyRequest,
  reply: FastifyReply
): Promise<void> {
  const secure = (raw.socket as undefined | { readonly encrypted?: boolean })?.encrypted === true
  const info = { origin: origin!, secure, req: raw }
  const { isVerified, code = 401, headers = {} } = await call(verifyClient, info)
  if (await isVerified) return
  reply.headers(headers as Record<string, string>)
  const statusCode = code >= 400 && code < 600 ? code : 401
  throw Object.assign(new errors.ClientRefused(), { statusCode })
}

// Calls verifyClient as ws does, but awaits a promise, which ws would treat as a yes.
async function call (
  verifyClient: VerifyClient,
  info: Parameters<VerifyClientCallbackSync>[0]
): Promise<Verdict> {
  if (verifyClient.length !== 2) {
    return { isVerified: await (verifyClient as VerifyClientCallbackSync)(info) }
  }
  return await new Promise((resolve, reject) => {
    const withCallback = verifyClient as VerifyClientCallbackAsync
    const result: unknown = withCallback(info, (isVerified, code, _message, headers) => {
      resolve({ isVerified, code, headers })
    })
    attempt(() => result, () => {}, reject)
  })
}

function isAcceptable (offer: string, options: object): boolean {
  const configurations = extension.parse(offer)[DEFLATE]
  if (configurations === undefined) return false
  try {
    new PerMessageDeflate({ ...options, isServer: true }).accept(configurations)
    return true
  } catch {
    return false
  }
}
