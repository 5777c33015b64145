// What every target has in common: it is told what to be in its first argument, says at which port
// it listens, and answers when the runner asks how much of a processor and of memory it has taken.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import process from 'node:process'
import { setTimeout as wait } from 'node:timers/promises'

/**
 * `secret` of the tokens, `tls` ({ key, cert }) or none, `compression`, and for single targets what
 * only they know.
 */
export const config = JSON.parse(process.argv[2])

// Only where it is reported: it costs a timer each millisecond.
const delay = config.loopDelay === true ? monitorEventLoopDelay({ resolution: 1 }) : undefined

function mark () {
  const { user, system } = process.cpuUsage()
  const answer = { cpu: (user + system) / 1e6, time: performance.now() / 1000 }
  if (delay !== undefined) {
    answer.loopDelay = delay.max / 1e6
    delay.enable()
    delay.reset()
  }
  return answer
}

async function memory () {
  // Memory freed by finalizers is collected only by the next one.
  for (let round = 0; round < 6; round++) {
    globalThis.gc()
    await wait(config.pause)
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed + external, rss }
}

/** Tells the runner where the server listens. */
export function listens (port) {
  process.on('message', (what) => {
    if (what === 'mark') process.send(mark())
    else memory().then((answer) => { process.send(answer) })
  })
  process.on('disconnect', () => { process.exit() })
  // The runner may have been stopped meanwhile.
  process.send({ port }, () => {})
}
