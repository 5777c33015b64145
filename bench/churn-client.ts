// The clients of the churn benchmark, in a process of their own, so that their memory is not the
// server's.
import { once } from 'node:events'
import { WebSocket } from 'ws'

/**
 * What the clients are asked to do: to open connections, `wave` of them at a time; or, without a
 * URL, to close all.
 */
export interface Order {
  readonly url?: string
  readonly count: number
  readonly wave: number
  /** The address to connect from: each has ports of its own. */
  readonly from: string
}

const sockets: WebSocket[] = []

async function open ({ url, from }: Order): Promise<void> {
  const socket = new WebSocket(`${url!}/room-${sockets.length % 100}`, {
    perMessageDeflate: false,
    localAddress: from
  })
  sockets.push(socket)
  socket.on('open', () => { socket.send('hello') })
  // The welcome and the echo.
  let received = 0
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', () => { if (++received === 2) resolve() })
  })
}

// Most close; some are just gone.
async function close (socket: WebSocket, index: number): Promise<void> {
  const closed = once(socket, 'close')
  if (index % 10 === 0) socket.terminate()
  else socket.close()
  await closed
}

async function inWaves (count: number, wave: number, run: () => Promise<void>): Promise<void> {
  let left = count
  await Promise.all(Array.from({ length: Math.min(wave, count) }, async () => {
    while (left-- > 0) await run()
  }))
}

process.on('message', (order: Order) => {
  const work = order.url === undefined
    ? inWaves(sockets.length, order.wave, async () => {
      await close(sockets.pop()!, sockets.length)
    })
    : inWaves(order.count, order.wave, async () => { await open(order) })
  work.then(() => process.send!('done'), (error: unknown) => { throw error })
})
