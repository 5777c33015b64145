import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import * as ws from 'ws'
import type { ServerOptions, VerifyClientCallbackAsync, VerifyClientCallbackSync, WebSocketServer } from 'ws'
import { FrameSocket } from '../socket/frame-socket.js'
import { asError, errors } from '../errors.js'
import { writeLog } from '../log.js'
import { attempt, then } from '../thenable.js'
import { switchingHeaders } from './switching-headers.js'

const kClaim = Symbol('fastify-socket-route.claim')
type Upgrade = IncomingMessage & { [kClaim]?: undefined | Claim }

/** An upgrade of a socket route. */
interface Claim {
  readonly reply: FastifyReply
  readonly server: WebSocketServer
}

/** What bounds a message, and what ws keeps of it while it comes. */
export interface SocketLimits {
  /** Bytes. */
  readonly maxPayload: number
  readonly maxFragments: number
  readonly maxBufferedChunks: number
}

// Public in ws since 8.19, and not yet in its types.
interface Extensions {
  readonly extension: { parse (header: string): Record<string, undefined | object[]> }
  readonly PerMessageDeflate: new (options: object) => { accept (offers: object[]): unknown }
}
const { extension, PerMessageDeflate } = ws as unknown as Extensions
const DEFLATE = 'permessage-deflate'

// Of the offers of one client; more than a few have no use (RFC 7692 section 5.1).
const MOST_OFFERS = 16

// Bytes of a message that any connection may keep while it comes: one that is over a lower limit is refused when all of it is there.
const LEAST = 65_536

/**
 * The `ws` servers of all socket routes: those of the plugin's own `ws`, whichever version `@fastify/websocket` was installed with, so
 * that every limit is there. What only it can be asked is asked before the upgrade, so that a refusal is an answer of Fastify's.
 */
export class SocketServer {
  readonly #theirs: WebSocketServer
  readonly #options: ServerOptions
  readonly #limitsOf: (maxPayload: number) => SocketLimits
  // By the bytes of their largest message, as that is one for all sockets of a server of ws.
  readonly #own = new Map<number, WebSocketServer>()

  /**
   * @param theirs the server of `@fastify/websocket`, which goes on to upgrade bare routes.
   * @param options those of `ws` for socket routes.
   * @param limitsOf the limits that go with the largest message of a route.
   */
  constructor (theirs: WebSocketServer, options: ServerOptions, limitsOf: (maxPayload: number) => SocketLimits) {
    this.#theirs = theirs
    this.#options = options
    this.#limitsOf = limitsOf
    const handleUpgrade = theirs.handleUpgrade
    theirs.handleUpgrade = function (request: Upgrade, socket: Duplex, head, done) {
      const { server } = request[kClaim] ?? {}
      if (server === undefined) handleUpgrade.call(this, request, socket, head, done)
      else {
        server.handleUpgrade(request, socket, head, (client, request) => {
          if (client instanceof FrameSocket) client.writeTo(socket)
          done(client, request)
        })
      }
    }
  }

  /**
   * The server for a route, and the limits of its sockets.
   *
   * @param maxPayload bytes of the largest message of the route.
   */
  serverFor (maxPayload: number): { readonly server: WebSocketServer, readonly limits: SocketLimits } {
    const limits = this.#limitsOf(Math.min(Math.max(maxPayload, LEAST), this.#options.maxPayload!))
    const server = this.#own.get(limits.maxPayload) ?? this.#create(limits)
    this.#own.set(limits.maxPayload, server)
    return { server, limits }
  }

  #create (limits: SocketLimits): WebSocketServer {
    // Its clients are kept by their routes, its refusals made by Fastify, and sub-protocols are agreed on before.
    const { handleProtocols: _, ...given } = this.#options
    const own = limits.maxPayload === given.maxPayload ? {} : limits
    const options = { ...given, ...own, noServer: true, clientTracking: false, verifyClient: undefined, path: undefined }
    const server = new ws.WebSocketServer(options)
    server.on('headers', (lines, request: Upgrade) => {
      const { reply } = request[kClaim]!
      lines.push(...switchingHeaders(reply))
      request[kClaim] = undefined
      try {
        this.#theirs.emit('headers', lines, request)
      } catch (thrown) {
        writeLog(reply, 'error', { err: asError(thrown) }, 'a listener to the headers of upgrades has failed')
      }
    })
    return server
  }

  /** From now on the upgrade of this request is one of a socket route; its 101 has the headers of the reply. */
  claim (request: Upgrade, reply: FastifyReply, server: WebSocketServer): void {
    request[kClaim] = { reply, server }
  }

  /**
   * Chooses among the extensions that a client offers. An offer that cannot be met is declined, as if it had not been made (RFC 7692
   * sections 5.1 and 7.1); afterwards the header holds at most one, which `ws` accepts.
   *
   * @throws `FSR_ERR_HANDSHAKE_INVALID` (400) if the header cannot be read (RFC 6455 section 9.1).
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
    // No comma is within an offer: a value in quotes is a token as well.
    const offer = header.split(',').slice(0, MOST_OFFERS).find((each) => isAcceptable(each.trim(), perMessageDeflate as object))
    if (offer === undefined) delete headers['sec-websocket-extensions']
    else headers['sec-websocket-extensions'] = offer.trim()
  }

  /**
   * Asks `shouldHandle` and `verifyClient`, if the app has given them to `@fastify/websocket`: they would refuse past its error handler.
   *
   * @throws `FSR_ERR_HANDSHAKE_INVALID` (400), `FSR_ERR_CLIENT_REFUSED` (401, or as `verifyClient` says).
   */
  verify (request: FastifyRequest, reply: FastifyReply): undefined | Promise<void> {
    const { verifyClient } = this.#theirs.options
    // ws would take a promise for a yes.
    return then(this.#theirs.shouldHandle(request.raw) as unknown, (isHandled) => {
      if (!isHandled) throw new errors.HandshakeInvalid('the app does not upgrade this request')
      return verifyClient ? verify(verifyClient, request, reply) : undefined
    }) as undefined | Promise<void>
  }
}

type VerifyClient = VerifyClientCallbackAsync | VerifyClientCallbackSync
interface Verdict { readonly isVerified: unknown, readonly code?: undefined | number, readonly headers?: undefined | object }

async function verify (verifyClient: VerifyClient, { raw, headers: { origin } }: FastifyRequest, reply: FastifyReply): Promise<void> {
  const secure = (raw.socket as undefined | { readonly encrypted?: boolean })?.encrypted === true
  const { isVerified, code = 401, headers = {} } = await ask(verifyClient, { origin: origin!, secure, req: raw })
  if (await isVerified) return
  reply.headers(headers as Record<string, string>)
  throw Object.assign(new errors.ClientRefused(), { statusCode: code >= 400 && code < 600 ? code : 401 })
}

// As ws does, but that it waits for a promise, which ws would take for a yes.
async function ask (verifyClient: VerifyClient, info: Parameters<VerifyClientCallbackSync>[0]): Promise<Verdict> {
  if (verifyClient.length !== 2) return { isVerified: await (verifyClient as VerifyClientCallbackSync)(info) }
  return await new Promise((resolve, reject) => {
    const result: unknown = (verifyClient as VerifyClientCallbackAsync)(info, (isVerified, code, _message, headers) => {
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
