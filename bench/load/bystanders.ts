import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { BystanderWork } from '../jobs.js'
import type { Order, Outcome } from './order.js'
import { time } from './phase.js'
import { openRoom } from './room.js'

/** How long answers took, in milliseconds. */
export interface Latencies {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly worst: number
}

/**
 * What others on the same server feel of a large fan-out: they are in a process of their own, as
 * this one reads all the time.
 */
export async function bystanders (order: Order, work: BystanderWork): Promise<Outcome> {
  const probe = fork(new URL('probe.ts', import.meta.url), { execArgv: process.execArgv })
  const failed = once(probe, 'exit').then(() => { throw new Error('The probe ended') })
  probe.send(order)
  await Promise.race([once(probe, 'message'), failed])
  const { delivered, end } = await openRoom(order, work.room)
  const timed = time(order, () => {
    // Forgets what it has seen so far: this is called at the beginning and at the end, where it
    // answers.
    probe.send('take')
    return delivered()
  })
  await Promise.race([once(probe, 'message'), failed])
  const [latencies] = await Promise.race([once(probe, 'message'), failed]) as [Latencies]
  const { value, load } = await timed
  await end()
  failed.catch(() => {})
  probe.kill()
  return {
    value: latencies.worst,
    load,
    more: { p50: latencies.p50, p99: latencies.p99, deliveries: value }
  }
}
