// The server whose memory is measured, with the plugin's defaults.
import Fastify from 'fastify'
import socketRoutes from '../dist/index.js'

const app = Fastify()
await app.register(socketRoutes, {
  heartbeat: false,
  // A connection over its limit is kept until it is measured.
  closeTimeout: 60_000,
  fastPath: process.argv[2] !== 'false'
})
const forever = () => new Promise(() => {})
app.socketRoute('/echo', { onMessage: (_connection, message) => message })
app.socketRoute('/busy', { onMessage: forever })
app.socketRoute('/contract', {
  schema: { in: { wait: {}, watch: { stream: { type: 'integer' } } } },
  on: { wait: forever, async * watch () { await forever(); yield 1 } }
})
app.socketRoute('/rooms', {
  onMessage: async (connection, { text }) => { await connection.join(text.slice(0, 256)) }
})
app.socketRoute('/deaf', {
  async onMessage (connection) {
    while (!connection.signal.aborted) {
      for (let count = 0; count < 64; count++) connection.send(Buffer.alloc(1_000))
      await new Promise(setImmediate)
    }
    await forever()
  }
})
await app.listen({ port: 0, host: '127.0.0.1' })

const sockets = new Set()
app.server.on('connection', (socket) => {
  sockets.add(socket)
  socket.on('close', () => { sockets.delete(socket) })
})

// Bytes read and written on all connections.
function traffic () {
  let bytes = sockets.size
  for (const { bytesRead, bytesWritten } of sockets) bytes += bytesRead + bytesWritten
  return bytes
}

// Waits until the server has read, and written, all that it is going to: on a busy machine that
// takes seconds.
async function settle () {
  for (let before = -1, now = traffic(), quiet = 0; quiet < 3; before = now, now = traffic()) {
    quiet = before === now ? quiet + 1 : 0
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  }
}

process.on('message', async () => {
  await settle()
  for (let count = 0; count < 4; count++) {
    await new Promise((resolve) => { setTimeout(resolve, 50) })
    globalThis.gc()
  }
  const { heapUsed, external } = process.memoryUsage()
  process.send({ held: heapUsed + external })
})
process.send({ port: app.server.address().port })
