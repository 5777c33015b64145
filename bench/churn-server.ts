// The server of the churn benchmark, in a process of its own, run with --expose-gc. It tells its
// parent where it listens, and on request what it holds once everything that can be collected is.
import { readdirSync } from 'node:fs'
import Fastify from 'fastify'

// The built package, by its path: this folder is a package of its own, which does not find it by
// name.
const { default: socketRoutes } = await import(
  new URL('../dist/index.js', import.meta.url).href
) as typeof import('fastify-socket-route')

/** The figures of a server: memory in bytes, after a garbage collection. */
export interface Held {
  readonly rss: number
  readonly heapUsed: number
  /** Connections that are not done yet, and clients of the route. */
  readonly connections: number
  readonly clients: number
  readonly timers: number
  /** File descriptors that are open. */
  readonly files: number
}

const app = Fastify()
await app.register(socketRoutes)
const route = app.socketRoute('/:room', {
  async onOpen (connection) {
    connection.data['since'] = Date.now()
    await connection.join(connection.params.room)
    return 'welcome'
  },
  onMessage: (_connection, message) => message,
  onClose: () => 'goodbye'
})
app.get('/health', app.socketHealth)
const address = await app.listen({ port: 0, host: '127.0.0.1' })

const count = async (): Promise<number> =>
  (await app.inject('/health')).json<{ connections: number }>().connections
const pause = async (): Promise<void> => {
  await new Promise((resolve) => { setTimeout(resolve, 50) })
}

async function hold (open: number): Promise<Held> {
  // The clients know of the close before the server is done with it.
  while (await count() !== open) await pause()
  // Memory freed by finalizers is collected only by the next one.
  for (let round = 0; round < 5; round++) {
    globalThis.gc!()
    await pause()
  }
  const { rss, heapUsed } = process.memoryUsage()
  return {
    rss,
    heapUsed,
    connections: await count(),
    clients: route.clients.size,
    timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
    files: readdirSync('/proc/self/fd').length
  }
}

process.on('message', (open: number) => { hold(open).then((held) => process.send!(held)) })
process.send!({ url: address.replace('http', 'ws') })
