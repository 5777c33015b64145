// The load generator: a process that does one job at one target after the other, as the runner
// tells it.
import type { Work } from '../jobs.js'
import { bystanders } from './bystanders.js'
import { echo } from './echo.js'
import { handshakes } from './handshakes.js'
import { idle } from './idle.js'
import type { Order, Outcome, Report } from './order.js'
import { room } from './room.js'

async function run (order: Order, work: Work): Promise<Outcome> {
  switch (work.kind) {
    case 'echo': return await echo(order, work)
    case 'room': return await room(order, work)
    case 'handshakes': return await handshakes(order, work)
    case 'idle': return await idle(order, work)
    case 'bystanders': return await bystanders(order, work)
  }
}

let isBusy = false
process.on('message', (message: Order | 'go on') => {
  if (isBusy || message === 'go on') return
  isBusy = true
  run(message, message.work).then((outcome) => {
    isBusy = false
    const report: Report = { outcome }
    process.send!(report)
  }, (error: unknown) => { setImmediate(() => { throw error }) })
})
process.on('disconnect', () => { process.exit() })
