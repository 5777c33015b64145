// One server of the memory benchmark, in a process of its own: `memory-server.ts (bare|plugin)`. It tells its parent where it
// listens, and on request by how much its resident memory has grown.
import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import socketRoutes from 'fastify-socket-route'

const SIZE = 65_536
// Anew for each message, as one that is shared by all would cost nothing to keep.
const block = (): Buffer => Buffer.alloc(SIZE, 'x')
const pause = async (): Promise<void> => { await new Promise((resolve) => { setTimeout(resolve, 50) }) }

const app = Fastify()
if (process.argv[2] === 'bare') {
  await app.register(fastifyWebsocket)
  const members = new Set<{ send (data: Buffer): void }>()
  app.get('/broadcast', { websocket: true }, (socket) => {
    members.add(socket)
    socket.on('close', () => { members.delete(socket) })
    socket.on('message', () => {
      const message = block()
      for (const member of members) member.send(message)
    })
  })
  app.get('/replies', { websocket: true }, (socket) => { socket.on('message', () => { socket.send(block()) }) })
  app.get('/flood', { websocket: true }, (socket) => { socket.on('message', async () => { await pause() }) })
} else {
  await app.register(socketRoutes)
  app.socketRoute('/broadcast', { onMessage: (_connection, _message, clients) => { clients.broadcast(block()) } })
  app.socketRoute('/replies', { onMessage: () => block() })
  app.socketRoute('/flood', { onMessage: async () => { await pause() } })
}
const address = await app.listen({ port: 0, host: '127.0.0.1' })

let base = 0
let peak = 0
setInterval(() => { peak = Math.max(peak, process.memoryUsage.rss()) }, 10)
process.on('message', (what) => {
  if (what === 'begin') base = peak = process.memoryUsage.rss()
  process.send!({ growth: peak - base })
})
process.send!({ url: address.replace('http', 'ws') })
