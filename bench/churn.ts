// Memory after connections have come and gone: `npm run bench:churn`. 10,000 connections are opened
// and closed five times over; after the fifth time the server must hold no more than 5 % more than
// after the first. It ends with 1 if it does.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import type { Order } from './churn-client.js'
import type { Held } from './churn-server.js'

const COUNT = Number(process.env['COUNT'] ?? 10_000)
const ROUNDS = Number(process.env['ROUNDS'] ?? 5)
const WAVE = 200
const TOLERANCE = 0.05

const start = (name: string): ChildProcess => fork(new URL(name, import.meta.url), {
  execArgv: ['--import=tsx', '--expose-gc']
})
const ask = async <Answer>(child: ChildProcess, what: object | number): Promise<Answer> => {
  child.send(what)
  return (await once(child, 'message'))[0] as Answer
}
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
const show = (name: string, { rss, heapUsed, connections, clients, timers, files }: Held): void => {
  console.log(
    `  ${name.padEnd(12)}RSS ${megabytes(rss)}, heap ${megabytes(heapUsed)}, ${connections} connections, ${clients} clients, ${timers} timers, ${files} files`
  )
}

const server = start('churn-server.ts')
const [{ url }] = await once(server, 'message') as [{ url: string }]
const clients = start('churn-client.ts')

console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${COUNT} connections, ${WAVE} at a time, ${ROUNDS} rounds`
)
show('before', await ask<Held>(server, 0))
const after: Held[] = []
for (let round = 1; round <= ROUNDS; round++) {
  // Ports are not free again at once.
  const order: Order = { count: COUNT, wave: WAVE, from: `127.0.0.${round + 1}` }
  await ask(clients, { ...order, url })
  show(`${round}: open`, await ask<Held>(server, COUNT))
  await ask(clients, order)
  const held = await ask<Held>(server, 0)
  show(`${round}: closed`, held)
  after.push(held)
}
for (const child of [clients, server]) child.kill()

const [first, last] = [after[0]!, after.at(-1)!]
for (const name of ['rss', 'heapUsed'] as const) {
  const growth = last[name] / first[name] - 1
  console.log(`${name}: ${(growth * 100).toFixed(1)} % from the first round to the last`)
  if (growth > TOLERANCE) process.exitCode = 1
}
