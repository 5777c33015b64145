import { tls } from '../test/support/tls.js'
import { Child, isPinned } from './child.js'
import type { Job, Work } from './jobs.js'
import type { Order, Outcome, Report } from './load/order.js'
import { coreTimes } from './machine.js'
import type { Run } from './results.js'
import { targets, type Target, type TargetName } from './targets.js'

const SERVER_CORE = 0
const LOAD_CORE = 1
const SECRET = 'a secret for the benchmark, of at least 32 bytes'

/** How long, and how large. */
export interface Scale {
  readonly seconds: number
  readonly warmUp: number
  readonly settle: number
  /** Milliseconds between two garbage collections before memory is looked at. */
  readonly pause: number
  /** The most connections that a job opens. */
  readonly connections: number
}

interface Mark {
  readonly cpu: number
  readonly time: number
  readonly busy?: number
  readonly loopDelay?: number
}
interface Held { readonly heap: number, readonly rss: number }

/** The work with no more connections than that. */
export function fit (work: Work, most: number): Work {
  switch (work.kind) {
    case 'room': return {
      ...work,
      receivers: Math.min(work.receivers, most),
      inFlight: Math.min(work.inFlight, most)
    }
    case 'bystanders': return { ...work, room: fit(work.room, most) as typeof work.room }
    case 'echo': case 'idle': return { ...work, connections: Math.min(work.connections, most) }
    case 'handshakes': return work
  }
}

/** The settings of a server. Jobs with the same settings can share a server. */
export function configOf ({ work, isSecure }: Job, target: TargetName, { pause }: Scale): object {
  const { config }: Target = targets[target]
  const isRelay = work.kind === 'room'
  return {
    secret: SECRET,
    pause,
    compression: isRelay && work.isCompressed === true,
    loopDelay: work.kind === 'bystanders',
    ...(isSecure === true && { tls }),
    ...(target === 'tcp' && (isRelay || work.kind === 'echo') &&
      { raw: { size: work.size, isRelay } }),
    ...config
  }
}

/** A target that listens. */
export interface Server { readonly child: Child, readonly port: number }

/** Starts a target. @param flags of Node, besides those that all have. */
export async function startServer (
  target: TargetName,
  config: object,
  flags: readonly string[] = []
): Promise<Server> {
  const child = new Child(
    `targets/${targets[target].module}`,
    SERVER_CORE,
    ['--expose-gc', ...flags],
    [JSON.stringify(config)]
  )
  const { port } = await child.next<{ port: number }>()
  return { child, port }
}

/** Starts a generator. */
export function startLoad (): Child {
  return new Child('load/load.ts', LOAD_CORE, ['--import=tsx'])
}

/** Does one job once, and takes the server's figures when the generator says so. */
export async function measure (job: Job, target: TargetName, {
  child,
  port
}: Server, load: Child, scale: Scale): Promise<Run> {
  const { dialect = 'plain', isChecked = true }: Target = targets[target]
  const { seconds, settle } = scale
  // So much code has a part in a handshake that Node compiles the last of it only after some
  // thousands.
  const warmUp = job.work.kind === 'handshakes' ? 6 * scale.warmUp : scale.warmUp
  const order: Order = {
    work: fit(
      job.work,
      scale.connections
    ),
    port,
    isSecure: job.isSecure === true,
    secret: SECRET,
    dialect,
    isChecked,
    seconds,
    warmUp,
    settle
  }
  const marks: Mark[] = []
  const held: Held[] = []
  let report = await load.ask<Report>(order)
  while ('phase' in report) {
    if (report.phase === 'begin' || report.phase === 'end') {
      marks.push({
        ...await child.ask<Mark>('mark'),
        ...coreTimes(SERVER_CORE)
      })
    } else held.push(await child.ask<Held>('memory'))
    report = await load.ask<Report>('go on')
  }
  return runOf(order.work, report.outcome, marks, held)
}

/** Runs a job at each target in turn, each time with a fresh server and a fresh generator. */
export async function series (
  job: Job,
  names: readonly TargetName[],
  scale: Scale,
  count: number
): Promise<Map<TargetName, Run[]>> {
  const runs = new Map<TargetName, Run[]>()
  for (let run = 0; run < count; run++) {
    for (const name of names) {
      const started = await startServer(name, configOf(job, name, scale))
      const load = startLoad()
      try {
        runs.set(name, [...runs.get(name) ?? [], await measure(job, name, started, load, scale)])
      } catch (error) {
        // The figures of the others are worth having.
        console.log(`${job.name}: ${targets[name].title} FAILED: ${(error as Error).message}`)
        process.exitCode = 1
      } finally {
        await Promise.all([load.stop(), started.child.stop()])
      }
    }
  }
  return runs
}

function runOf (work: Work, {
  value,
  load,
  more
}: Outcome, [begin, end]: Mark[], [before, after]: Held[]): Run {
  if (before !== undefined && after !== undefined && work.kind === 'idle') {
    const perConnection = (name: keyof Held): number =>
      (after[name] - before[name]) / work.connections
    return { value: perConnection('heap'), more: { rss: perConnection('rss') } }
  }
  if (begin === undefined || end === undefined || load === undefined) {
    throw new Error('The generator has not said when to measure')
  }
  if (!Number.isFinite(value)) throw new Error('Nothing was measured')
  return {
    value,
    server: (end.cpu - begin.cpu) / (end.time - begin.time),
    ...(isPinned && begin.busy !== undefined && end.busy !== undefined &&
      {
        others: Math.max(0, end.busy - begin.busy - end.cpu + begin.cpu) / (end.time - begin.time)
      }),
    load,
    ...(more !== undefined &&
      { more: { ...more, ...(end.loopDelay !== undefined && { 'loop delay': end.loopDelay }) } })
  }
}
