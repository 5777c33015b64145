// What one connection can make the server keep, by each way that has a bound: `npm run bench:cost`,
// or with parts of names behind `--` for some alone. Heap and external memory (Buffers are in it)
// of the server after garbage collections, with the connections less without, for each of them.
// What OpenSSL and the kernel keep is not in it. The figures are those of docs/security.md.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { Child } from './child.js'

const CONNECTIONS = Number(process.env['CONNECTIONS'] ?? 50)
// Milliseconds: longer than the plugin keeps the original request.
const SETTLE = 1_200

interface Cost {
  readonly path: string
  readonly headers?: string
  /** The parts that each connection sends, each in a read of its own. */
  readonly parts: ReadonlyArray<Buffer | ((client: number) => Buffer)>
  readonly isDeaf?: boolean
}

const header = (first: number, size: number): Buffer => size < 126
  ? Buffer.from([first, 0x80 | size, 0, 0, 0, 0])
  : Buffer.from([first, 0xfe, size >> 8, size & 255, 0, 0, 0, 0])
const frame = (first: number, payload: string | Buffer): Buffer => Buffer.concat([
  header(first, payload.length),
  Buffer.from(payload)
])
const times = <Item>(count: number, item: (index: number) => Item): Item[] => Array.from(
  { length: count },
  (_, index) => item(index)
)
const pongs = Buffer.concat(times(500, () => frame(0x8a, Buffer.alloc(125))))
const idle: Cost = { path: '/echo', parts: [] }

const costs: Record<string, Cost> = {
  'nothing but the connection': idle,
  '15 KiB of headers': {
    path: '/echo',
    headers: times(100, (index) => `x-${index}: ${'v'.repeat(140)}\r\n`).join(''),
    parts: []
  },
  '1,000 bytes of a fragment of 64 KiB, byte by byte': {
    path: '/echo',
    parts: [header(0x01, 65_535), ...times(1_000, () => Buffer.alloc(1))]
  },
  'all but a byte of a fragment of 64 KiB': {
    path: '/echo',
    parts: [Buffer.concat([header(0x01, 65_535), Buffer.alloc(65_534)])]
  },
  '127 fragments of one byte, each with 64 KiB of pongs': {
    path: '/echo',
    parts: times(127, (index) => Buffer.concat([frame(index === 0 ? 0x01 : 0x00, 'x'), pongs]))
  },
  '64 KiB of messages of one byte behind a busy handler': {
    path: '/busy',
    parts: [Buffer.concat(times(9_362, () => frame(0x81, 'x')))]
  },
  '80 KiB of messages of 4,000 bytes behind a busy handler': {
    path: '/busy',
    parts: [Buffer.concat(times(20, () => frame(0x81, 'x'.repeat(4_000))))]
  },
  '1,000 messages of a contract behind a busy handler': {
    path: '/contract',
    parts: [
      Buffer.concat(times(1_000, (index) => frame(
        0x81,
        JSON.stringify({ type: 'wait', id: String(index).padStart(64, 'i') })
      )))
    ]
  },
  '16 streams with ids of 64 characters': {
    path: '/contract',
    parts: times(16, (index) => frame(
      0x81,
      JSON.stringify({ type: 'watch', id: String(index).padStart(64, 'i') })
    ))
  },
  '1,000 rooms of its own, with names of 256 characters': {
    path: '/rooms',
    parts: times(1_000, (index) => (client) => frame(
      0x81,
      `${client} ${index} `.padEnd(1_000, 'r')
    ))
  },
  'messages of 1,000 bytes that the client does not read': {
    path: '/deaf',
    parts: [frame(0x81, 'x')],
    isDeaf: true
  }
}

async function open (port: number, {
  path,
  headers = '',
  isDeaf = false
}: Cost, index: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  const own = headers.replaceAll('v', String.fromCharCode(97 + index % 26))
  socket.on('error', () => {}).write(
    `GET ${path}?${index} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${own}\r\n`
  )
  await once(socket, 'data')
  if (isDeaf) socket.pause()
  else socket.resume()
  return socket
}

const filters = process.argv.slice(2)
for (const fastPath of [true, false]) {
  for (const [name, cost] of Object.entries(costs).filter(([name]) => filters.length === 0 ||
    filters.some((part) => name.includes(part)))) {
    const server = new Child('cost-server.js', 0, ['--expose-gc'], [String(fastPath)])
    const { port } = await server.next<{ port: number }>()
    const held = async (): Promise<number> => (await server.ask<{ held: number }>('memory')).held
    for (const socket of await Promise.all(times(CONNECTIONS, (index) => open(
      port,
      idle,
      index
    )))) {
      socket.destroy()
    }
    const before = await held()
    const sockets = await Promise.all(times(CONNECTIONS, (index) => open(port, cost, index)))
    await wait(SETTLE)
    for (const part of cost.parts) {
      for (const [client, socket] of sockets.entries()) {
        socket.write(typeof part === 'function' ? part(client) : part)
      }
      await wait(2)
    }
    const isSending = ({ destroyed, writableLength }: Socket) => !destroyed && writableLength > 0
    while (sockets.some(isSending)) await wait(50)
    const each = (await held() - before) / CONNECTIONS
    const closed = sockets.filter(({ destroyed, readableEnded }) => destroyed ||
      readableEnded).length
    console.log(
      `${fastPath ? 'fast path' : 'ws reads '}  ${name.padEnd(56)} ${(each / 1_024).toFixed(1).padStart(7)} KiB${closed > 0 ? `  (${closed} closed)` : ''}`
    )
    for (const socket of sockets) socket.destroy()
    await server.stop()
  }
}
