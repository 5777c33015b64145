// A server that closes on SIGTERM, in a process of its own. It does not call process.exit(), so
// that it ends only if nothing is left that keeps it. Its clients may take their time until then,
// on a slow machine.
import Fastify from 'fastify'
import socketRoutes from 'fastify-socket-route'

const app = Fastify()
await app.register(socketRoutes, { heartbeat: false, handshakeTimeout: 600_000 })

app.socketRoute('/', { onOpen: () => 'open', onClose: () => 'goodbye' })
// Fills what the kernel takes for a client that does not read, and then some.
const deaf = app.socketRoute('/deaf', {
  async * onOpen () { for (;;) yield Buffer.alloc(65_536) },
  onClose: () => 'goodbye'
})
app.socketRoute('/pending', { onOpen: () => 'open' }, {
  preHandler: async () => { await new Promise<never>(() => {}) }
})
app.get(
  '/stuck',
  async () => [...deaf.clients].filter(({ bufferedAmount }) => bufferedAmount >= 65_536).length
)

process.once('SIGTERM', () => { app.close() })
console.log(await app.listen({ port: 0, host: '127.0.0.1' }))
