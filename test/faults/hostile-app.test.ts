import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { SocketController, SocketPluginOptions, SocketRouteOptions } from '../../src/index.js'
import { connect, type Client } from '../support/client.js'
import { failures, nonsense, type Hostile } from '../support/hostile.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { until } from '../support/until.js'

// Every function that an app can give to the plugin fails in every way there is. The process goes on, the client that has met it is
// refused or served, never let in past a guard, and others are not affected.

interface Place {
  readonly plugin?: (hostile: Hostile) => SocketPluginOptions
  readonly route?: (hostile: Hostile) => SocketRouteOptions
  readonly controller?: (hostile: Hostile) => object
  readonly prepare?: (app: FastifyInstance, hostile: Hostile) => void
  /** Whether the upgrade is to be refused. */
  readonly isGuard?: boolean
  /** What is tried: not nonsense where it is an answer. */
  readonly forms?: ReadonlyArray<readonly [string, Hostile]>
  /** What the client sends. @default one message */
  readonly sends?: readonly string[]
  readonly query?: string
}

const anything = [...failures, ...nonsense]
// Where Node, or JSON, calls the function and looks at nothing that it returns.
const atOnce = [...failures.filter(([what]) => what.startsWith('throws')), ...nonsense]
// What Node can hand on as the error of a stream.
const errors = atOnce.filter(([what]) => /^throws an error(?! with getters)/.test(what))
const echo: SocketController = { onMessage: (_connection, message) => message }
const contract = (members: object, on: object, rest: object = {}): object => ({ schema: members, on, ...rest })
const sure = { in: { ask: { reply: {} } }, out: { sure: { reply: {} } } }

// A stream, one of whose members is hostile.
function streamWith (member: string, hostile: Hostile): AsyncIterable<unknown> {
  const iterator = { next: async () => ({ done: false, value: { n: 1 } }), [member]: hostile }
  return (member === 'iterator' ? { [Symbol.asyncIterator]: hostile } : { [Symbol.asyncIterator]: () => iterator }) as never
}

// A stream of Node that goes on until it is let go of.
function nodeStream (members: object): Readable {
  return Object.assign(new Readable({ objectMode: true, read () { setImmediate(() => { this.push({ n: 1 }) }) } }), members)
}

