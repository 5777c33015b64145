// Memory that clients can make a server hold: `npm run bench:memory`, or with a part of a job's
// name behind `--` for that alone. First what an idle connection takes, by the jobs of `npm run
// bench`. Each other job runs against a bare @fastify/websocket server and one with this plugin and
// its defaults, each in a process that has served ordinary clients before, in turn; medians of five
// runs. Where there is taskset, the server has a core of its own. It fails if the plugin misses a
// target of these.
import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { availableParallelism, cpus } from 'node:os'
import { constants, deflateRawSync } from 'node:zlib'
import { WebSocket } from 'ws'
import { jobs as idleJobs } from './jobs.js'
import { series, type Scale } from './measure.js'
import { prepare } from './prepare.js'
import { find } from './results.js'
import { print } from './table.js'

const SIZE = 65_536
const RUNS = Number(process.env['RUNS'] ?? 5)
const turn = async (): Promise<void> => { await new Promise(setImmediate) }
const seconds = async (count: number): Promise<void> => {
  await new Promise((resolve) => { setTimeout(resolve, count * 1000) })
}

interface Outcome { readonly note: string, readonly isHealthy: boolean }
interface Result extends Outcome { readonly growth: number }
interface Job {
  readonly path: string
  /** The growth allowed to the plugin's server, in MB. */
  readonly target: number
  readonly compression?: boolean
  attack (url: string): Promise<Outcome>
}

async function open (url: string, perMessageDeflate = false): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate })
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

// One client that waits for each answer and leaves. What follows is then not the cost of first use:
// modules, compiled code, and the heap that any traffic takes until the next garbage collection
// (two copies of each message, of which none is held).
async function warmUp (url: string, messages: number): Promise<void> {
  const socket = await open(url, true)
  for (let count = 0; count < messages; count++) {
    socket.send(Buffer.alloc(SIZE))
    await once(socket, 'message')
  }
  socket.close()
  await once(socket, 'close')
}

// A message of zeroes that is deflated already, as a client's frame with a mask of zeroes.
function bomb (size: number): Buffer {
  const bytes = deflateRawSync(Buffer.alloc(size), {
    finishFlush: constants.Z_SYNC_FLUSH
  }).subarray(
    0,
    -4
  )
  const head = Buffer.from([0xc2, 0x80 | 126, 0, 0, 0, 0, 0, 0])
  head.writeUInt16BE(bytes.length, 2)
  return Buffer.concat([head, bytes])
}

