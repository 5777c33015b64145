// The bystanders: a few clients that send a short message every few milliseconds, whether the last
// one was answered or not, and take the time of each answer.
import { once } from 'node:events'
import { setPriority } from 'node:os'
import type { Latencies } from './bystanders.js'
import { openCrowd } from './crowd.js'
import { clientFrame, serverFrameSize } from './frame.js'
import type { Order } from './order.js'
import { text } from './payload.js'

const CLIENTS = 4
const INTERVAL = 4
const SIZE = 16

// It shares a processor with the generator, and must not wait for it. A user may lack the
// permission.
try { setPriority(-19) } catch {}

const [order] = await once(process, 'message') as [Order]
const clients = await openCrowd(order, '/echo', CLIENTS)
let taken: number[] = []
// When each client has sent what is not answered yet.
const waiting: number[][] = []

for (const [index, client] of clients.entries()) {
  const message = text(SIZE, index)
  const frame = clientFrame(Buffer.from(message))
  const sent: number[] = []
  waiting.push(sent)
  client.onFrame = ({ payload }) => {
    if (payload.toString() !== message) throw new Error('A bystander got a wrong answer')
  }
  client.send(message)
  client.count({ first: 0x81, size: serverFrameSize(SIZE) })
  // Without that first one.
  let toSkip = 1
  client.onCount = (count) => {
    const now = performance.now()
    for (let answer = 0; answer < count; answer++) {
      if (toSkip > 0) toSkip--
      else taken.push(now - sent.shift()!)
    }
  }
  setTimeout(() => {
    setInterval(() => {
      sent.push(performance.now())
      client.socket.write(frame)
    }, INTERVAL)
  }, index * INTERVAL / CLIENTS)
}

process.on('message', () => {
  // Probes that still wait have waited at least so long.
  const now = performance.now()
  for (const [oldest] of waiting) if (oldest !== undefined) taken.push(now - oldest)
  taken.sort((a, b) => a - b)
  const at = (part: number): number => taken[Math.min(
    taken.length - 1,
    Math.floor(taken.length * part)
  )] ??
    NaN
  const latencies: Latencies = { count: taken.length, p50: at(0.5), p99: at(0.99), worst: at(1) }
  taken = []
  process.send!(latencies)
})
process.on('disconnect', () => { process.exit() })
process.send!('ready')