const places: Record<string, Place> = {
  origins: { isGuard: true, plugin: (hostile) => ({ origins: hostile as never }) },
  'isGranted of the plugin': { isGuard: true, plugin: (hostile) => ({ isGranted: hostile as never }) },
  'isGranted of a route': { isGuard: true, route: (hostile) => ({ isGranted: hostile as never }) },
  'isGranted behind another': { isGuard: true, plugin: () => ({ isGranted: async () => true }), route: (hostile) => ({ isGranted: hostile as never }) },
  roles: { isGuard: true, plugin: (hostile) => ({ roles: hostile as never }), route: () => ({ isGranted: 'ROLE_USER' }) },
  subject: { isGuard: true, forms: failures, plugin: (hostile) => ({ subject: hostile as never }), route: () => ({ isGranted: 'ROLE_USER' }) },
  data: { isGuard: true, forms: failures, route: (hostile) => ({ data: hostile as never }) },
  'revocations.revokedBefore': { isGuard: true, forms: failures, plugin: (hostile) => ({ revocations: { revoke () {}, revokedBefore: hostile as never } }), route: () => ({ isGranted: 'ROLE_USER' }) },
  'tickets.store.take': { isGuard: true, query: '?ticket=none', plugin: (hostile) => ({ tickets: { store: { put () {}, take: hostile as never } } }), route: () => ({ isGranted: 'ROLE_USER', tokenFrom: ['ticket'] }) },
  onOpen: { controller: (hostile) => ({ ...echo, onOpen: hostile }) },
  onMessage: { controller: (hostile) => ({ onMessage: hostile }) },
  onClose: { controller: (hostile) => ({ ...echo, onClose: hostile }) },
  'onError after onMessage': { controller: (hostile) => ({ onMessage () { throw new Error('first') }, onError: hostile }) },
  'onError that passes it on': { controller: (hostile) => ({ onMessage: hostile, onError: (_connection: unknown, error: Error) => { throw error } }) },
  'onError that logs it': { controller: (hostile) => ({ onMessage: hostile, onError (connection: { log: { warn (error: unknown): void } }, error: Error) { connection.log.warn(error) } }) },
  preMessage: { plugin: (hostile) => ({ preMessage: hostile as never }), controller: () => echo },
  'done of preMessage': { forms: atOnce, plugin: (hostile) => ({ preMessage: (_connection, _received, done) => { try { hostile(); done() } catch (error) { done(error as Error) } } }), controller: () => echo },
  'done of preMessage, later': { forms: atOnce, plugin: (hostile) => ({ preMessage: ((...[,, done]: Parameters<NonNullable<typeof preMessage>>) => { setImmediate(() => { try { hostile() } catch (error) { done(error as Error) } }) }) as never }), controller: () => echo },
  preSend: { plugin: (hostile) => ({ preSend: hostile as never }), controller: () => ({ onMessage: () => ({ a: 1 }) }) },
  'preSend of a contract': { plugin: (hostile) => ({ preSend: hostile as never }), controller: () => contract(sure, { ask: () => ({ a: 1 }) }), sends: ['{"type":"ask","id":1}'] },
  'toJSON of what is sent': { forms: atOnce, controller: (hostile) => ({ onMessage: () => ({ toJSON: hostile }) }) },
  'iterator of a stream': { controller: (hostile) => ({ onMessage: () => streamWith('iterator', hostile) }) },
  'next of a stream': { controller: (hostile) => ({ onMessage: () => streamWith('next', hostile) }) },
  'return of a stream': { controller: (hostile) => ({ onOpen: () => streamWith('return', hostile), ...echo }) },
  'value of a stream': { controller: (hostile) => ({ onMessage: () => streamWith('next', async () => ({ done: false, get value () { return hostile() } })) }) },
  'destroy of a stream': { controller: (hostile) => ({ onOpen: () => nodeStream({ destroy: hostile }), ...echo }) },
  '_destroy of a stream': { forms: atOnce, controller: (hostile) => ({ onOpen: () => nodeStream({ _destroy: hostile }), ...echo }) },
  'a late error of a stream': { forms: errors, controller: (hostile) => ({ onOpen: () => nodeStream({ _destroy (_error: unknown, callback: (error?: unknown) => void) { setImmediate(() => { try { hostile(); callback() } catch (error) { callback(error) } }) } }), ...echo }) },
  'a handler of a contract': { controller: (hostile) => contract({ in: { ask: { reply: {} } } }, { ask: hostile }), sends: ['{"type":"ask","id":1}', '{"type":"ask"}'] },
  'a handler of a contract, and its onError': { controller: (hostile) => contract({ in: { ask: { reply: {} } } }, { ask: hostile }, { onError: hostile }), sends: ['{"type":"ask","id":1}'] },
  'onOpen of a contract': { controller: (hostile) => contract({ in: { ask: {} } }, { ask () {} }, { onOpen: hostile }), sends: ['{"type":"ask","id":1}'] },
  'onClose of a contract': { controller: (hostile) => contract({ in: { ask: {} } }, { ask () {} }, { onClose: hostile }), sends: ['{"type":"ask","id":1}'] },
  'isGranted of a message': { controller: (hostile) => contract({ in: { ask: { isGranted: hostile } } }, { ask () { throw new Error('it was let in') } }), sends: ['{"type":"ask","id":1}'] },
  'a stream of a contract': { controller: (hostile) => contract({ in: { list: { stream: {} } } }, { list: () => streamWith('next', hostile) }), sends: ['{"type":"list","id":1}'] },
  'return of a stream of a contract': { controller: (hostile) => contract({ in: { list: { stream: {} } } }, { list: () => streamWith('return', hostile) }), sends: ['{"type":"list","id":1}', '{"type":"cancel","id":1}'] },
  'destroy of a stream of a contract': { controller: (hostile) => contract({ in: { list: { stream: {} } } }, { list: () => nodeStream({ destroy: hostile }) }), sends: ['{"type":"list","id":1}', '{"type":"cancel","id":1}'] },
  'a validator': { prepare: (app, hostile) => { app.setValidatorCompiler(() => hostile as never) }, controller: () => contract({ in: { ask: { data: {}, reply: {} } } }, { ask: () => 1 }), sends: ['{"type":"ask","id":1,"data":1}'] },
  'a validator of answers': { prepare: (app, hostile) => { app.setValidatorCompiler(() => hostile as never) }, controller: () => contract(sure, { ask: async (connection: { request (type: string): Promise<unknown> }) => await connection.request('sure') }), sends: ['{"type":"ask","id":1}', '{"type":"reply","id":1,"data":true}'] },
  'a validator of answers that nobody waits for': { prepare: (app, hostile) => { app.setValidatorCompiler(() => hostile as never) }, controller: () => contract(sure, { ask (connection: { request (type: string): unknown }) { connection.request('sure') } }), sends: ['{"type":"ask","id":1}', '{"type":"reply","id":1,"data":true}'] },
  'a serializer': { prepare: (app, hostile) => { app.setSerializerCompiler(() => hostile as never) }, controller: () => contract({ in: { ask: { reply: {} } } }, { ask: () => 1 }), sends: ['{"type":"ask","id":1}'] }
}
declare const preMessage: (connection: unknown, received: unknown, done: (error?: Error) => void) => void

