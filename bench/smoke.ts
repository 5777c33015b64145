// Each job at each target for a moment, with few connections: `npm run bench:smoke`. It fails if a server answers wrongly, or a process
// ends; the figures mean nothing. Jobs that can share a server do, so that it takes less than a minute.
import type { Child } from './child.js'
import { jobs } from './jobs.js'
import { configOf, measure, startLoad, startServer, type Scale } from './measure.js'
import { isThere, prepare } from './prepare.js'
import { targets, type TargetName } from './targets.js'

const scale: Scale = { seconds: 0.05, warmUp: 0.02, settle: 20, pause: 5, connections: 50 }

prepare()
let count = 0
for (const target of (Object.keys(targets) as TargetName[]).filter(isThere)) {
  const servers = new Map<string, { server: Child, port: number }>()
  let load = startLoad()
  for (const job of jobs.filter(({ targets }) => targets.includes(target))) {
    const config = configOf(job, target, scale)
    const key = JSON.stringify(config)
    try {
      const started = servers.get(key) ?? await startServer(target, config)
      servers.set(key, started)
      const { value } = await measure(job, target, started, load, scale)
      if (Number.isNaN(value) || (job.better === 'higher' && value === 0)) throw new Error('nothing was measured')
      count++
    } catch (error) {
      console.log(`${job.name}: ${targets[target].title} FAILED: ${(error as Error).message}`)
      process.exitCode = 1
      await load.stop()
      load = startLoad()
      await servers.get(key)?.server.stop()
      servers.delete(key)
    }
  }
  await Promise.all([load.stop(), ...[...servers.values()].map(({ server }) => server.stop())])
}
console.log(`${count} jobs done${process.exitCode === 1 ? ', others failed' : ''}`)
