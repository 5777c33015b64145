import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, release, totalmem, type } from 'node:os'
import { isPinned } from './child.js'
import { targets, type Target } from './targets.js'

/** The machine of a run. */
export function machine (): Record<string, string | number | boolean> {
  const all = cpus()
  return {
    processor: all[0]?.model ?? 'unknown',
    cores: all.length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release().split('.', 2).join('.')}`,
    node: process.versions.node,
    pinned: isPinned
  }
}

const read = (file: URL | string): { version: string } =>
  JSON.parse(readFileSync(file, 'utf8')) as { version: string }

/** The installed version of a package: that of the root, or that of `bench/`. */
export function versionOf (name: string, from: 'root' | 'bench'): string {
  const base = new URL(from === 'root' ? '../package.json' : 'package.json', import.meta.url)
  const [directory] = createRequire(base).resolve.paths(name)!
  return read(`${directory}/${name}/package.json`).version
}

// The last commit that has changed the sources, and whether they were changed since. There may be
// no repository.
function commit (): string {
  const git = (...args: string[]): undefined | string => {
    const { status, stdout } = spawnSync('git', [...args, '--', 'src'], {
      cwd: new URL('..', import.meta.url),
      encoding: 'utf8'
    })
    return status === 0 ? stdout.trim() : undefined
  }
  const hash = git('log', '-1', '--format=%h')
  return hash === undefined || hash === ''
    ? ''
    : ` (${hash}${git('status', '--porcelain') === '' ? '' : ', changed'})`
}

/** The versions that were compared. */
export function versions (): Record<string, string> {
  const peers = (Object.values(
    targets
  ) as Target[]).flatMap((target) => target.package === undefined
    ? []
    : [[target.package.name, versionOf(target.package.name, target.package.from)] as const])
  return {
    'fastify-socket-route': read(new URL('../package.json', import.meta.url)).version + commit(),
    fastify: versionOf('fastify', 'root'),
    '@fastify/jwt': versionOf('@fastify/jwt', 'root'),
    ...Object.fromEntries(peers)
  }
}

/** The seconds that a core has been busy, where the system tells. */
export function coreTimes (core: number): { busy?: number } {
  try {
    const line = readFileSync('/proc/stat', 'utf8').split('\n').find((line) => line.startsWith(
      `cpu${core} `
    ))
    // Hundredths of seconds: user, nice, system, idle, iowait, irq, softirq, steal.
    const [
      user,
      nice,
      system,
      ,
      ,
      irq,
      softirq,
      steal
    ] = line!.split(' ').slice(1).map(
      Number
    ) as [number, number, number, number, number, number, number, number]
    return { busy: (user + nice + system + irq + softirq + steal) / 100 }
  } catch {
    return {}
  }
}

/** How many files a process can have open. */
export function openFiles (): number {
  // Without it Node looks up the names of all peers.
  Object.assign(process.report ?? {}, { excludeNetwork: true })
  const { userLimits } = process.report!.getReport() as unknown as {
    userLimits?: { open_files?: { hard: number | string } }
  }
  const hard = Number(userLimits?.open_files?.hard)
  return Number.isNaN(hard) ? Infinity : hard
}
