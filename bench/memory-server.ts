// One server of the memory benchmark, in a process of its own: `memory-server.ts (bare|plugin)
// [compression]`. It tells its parent where it listens, and on request by how much its resident
// memory has grown.
import { setTimeout as wait } from 'node:timers/promises'
import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'

// The built package, by its path: this folder is a package of its own, which does not find it by
// name.
const { default: socketRoutes } = await import(
  new URL('../dist/index.js', import.meta.url).href
) as typeof import('fastify-socket-route')

const SIZE = 65_536
// Anew for each message, as one that is shared by all would cost nothing to keep.
const block = (): Buffer => Buffer.alloc(SIZE, 'x')
const [, , target, compression] = process.argv

const app = Fastify()
if (target === 'bare') {
  await app.register(
    fastifyWebsocket,
    compression === undefined ? {} : { options: { perMessageDeflate: true } }
  )
  const members = new Set<{ send (data: Buffer): void }>()
  app.get('/broadcast', { websocket: true }, (socket) => {
    members.add(socket)
    socket.on('close', () => { members.delete(socket) })
    socket.on('message', () => {
      const message = block()
      for (const member of members) member.send(message)
    })
  })
  app.get('/echo', { websocket: true }, (socket) => {
    socket.on('message', (data) => { socket.send(data as Buffer) })
  })
  app.get('/replies', { websocket: true }, (socket) => {
    socket.on('message', () => { socket.send(block()) })
  })
  app.get('/slow', { websocket: true }, (socket) => {
    socket.on('error', () => {})
    socket.on('message', async () => {
      await wait(50)
      socket.send('done')
    })
  })
} else {
  await app.register(socketRoutes, compression === undefined ? {} : { compression: true })
  app.socketRoute('/broadcast', {
    onMessage: (_connection, _message, clients) => { clients.broadcast(block()) }
  })
  app.socketRoute('/echo', { onMessage: (_connection, message) => message })
  app.socketRoute('/replies', { onMessage: () => block() })
  app.socketRoute('/slow', { onMessage: async () => await wait(50, 'done') })
}
const address = await app.listen({ port: 0, host: '127.0.0.1' })

let base = 0
let peak = 0
setInterval(() => { peak = Math.max(peak, process.memoryUsage.rss()) }, 10)
process.on('message', (what) => {
  if (what === 'begin') {
    globalThis.gc!()
    base = peak = process.memoryUsage.rss()
  }
  process.send!({ growth: peak - base })
})
process.send!({ url: address.replace('http', 'ws') })