const FIRST = 'hello'

// What the client meets: a refusal, or a connection that answers or ends.
async function meet (t: Test, { sends = [FIRST], isGuard = false }: Place, url: string, headers: Record<string, string>): Promise<void> {
  if (isGuard) {
    t.not(await statusOf(url, headers), 101)
    return
  }
  const client = await connect(url, [], { headers })
  for (const text of sends) client.send(text)
  await answered(client)
  client.socket.terminate()
  await client.closed
}

// Of the answer to an upgrade.
async function statusOf (url: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(url, [], { headers })
  return await new Promise((resolve, reject) => {
    socket.on('open', () => { socket.terminate(); resolve(101) })
    socket.on('unexpected-response', (_request, response) => { response.destroy(); resolve(response.statusCode!) })
    socket.on('error', reject)
  })
}

// Something has come back, or nothing will.
async function answered (client: Client): Promise<void> {
  const before = client.unread.length
  client.socket.ping()
  let isBack = false
  client.socket.once('pong', () => { isBack = true })
  await until(() => isBack || client.socket.readyState !== 1 || client.unread.length > before)
}

for (const [name, place] of Object.entries(places)) {
  t.test(`${name} may fail in every way`, async (t) => {
    const faults: unknown[] = []
    const note = (fault: unknown): void => { faults.push(fault) }
    let form: Hostile = () => undefined
    const hostile = (): unknown => form()
    const app = await createApp(t, { plugin: place.plugin?.(hostile) ?? {} })
    place.prepare?.(app, hostile)
    app.socketRoute('/', (place.controller?.(hostile) ?? echo) as SocketController, place.route?.(hostile) ?? {})
    const url = `${await listen(app)}/${place.query ?? ''}`
    const headers = { authorization: `Bearer ${tokenOf(app)}`, origin: 'https://page.example' }
    const { origin, ...others } = headers
    process.on('uncaughtExceptionMonitor', note)
    for (const [what, fail] of place.forms ?? anything) {
      await t.test(what, async (t) => {
        form = fail
        await meet(t, place, url, name === 'origins' ? headers : others)
        // A rejection that nobody handles is told when the microtasks are over.
        await new Promise(setImmediate)
        await new Promise(setImmediate)
        t.strictSame(faults.splice(0).map(String), [])
      })
    }
    process.off('uncaughtExceptionMonitor', note)
    form = () => undefined
    t.ok(app.server.listening)
  })
}