// Sends bytes on a connection with compression, and waits until it is cut or the server has had
// time for them.
async function explode (url: string, bytes: Buffer): Promise<void> {
  const { port, pathname } = new URL(url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write(`GET ${pathname} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
    'Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n')
  await once(socket, 'data')
  socket.resume()
  socket.write(bytes)
  await Promise.race([once(socket, 'close'), seconds(4)])
  socket.destroy()
}

const jobs: Record<string, Job> = {
  'a client does not read a 128 MB broadcast to eight': {
    path: '/broadcast',
    target: 45,
    // At the pace of one of the seven that read.
    async attack (url) {
      const deaf = await open(url)
      deaf.pause()
      const healthy = await Promise.all(Array.from({ length: 7 }, () => open(url)))
      const count = 128 * 1024 * 1024 / SIZE
      const received = healthy.map(() => 0)
      await Promise.race([seconds(60), new Promise<void>((resolve) => {
        const [first] = healthy as [WebSocket]
        healthy.forEach((socket, index) => {
          socket.on('message', () => {
            received[index]!++
            if (socket === first && received[0]! < count) first.send('next')
            if (received.every((each) => each === count)) resolve()
          })
        })
        first.send('next')
      })])
      for (const socket of [deaf, ...healthy]) socket.terminate()
      return {
        note: `healthy clients got ${Math.min(...received)} of ${count} messages`,
        isHealthy: received.every((each) => each === count)
      }
    }
  },

  'a client does not read 256 MB of its own replies': {
    path: '/replies',
    target: 20,
    async attack (url) {
      const socket = await open(url)
      socket.pause()
      for (let count = 0; count < 4096; count++) {
        socket.send('more')
        if (count % 64 === 0) await turn()
      }
      await seconds(3)
      socket.terminate()
      return { note: '', isHealthy: true }
    }
  },

  'a client floods a 50 ms handler': {
    path: '/slow',
    target: 5,
    // As much as is taken in three seconds.
    async attack (url) {
      const socket = await open(url)
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
      return { note: `${(taken / 1e6).toFixed(0)} MB taken`, isHealthy: true }
    }
  },

  'clients send 20 zip bombs with compression on': {
    path: '/slow',
    target: 50,
    compression: true,
    // 1.8 MB that inflate to 1.6 GB: ten clients with two messages of 46 MB each, ten with a
    // thousand of 64 KiB.
    async attack (url) {
      const large = Buffer.concat([bomb(46_000_000), bomb(46_000_000)])
      const small = Buffer.concat(Array<Buffer>(1000).fill(bomb(SIZE)))
      const healthy = await open(url, true)
      let received = 0
      const answered = new Promise<void>((resolve) => {
        healthy.on('message', () => {
          if (++received < 20) healthy.send(Buffer.alloc(2_000))
          else resolve()
        })
      })
      healthy.send(Buffer.alloc(2_000))
      await Promise.all(Array.from({ length: 20 }, (_, index) => explode(
        url,
        index % 2 === 0 ? large : small
      )))
      await Promise.race([seconds(10), answered])
      healthy.terminate()
      return { note: `a healthy client got ${received} of 20 answers`, isHealthy: received === 20 }
    }
  }
}

// Whether a process, with all its threads, now has a core of its own.
function pin (pid: number, core: number): boolean {
  return availableParallelism() > 1 &&
    spawnSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], {
      stdio: 'ignore'
    }).status === 0
}

async function run (target: string, { path, compression, attack }: Job): Promise<Result> {
  const child = fork(
    new URL('memory-server.ts', import.meta.url),
    [target, ...(compression === true ? ['compression'] : [])],
    { execArgv: ['--expose-gc', '--import=tsx'] }
  )
  pin(child.pid!, 1)
  const [{ url }] = await once(child, 'message') as [{ url: string }]
  await warmUp(url + path, 10)
  await warmUp(`${url}/echo`, 500)
  child.send('begin')
  await once(child, 'message')
  const outcome = await attack(url + path)
  child.send('end')
  const [{ growth }] = await once(child, 'message') as [{ growth: number }]
  child.kill()
  await once(child, 'exit')
  return { growth, ...outcome }
}

const isPinned = pin(process.pid, 0)
console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${isPinned ? 'a core each for server and load' : 'not pinned to cores'}`
)
const only = process.argv[2] ?? ''

prepare()
const scale: Scale = {
  seconds: 1,
  warmUp: 0.5,
  settle: 300,
  pause: 100,
  connections: Number(process.env['CONNECTIONS'] ?? Infinity)
}
for (const job of idleJobs.filter(({ group, name }) => group === 'memory' && name.includes(only))) {
  const compared = (['ws', 'fastify-websocket', 'plugin'] as const).filter(
    (target) => job.targets.includes(target)
  )
  console.log(`\n${print(find(job, await series(job, compared, scale, RUNS)))}`)
}

console.log(`\nGrowth of resident memory, median (least to most) of ${RUNS} runs`)
for (const [name, job] of Object.entries(jobs).filter(([name]) => name.includes(only))) {
  const results: Record<string, Result[]> = { bare: [], plugin: [] }
  for (let count = 0; count < RUNS; count++) {
    for (const target of Object.keys(results)) results[target]!.push(await run(target, job))
  }
  console.log(`\n${name}`)
  for (const [target, all] of Object.entries(results)) {
    const growths = all.map(({ growth }) => growth / 1e6).sort((a, b) => a - b)
    const [least, median, most] = [
      growths[0]!,
      growths[Math.floor(growths.length / 2)]!,
      growths.at(-1)!
    ]
    const isMissed = target === 'plugin' &&
      (median > job.target || all.some(({ isHealthy }) => !isHealthy))
    if (isMissed) process.exitCode = 1
    // The client that was served worst.
    const { note } = all.find(({ isHealthy }) => !isHealthy) ?? all.at(-1)!
    const figure = `+${median.toFixed(0)} MB (${least.toFixed(0)} to ${most.toFixed(0)})`
    console.log(
      `  ${target.padEnd(8)}${figure.padEnd(28)}${target === 'plugin' ? `target +${job.target} MB${isMissed ? ', MISSED' : ''}` : ''}  ${note}`
    )
  }
}
