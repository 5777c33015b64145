import { RETRY_AFTER } from '../upgrade/refusal.js'

/** The body that `fastify.socketHealth` replies with, for apps that extend it. */
export interface SocketHealth {
  /** `closing` from the moment `fastify.close()` begins: new connections are refused. */
  readonly status: 'ready' | 'closing'
  /** The number of live connections: open, or waiting for `onClose` or for the socket to close. */
  readonly connections: number
}

/** The count of live connections. */
export interface LiveCount {
  readonly isClosing: boolean
  readonly size: number
}

/**
 * The part of Fastify's reply that a health route uses; it fits every server type and type
 * provider.
 */
export interface HealthReply {
  code (status: number): unknown
  header (name: string, value: string | number): unknown
}

/** Returns the handler that tells a load balancer whether this process takes new clients. */
export function createHealth (
  live: LiveCount
): (request: unknown, reply: HealthReply) => Promise<SocketHealth> {
  return async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    if (!live.isClosing) return { status: 'ready', connections: live.size }
    reply.code(503)
    reply.header('retry-after', RETRY_AFTER)
    return { status: 'closing', connections: live.size }
  }
}
