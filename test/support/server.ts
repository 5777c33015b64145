import type { Test } from 'tap'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import jwt from '@fastify/jwt'
import { kClock, type Clock } from '../../src/clock.js'
import socketRoutes, { type SocketPluginOptions } from '../../src/index.js'
import { StillClock, TestClock } from './clock.js'
import { mustNotBeLogged, witnessed } from './witness.js'

/** The key of every token in the tests. */
export const SECRET = 'a secret of the tests, thirty-two bytes or more'

/** Tests are run with all of the fast path, with the part that writes alone, and without. */
export const fastPath = formOf(process.env['FAST_PATH'])

/** How an app of a test is made. */
export interface AppOptions {
  readonly fastify?: FastifyServerOptions
  readonly plugin?: SocketPluginOptions
  /** Whether `@fastify/jwt` is registered. @default true */
  readonly jwt?: boolean
  /**
   * One that the test moves, until the app is closed at its end. @default one that stands still
   * until then
   */
  readonly clock?: undefined | Clock
}

/** An app with the plugin; it is closed when the test ends. */
export async function createApp (t: Test, options: AppOptions = {}): Promise<FastifyInstance> {
  const { fastify = {}, clock = new StillClock() } = options
  if (fastify.loggerInstance === undefined) fastify.logger = witnessed(fastify.logger)
  const app = Fastify(fastify)
  t.teardown(() => clock instanceof TestClock ? clock.during(app.close()) : app.close())
  if (options.jwt !== false) await app.register(jwt, { secret: SECRET })
  await app.register(socketRoutes, { ...fastPath, ...options.plugin, [kClock]: clock } as object)
  return app
}

/** Listens on a free port of the loopback, and answers `ws://127.0.0.1:port`. */
export async function listen (app: FastifyInstance): Promise<string> {
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  return address.replace(/^http/, 'ws')
}

/** A token of a user with these roles. */
export function tokenOf (app: FastifyInstance, roles: unknown = [
  'ROLE_USER'
], claims: object = {}): string {
  const token = app.jwt.sign({ sub: 'alice', roles, ...claims })
  mustNotBeLogged(token)
  return token
}

function formOf (name: undefined | string): Pick<SocketPluginOptions, 'fastPath'> {
  return name === undefined ? {} : { fastPath: name === 'write' ? name : false }
}
