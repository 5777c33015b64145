import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { ServerOptions } from 'ws'
import type { FastPath } from '../options/plugin-settings.js'
import { FastSocket } from '../socket/fast-socket.js'
import { FrameSocket } from '../socket/frame-socket.js'
import { readsDirectly } from '../socket/lazy-socket.js'
import { findUnsupported, versionOfWs } from '../socket/probe.js'

/**
 * Returns the parts of the fast path that are on: those of the options that the installed `ws`
 * supports. What it does not support is logged.
 */
export async function supportedFastPath (
  fastify: FastifyInstance,
  { write, read }: FastPath
): Promise<FastPath> {
  const unsupported = read ? await findUnsupported(FastSocket) : undefined
  if (unsupported !== undefined) {
    fastify.log.warn(`ws ${versionOfWs()} is not supported by the reading part of the fast path ` +
      `(${unsupported}); ws reads instead`)
  }
  const reads = read && unsupported === undefined
  if (reads && !(fastify.server instanceof TlsServer) && !readsDirectly()) {
    fastify.log.warn('this version of Node does not support direct reads of the fast path; ' +
      'reading through streams, which is slower')
  }
  return Object.freeze({ write, read: reads })
}

/** Returns the option of `ws` for the class of sockets. Without the fast path it is the app's. */
export function socketClassOf ({ write, read }: FastPath): Pick<ServerOptions, 'WebSocket'> {
  return write ? { WebSocket: (read ? FastSocket : FrameSocket) as never } : {}
}
