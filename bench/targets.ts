import type { DialectName } from './load/dialect.js'

/** A server that is measured. */
export interface Target {
  /** As tables and charts call it. */
  readonly title: string
  /** Its module in `targets/`. */
  readonly module: string
  readonly dialect?: DialectName
  /**
   * The package whose version is reported, and whether it is installed in the root or in `bench/`.
   */
  readonly package?: { readonly name: string, readonly from: 'root' | 'bench' }
  /** Handed to the server. */
  readonly config?: object
  /** A file that the built plugin needs for this target. */
  readonly needs?: string
  /** False if it does not look at what it is sent. */
  readonly isChecked?: boolean
}

/** All targets. The first is what the others are compared with. */
export const targets = {
  ws: { title: 'ws', module: 'ws.js', package: { name: 'ws', from: 'bench' } },
  'fastify-websocket': {
    title: '@fastify/websocket',
    module: 'fastify-websocket.js',
    package: { name: '@fastify/websocket', from: 'root' }
  },
  'socket.io': {
    title: 'Socket.IO',
    module: 'socket-io.js',
    dialect: 'socketIo',
    package: { name: 'socket.io', from: 'bench' }
  },
  nestjs: {
    title: 'NestJS (ws)',
    module: 'nestjs.js',
    dialect: 'nestjs',
    package: { name: '@nestjs/platform-ws', from: 'bench' }
  },
  crossws: { title: 'crossws', module: 'crossws.js', package: { name: 'crossws', from: 'bench' } },
  plugin: { title: 'fastify-socket-route', module: 'plugin.js' },
  'plugin-write': {
    title: 'fastify-socket-route, reads by ws',
    module: 'plugin.js',
    config: { fastPath: 'write' },
    needs: 'fastPath'
  },
  'plugin-public': {
    title: 'fastify-socket-route, fastPath: false',
    module: 'plugin.js',
    config: { fastPath: false },
    needs: 'fastPath'
  },
  'plugin-stringify': {
    title: 'fastify-socket-route, JSON.stringify',
    module: 'plugin.js',
    config: { stringify: true }
  },
  uwebsockets: {
    title: 'uWebSockets.js',
    module: 'uwebsockets.js',
    package: { name: '@trufflesuite/uws-js-unofficial', from: 'bench' }
  },
  tcp: { title: 'plain TCP', module: 'tcp.js', isChecked: false }
} as const satisfies Record<string, Target>

export type TargetName = keyof typeof targets

/** The baseline of every ratio. */
export const BASELINE: TargetName = 'ws'
