import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { pause } from './until.js'

type Pair = readonly [Socket, Socket]

let pair: undefined | Promise<Pair>
let last: Promise<void> = Promise.resolve()

// Sockets of this process, to see the bytes under way between them.
const sockets = new Set<Socket>()
for (const channel of ['net.client.socket', 'net.server.socket']) {
  subscribe(channel, (message) => {
    const { socket } = message as { socket: Socket }
    sockets.add(socket)
    socket.once('close', () => { sockets.delete(socket) })
  })
}

/**
 * Lets what is on its way between the sockets of this process arrive, and be answered. Turns of the
 * event loop are not enough for that, as the kernel may take its time on a busy machine: a byte
 * goes to and fro beside it, and what others have been sent is waited for.
 *
 * @param hops how many messages may follow from one another. @default 6, as in a close handshake
 */
export function traffic (hops = 6): Promise<void> {
  // In sequence, as all use the same pair.
  last = last.then(async () => {
    const [a, b] = await (pair ??= open())
    for (let hop = 0; hop < hops; hop++) {
      await pass(...(hop % 2 === 0 ? [a, b] as const : [b, a] as const))
      await arrive()
    }
  })
  return last
}

async function pass (from: Socket, to: Socket): Promise<void> {
  to.ref()
  from.write('.')
  await once(to, 'data')
  to.unref()
  // Data read in the same turn is handled too.
  await new Promise(setImmediate)
}

async function arrive (): Promise<void> {
  for (let count = 0; count < 500 && onTheWay(); count++) await pause(count)
}

// Whether bytes that a socket has given to the kernel are not read yet by one that reads. Over TLS
// other bytes are counted than come.
function onTheWay (): boolean {
  const open = [...sockets].filter((socket) => !('encrypted' in socket))
  const byPorts = new Map(open.map((socket) => [
    `${socket.localPort} ${socket.remotePort}`,
    socket
  ]))
  return open.some((from) => {
    const to = byPorts.get(`${from.remotePort} ${from.localPort}`)
    return to !== undefined && isReading(to) &&
      from.bytesWritten - from.writableLength > to.bytesRead
  })
}

function isReading (socket: Socket): boolean {
  return (socket as Socket & { _handle: null | { reading?: boolean } })._handle?.reading === true
}

async function open (): Promise<Pair> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const a = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [[b]] = await Promise.all([
    once(server, 'connection') as Promise<[Socket]>,
    once(a, 'connect')
  ])
  server.close()
  for (const socket of [a, b]) socket.setNoDelay().unref()
  return [a, b]
}
