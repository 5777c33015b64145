import type { Test } from 'tap'
import jwt from '@fastify/jwt'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { WebSocket } from 'ws'
import type { SocketController, SocketPluginOptions, SocketRouteOptions } from '../../src/index.js'
import { connect, type Client } from './client.js'
import { failures, nonsense, type Hostile } from './hostile.js'
import { createApp, listen, SECRET, tokenOf } from './server.js'
import { until } from './until.js'

/**
 * A place where an app gives a function to the plugin, and what a client does to have it called.
 */
export interface Place {
  readonly fastify?: (hostile: Hostile) => FastifyServerOptions
  /** Options of `@fastify/jwt`. */
  readonly jwt?: (hostile: Hostile) => object
  readonly plugin?: (hostile: Hostile) => SocketPluginOptions
  readonly route?: (hostile: Hostile) => SocketRouteOptions
  readonly controller?: (hostile: Hostile) => object
  readonly prepare?: (app: FastifyInstance, hostile: Hostile) => void
  /** Replaces connecting and sending. */
  readonly meets?: (meeting: Meeting) => Promise<unknown>
  /** Whether the upgrade is to be refused. */
  readonly isGuard?: boolean
  /** The forms to try, without nonsense if that is a valid value. @default every form */
  readonly forms?: ReadonlyArray<readonly [string, Hostile]>
  /** The messages of the client. @default one message */
  readonly sends?: readonly string[]
  readonly query?: string
  readonly protocols?: string[]
  /** Headers of the client besides its token. */
  readonly headers?: Record<string, string>
  /** Whether the client has a token in its header. @default true */
  readonly hasToken?: boolean
}

/** The forms that a place is tried with. */
export interface Meeting {
  readonly t: Test
  readonly app: FastifyInstance
  readonly url: string
  readonly token: string
  readonly headers: Record<string, string>
  /** How the function fails, for the test to say. */
  readonly what: string
  /** Has the function do something else for as long as `work` takes. */
  readonly meanwhile: <Value>(form: Hostile, work: () => Promise<Value>) => Promise<Value>
}

/** Every form. */
export const anything = [...failures, ...nonsense]

/**
 * Those that fail at once, and nonsense: where Node, or JSON, calls a function and looks at nothing
 * that it returns.
 */
export const atOnce = [...failures.filter(([what]) => what.startsWith('throws')), ...nonsense]

/** Values that Node can pass on as the error of a stream. */
export const ofStreams = atOnce.filter(([what]) => /^throws an error(?! with getters)/.test(what))

/** A controller that nothing is wrong with. */
export const echo: SocketController = { onMessage: (_connection, message) => message }

/** The status of the answer to an upgrade. */
export async function statusOf (
  url: string,
  protocols: string[],
  headers: Record<string, string>
): Promise<number> {
  const socket = new WebSocket(url, protocols, { headers })
  return await new Promise((resolve, reject) => {
    socket.on('open', () => { socket.terminate(); resolve(101) })
    socket.on('unexpected-response', (_request, response) => {
      response.destroy()
      resolve(response.statusCode!)
    })
    socket.on('error', reject)
  })
}

/** Resolves when something has come back, or nothing will. */
export async function answered (client: Client): Promise<void> {
  const before = client.unread.length
  client.socket.ping()
  let isBack = false
  client.socket.once('pong', () => { isBack = true })
  await until(() => isBack || client.socket.readyState !== 1 || client.unread.length > before)
}

// The client meets a refusal, or a connection that answers or ends.
async function meet ({
  sends = ['hello'],
  isGuard = false,
  protocols = []
}: Place, { t, url, headers, what }: Meeting): Promise<void> {
  if (isGuard) {
    t.not(await statusOf(url, protocols, headers), 101, what)
    return
  }
  const client = await connect(url, protocols, { headers })
  for (const text of sends) client.send(text)
  await answered(client)
  client.socket.terminate()
  await client.closed
}

// All forms in one test, as a test for each would take most of the time.
async function checkPlace (t: Test, place: Place): Promise<void> {
  const faults: unknown[] = []
  const note = (fault: unknown): void => { faults.push(fault) }
  let form: Hostile = () => undefined
  let met = 0
  const hostile = (): unknown => {
    met++
    return form()
  }
  const app = await createApp(t, {
    jwt: false,
    fastify: place.fastify?.(hostile) ?? {},
    plugin: place.plugin?.(hostile) ?? {}
  })
  await app.register(jwt, { secret: SECRET, ...place.jwt?.(hostile) })
  place.prepare?.(app, hostile)
  app.socketRoute(
    '/',
    (place.controller?.(hostile) ?? echo) as SocketController,
    place.route?.(hostile) ?? {}
  )
  const url = `${await listen(app)}/${place.query ?? ''}`
  const token = tokenOf(app)
  const headers = {
    ...place.headers,
    ...(place.hasToken === false ? undefined : { authorization: `Bearer ${token}` })
  }
  const meanwhile: Meeting['meanwhile'] = async (other, work) => {
    const before = form
    form = other
    try {
      return await work()
    } finally {
      form = before
    }
  }
  process.on('uncaughtExceptionMonitor', note)
  for (const [what, fail] of place.forms ?? anything) {
    form = fail
    met = 0
    const meeting = { t, app, url, token, headers, what, meanwhile }
    await (place.meets?.(meeting) ?? meet(place, meeting))
    // An unhandled rejection is reported when the microtasks are over.
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    t.strictSame(faults.splice(0).map(String), [], what)
    t.ok(met > 0, `it was called: ${what}`)
  }
  process.off('uncaughtExceptionMonitor', note)
  form = () => undefined
  t.ok(app.server.listening)
}

/**
 * Has the function of each place fail in every way: the process goes on, and no client is let in
 * past a guard.
 */
export function checkPlaces (t: Test, places: Readonly<Record<string, Place>>): void {
  for (const [name, place] of Object.entries(places)) {
    t.test(`${name} may fail in every way`, (t) => checkPlace(t, place))
  }
}
