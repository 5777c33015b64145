// One server of the idle job of the memory benchmark, in a process of its own: `idle-server.ts (ws|@fastify/websocket|plugin)
// [options]`. It tells its parent where it listens, and on request what its process holds.
import { createServer } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import fastifyCookie from '@fastify/cookie'
import fastifyJwt from '@fastify/jwt'
import fastifyWebsocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import { WebSocketServer, type WebSocket } from 'ws'
import { SECRET } from './idle.js'

// What was built: this folder is a package of its own, which does not find the one around it by name.
const { default: socketRoutes } = await import(new URL('../dist/index.js', import.meta.url).href) as typeof import('fastify-socket-route')

const [, , target = '', ...given] = process.argv

// What a server that does not keep its clients for anything still has to have.
function answer (socket: WebSocket): void {
  socket.on('error', () => {})
  socket.on('message', (data) => { socket.send(data as Buffer) })
}

async function listenBare (): Promise<number> {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', answer)
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  return (server.address() as { port: number }).port
}

async function listenWith (app: FastifyInstance): Promise<number> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as { port: number }).port
}

async function listenFastify (): Promise<number> {
  const app = Fastify()
  await app.register(fastifyWebsocket)
  app.get('/chat/:room', { websocket: true }, answer)
  return await listenWith(app)
}

async function listenPlugin (): Promise<number> {
  const app = Fastify()
  await app.register(fastifyCookie)
  await app.register(fastifyJwt, { secret: SECRET, cookie: { cookieName: 'token', signed: false } })
  await app.register(socketRoutes)
  app.socketRoute('/chat/:room', {
    onOpen: (connection) => { if (given.includes('rooms')) for (const room of ['news', 'weather', 'sports']) connection.join(room) },
    onMessage: (_connection, message) => message
  }, given.includes('open') ? {} : { isGranted: 'ROLE_USER' })
  return await listenWith(app)
}

const servers: Record<string, () => Promise<number>> = { ws: listenBare, '@fastify/websocket': listenFastify, plugin: listenPlugin }

async function held (): Promise<{ heap: number, rss: number }> {
  // What became garbage in one collection is what the next one frees: of buffers, of weak references, of compiled code.
  for (let count = 0; count < 6; count++) {
    globalThis.gc!()
    await wait(100)
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  // `external` has the array buffers in it.
  return { heap: heapUsed + external, rss }
}

const port = await servers[target]!()
process.on('message', () => { held().then((figures) => { process.send!(figures) }, () => {}) })
process.send!({ port })
