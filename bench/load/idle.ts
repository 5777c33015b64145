import { setTimeout as wait } from 'node:timers/promises'
import type { IdleWork } from '../jobs.js'
import { openCrowd } from './crowd.js'
import type { Order, Outcome } from './order.js'
import { tell } from './phase.js'

/**
 * Connections that say nothing, with the headers of a browser. What the server holds is taken
 * without and with them.
 */
export async function idle (order: Order, { path, connections }: IdleWork): Promise<Outcome> {
  // Has the server create now what it creates once.
  for (const client of await openCrowd(order, path, Math.min(500, connections), {
    isBrowser: true
  })) {
    client.cut()
  }
  await wait(order.settle)
  await tell('before')
  const clients = await openCrowd(order, path, connections, { isBrowser: true })
  // Has the server do now what it does once a connection has lasted a while.
  await wait(5 * order.settle)
  await tell('after')
  for (const client of clients) client.cut()
  return { value: NaN }
}
