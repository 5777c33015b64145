// Memory that clients can make a server hold: `npm run bench:memory`. Each job runs against a bare @fastify/websocket server and one
// with this plugin and its defaults, each in a fresh process, in turn; medians of five runs.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { WebSocket } from 'ws'

const SIZE = 65_536
const RUNS = Number(process.env['RUNS'] ?? 5)
const turn = async (): Promise<void> => { await new Promise(setImmediate) }
const seconds = async (count: number): Promise<void> => { await new Promise((resolve) => { setTimeout(resolve, count * 1000) }) }

interface Result { readonly growth: number, readonly note: string }

async function open (url: string): Promise<WebSocket> {
  const socket = new WebSocket(url)
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

const jobs: Record<string, (url: string) => Promise<string>> = {
  // One of eight clients reads nothing, while 128 MB are broadcast at the pace of another.
  'does not read a 128 MB broadcast': async (url) => {
    const deaf = await open(`${url}/broadcast`)
    deaf.pause()
    const healthy = await Promise.all(Array.from({ length: 7 }, () => open(`${url}/broadcast`)))
    const count = 128 * 1024 * 1024 / SIZE
    const received = healthy.map(() => 0)
    await new Promise<void>((resolve) => {
      const [first] = healthy as [WebSocket]
      healthy.forEach((socket, index) => {
        socket.on('message', () => {
          received[index]!++
          if (socket === first && received[0]! < count) first.send('next')
          if (received.every((each) => each === count)) resolve()
        })
      })
      first.send('next')
    })
    const note = `healthy clients got ${Math.min(...received)} of ${count} messages`
    for (const socket of [deaf, ...healthy]) socket.terminate()
    return note
  },

  // It asks for 256 MB of answers, and reads none.
  'does not read 256 MB of its own replies': async (url) => {
    const socket = await open(`${url}/replies`)
    socket.pause()
    for (let count = 0; count < 4096; count++) {
      socket.send('more')
      if (count % 64 === 0) await turn()
    }
    await seconds(3)
    socket.terminate()
    return ''
  },

  // It sends as much as is taken, to a handler that needs 50 ms for each.
  'floods a 50 ms handler': async (url) => {
    const socket = await open(`${url}/flood`)
    const block = Buffer.alloc(SIZE)
    const end = performance.now() + 3000
    let sent = 0
    while (performance.now() < end && sent < 4608) {
      if (socket.bufferedAmount < 1_000_000) {
        socket.send(block)
        sent++
      }
      await turn()
    }
    const taken = sent * SIZE - socket.bufferedAmount
    socket.terminate()
    return `${(taken / 1e6).toFixed(0)} MB taken`
  }
}

async function run (target: string, job: (url: string) => Promise<string>): Promise<Result> {
  const child = fork(new URL('memory-server.ts', import.meta.url), [target], { execArgv: ['--import=tsx'] })
  const [{ url }] = await once(child, 'message') as [{ url: string }]
  child.send('begin')
  await once(child, 'message')
  const note = await job(url)
  child.send('end')
  const [{ growth }] = await once(child, 'message') as [{ growth: number }]
  child.kill()
  await once(child, 'exit')
  return { growth, note }
}

console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, growth of resident memory, median (least to most) of ${RUNS} runs`)
for (const [name, job] of Object.entries(jobs)) {
  const results: Record<string, Result[]> = { bare: [], plugin: [] }
  for (let count = 0; count < RUNS; count++) {
    for (const target of Object.keys(results)) results[target]!.push(await run(target, job))
  }
  console.log(`\na client that ${name}`)
  for (const [target, all] of Object.entries(results)) {
    const growths = all.map(({ growth }) => growth / 1e6).sort((a, b) => a - b)
    const [least, median, most] = [growths[0]!, growths[Math.floor(growths.length / 2)]!, growths.at(-1)!]
    console.log(`  ${target.padEnd(8)}+${median.toFixed(0)} MB (${least.toFixed(0)} to ${most.toFixed(0)})  ${all.at(-1)!.note}`)
  }
}
