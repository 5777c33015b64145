// How long the echo of one client takes while others repeat what a contract refuses, as fast as
// they can: `npm run bench:fairness`.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import Fastify from 'fastify'
import { WebSocket } from 'ws'
import { versionOf } from './machine.js'

// The built package, by its path: this folder is a package of its own, which does not find it by
// name.
const { default: socketRoutes } = await import(
  new URL('../dist/index.js', import.meta.url).href
) as typeof import('fastify-socket-route')

const FLOODERS = 4
const SECONDS = 5
// Messages of one byte, each no JSON.
const BLOCK = Buffer.concat(Array.from({ length: 37_449 }, () => Buffer.from([
  0x81, 0x81, 0, 0, 0, 0, 0x7b
])))
const UPGRADE = 'GET /contract HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n' +
  'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'

interface Setting {
  readonly fastPath: boolean
  readonly refusals?: false
}

async function serve (options: Setting): Promise<void> {
  const app = Fastify()
  await app.register(socketRoutes, options)
  app.socketRoute('/echo', { onMessage: (_connection, message) => message })
  app.socketRoute('/contract', {
    schema: { in: { say: { data: { type: 'string' } } } },
    on: { say () {} }
  })
  process.send!(await app.listen({ port: 0, host: '127.0.0.1' }))
}

/** Floods until told to stop; a flooder that is closed comes again. */
function flood (port: number): () => void {
  let isOver = false
  const begin = (): void => {
    const socket = connectTcp(port, '127.0.0.1')
    const push = (): void => { while (socket.write(BLOCK)); }
    socket.write(UPGRADE)
    socket.on('error', () => {}).once('data', push).on('drain', push).resume()
    socket.once('close', () => { if (!isOver) begin() })
  }
  for (let count = 0; count < FLOODERS; count++) begin()
  return () => { isOver = true }
}

async function measure (setting: Setting): Promise<void> {
  const server = fork(import.meta.filename, [JSON.stringify(setting)], {
    execArgv: ['--import=tsx']
  })
  const [address] = await once(server, 'message') as [string]
  const client = new WebSocket(`${address.replace('http', 'ws')}/echo`)
  await once(client, 'open')
  const stop = flood(Number(new URL(address).port))
  const times: number[] = []
  const end = performance.now() + SECONDS * 1_000
  while (performance.now() < end) {
    const begun = performance.now()
    client.send('x')
    await once(client, 'message')
    times.push(performance.now() - begun)
  }
  stop()
  server.kill('SIGKILL')
  times.sort((one, other) => one - other)
  const at = (share: number): string =>
    `${times[Math.floor((times.length - 1) * share)]!.toFixed(1)} ms`
  console.log(
    `${JSON.stringify(setting)}: ${times.length} echoes, median ${at(0.5)}, 99 % ${at(0.99)}, slowest ${at(1)}`
  )
}

if (process.argv[2] !== undefined) {
  await serve(JSON.parse(process.argv[2]) as Setting)
} else {
  console.log({
    node: process.version,
    fastify: versionOf('fastify', 'root'),
    ws: versionOf('ws', 'root')
  })
  for (const fastPath of [true, false]) {
    await measure({ fastPath })
    await measure({ fastPath, refusals: false })
  }
  process.exit()
}
