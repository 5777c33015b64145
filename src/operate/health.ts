import { RETRY_AFTER } from '../upgrade/refusal.js'

/** What `fastify.socketHealth` answers, for those who add to it. */
export interface SocketHealth {
  /** Whether new connections are let in; from the moment `fastify.close()` begins they are not. */
  readonly status: 'ready' | 'closing'
  /** How many connections are not done yet: they are open, or their `onClose` or the socket's close is still to come. */
  readonly connections: number
}

/** Whatever knows of all connections. */
export interface LiveCount {
  readonly isClosing: boolean
  readonly size: number
}

/** The reply of Fastify, as far as a health route needs it: so that it fits every kind of server and type provider. */
export interface HealthReply {
  code (status: number): unknown
  header (name: string, value: string | number): unknown
}

/** Makes the handler that tells a load balancer whether to send clients here. */
export function createHealth (live: LiveCount): (request: unknown, reply: HealthReply) => Promise<SocketHealth> {
  return async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    if (!live.isClosing) return { status: 'ready', connections: live.size }
    reply.code(503)
    reply.header('retry-after', RETRY_AFTER)
    return { status: 'closing', connections: live.size }
  }
}
