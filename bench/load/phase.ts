import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import type { Order, Outcome, Phase, Report } from './order.js'

/** Has the runner take the server's figures. */
export async function tell (phase: Phase): Promise<void> {
  const report: Report = { phase }
  process.send!(report)
  await once(process, 'message')
}

const now = (count: number) => ({ count, time: performance.now() / 1000, cpu: process.cpuUsage() })

/** Times what goes on anyway: what is counted each second, after a warm-up. */
export async function time ({ seconds, warmUp }: Order, count: () => number): Promise<Outcome> {
  await wait(warmUp * 1000)
  await tell('begin')
  const from = now(count())
  await wait(seconds * 1000)
  const to = now(count())
  await tell('end')
  const took = to.time - from.time
  const cpu = (to.cpu.user - from.cpu.user + to.cpu.system - from.cpu.system) / 1e6
  return { value: (to.count - from.count) / took, load: cpu / took }
}
