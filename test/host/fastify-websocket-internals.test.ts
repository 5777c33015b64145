// Private parts of @fastify/websocket may be missing or different in another version.
import { EventEmitter } from 'node:events'
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import fastifyWebsocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { WebSocketServer } from 'ws'
import { kClock } from '../../src/clock.js'
import {
  checkInjected,
  serverOf,
  takeUpgradeListener
} from '../../src/host/fastify-websocket-internals.js'
import { unsupported, versionOf } from '../../src/host/unsupported.js'
import socketRoutes from '../../src/index.js'
import { connect } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, fastPath, listen } from '../support/server.js'

const version = versionOf('@fastify/websocket')
const without = (part: string) => ({
  code: 'FSR_ERR_PACKAGE_UNSUPPORTED',
  message: `@fastify/websocket ${version} is not supported by this version of fastify-socket-route: ${part}. Install another version of one of the two`
})

// An app in which @fastify/websocket is of another version: it is changed when it has been
// registered.
async function changed (
  t: Test,
  change: (app: FastifyInstance) => void,
  plugin: object = {}
): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket)
  change(app)
  await app.register(socketRoutes, { ...fastPath, ...plugin })
  return app
}

// Puts another listener in the place of that of @fastify/websocket.
function listenAs (
  app: FastifyInstance,
  onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
): void {
  app.server.removeAllListeners('upgrade').on('upgrade', onUpgrade)
}

t.test('the upgrade listener is recognised by when @fastify/websocket added it', async (t) => {
  const server = new EventEmitter()
  const [theirs, own] = [function onUpgrade () {}, () => {}]
  server.on('upgrade', theirs)
  t.equal(await takeUpgradeListener({ server }, async () => { server.on('upgrade', own) }), own)
  t.strictSame(server.listeners('upgrade'), [theirs])
  await t.rejects(
    takeUpgradeListener({ server }, async () => {}),
    without("it does not listen to 'upgrade'")
  )
  t.equal(await takeUpgradeListener({ server }, undefined), theirs, 'and else by its name')
  await t.rejects(takeUpgradeListener({ server }, undefined), {
    code: 'FSR_ERR_OPTION_INVALID',
    message: /websocket\.options\.server/
  })
})

t.test('a listener that does not pass upgrades to Fastify at once is rejected', async (t) => {
  const listeners = [
    function onUpgrade () {},
    function onUpgrade (this: FastifyInstance, request: IncomingMessage) {
      this.routing(request, { socket: null } as never)
    },
    function onUpgrade (this: FastifyInstance, request: IncomingMessage) {
      queueMicrotask(() => { this.routing(request, new ServerResponse(request)) })
    }
  ]
  for (const listener of listeners) {
    await t.rejects(changed(t, (app) => {
      listenAs(app, function onUpgrade (request) { listener.call(app, request) })
    }), without('it does not pass upgrades to routing() of Fastify'))
  }
})

t.test('a WebSocket server without what is used is refused', async (t) => {
  await t.rejects(
    changed(t, ({ websocketServer }) => {
      Object.assign(websocketServer, { handleUpgrade: undefined })
    }),
    without('websocketServer.handleUpgrade() is missing')
  )
  t.throws(
    () => serverOf({} as FastifyInstance),
    without('websocketServer.handleUpgrade() is missing')
  )
  const websocketServer = Object.assign(new EventEmitter(), {
    handleUpgrade () {},
    shouldHandle () {}
  })
  t.throws(
    () => serverOf({ websocketServer } as unknown as FastifyInstance),
    without('websocketServer.options is missing')
  )
})

t.test('a route whose handler is not replaced is rejected', async (t) => {
  const app = await changed(t, (app) => {
    // Undoes what the onRoute hook of @fastify/websocket has done.
    const handlers = new WeakMap<object, unknown>()
    const { route } = app
    Object.assign(app, {
      route (this: FastifyInstance, options: { handler: unknown, wsHandler: object }) {
        handlers.set(options.wsHandler, options.handler)
        return Reflect.apply(route, this, [options])
      }
    })
    app.addHook('onRoute', (options) => {
      options.handler = handlers.get(options.wsHandler!) as never
    })
  })
  t.throws(
    () => app.socketRoute('/', { onMessage () {} }),
    without('it does not replace the handler of a route')
  )
})

t.test('a connection is cut, and logged, if a handler does not upgrade at once', async (t) => {
  const lines: Array<{ err?: { code: string } }> = []
  const stream = { write (line: string) { lines.push(JSON.parse(line) as object) } }
  const app = Fastify({ logger: { level: 'error', stream } })
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket)
  app.addHook('onRoute', (options) => { options.handler = async () => {} })
  await app.register(socketRoutes, fastPath)
  app.socketRoute('/', { onMessage () {} })
  await t.rejects(connect(await listen(app)))
  t.match(lines, [{ err: without('the handler of a route does not call handleUpgrade() at once') }])
})

t.test('a connection stays where @fastify/websocket does not report that it is made', async (t) => {
  const clock = new TestClock()
  const app = await changed(t, ({ websocketServer }) => {
    const { emit } = websocketServer
    websocketServer.emit = function (this: WebSocketServer, ...given: unknown[]) {
      return given[0] !== 'connection' && Reflect.apply(emit, this, given)
    } as never
  }, { handshakeTimeout: 2_000, [kClock]: clock })
  app.socketRoute('/', { onMessage: (_connection, message) => message })
  const client = await connect(await listen(app))
  await clock.advance(10_000)
  client.socket.send('hello')
  t.equal(await client.next(), 'hello')
  client.socket.terminate()
  await clock.during(app.close())
})

t.test('a request of injectWS is known by its headers', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'hello' })
  await app.ready()
  const socket = await app.injectWS('/')
  socket.terminate()
  t.doesNotThrow(() => { checkInjected({ headers: {} }) })
  t.throws(() => { checkInjected({}) }, without('injectWS() passes a request without headers'))
})

t.test('the error names a version also of a package that does not tell its own', async (t) => {
  t.equal(versionOf('no such package'), '(unknown version)')
  t.match(
    unsupported('@fastify/jwt', 'something is missing').message,
    /^@fastify\/jwt \d+\.\d+\.\d+ is not supported/
  )
})
