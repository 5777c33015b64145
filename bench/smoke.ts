// Each job at each target for a moment, with few connections: `npm run bench:smoke`. It fails if a
// server answers wrongly, or a process ends; the figures mean nothing. Jobs that can share a server
// do, so that it takes less than a minute.
import { jobs } from './jobs.js'
import { configOf, measure, startLoad, startServer, type Scale, type Server } from './measure.js'
import { isThere, prepare } from './prepare.js'
import { targets, type TargetName } from './targets.js'

const scale: Scale = { seconds: 0.02, warmUp: 0.01, settle: 20, pause: 5, connections: 20 }

/** All jobs of a target. Answers how many were done. */
async function smoke (target: TargetName): Promise<number> {
  const servers = new Map<string, Server>()
  let load = startLoad()
  let count = 0
  for (const job of jobs.filter(({ targets }) => targets.includes(target))) {
    const config = configOf(job, target, scale)
    const key = JSON.stringify(config)
    try {
      const server = servers.get(key) ?? await startServer(target, config)
      servers.set(key, server)
      await measure(job, target, server, load, scale)
      count++
    } catch (error) {
      console.log(`${job.name}: ${targets[target].title} FAILED: ${(error as Error).message}`)
      process.exitCode = 1
      await load.stop()
      load = startLoad()
      await servers.get(key)?.child.stop()
      servers.delete(key)
    }
  }
  await Promise.all([load.stop(), ...[...servers.values()].map(({ child }) => child.stop())])
  return count
}

prepare()
const left = (Object.keys(targets) as TargetName[]).filter(isThere)
let count = 0
// As there are two cores, two at a time.
await Promise.all([1, 2].map(async () => {
  for (let target = left.shift(); target !== undefined; target = left.shift()) {
    const done = await smoke(target)
    count += done
  }
}))
console.log(`${count} jobs done${process.exitCode === 1 ? ', others failed' : ''}`)
