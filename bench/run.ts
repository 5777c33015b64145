// The speed and the memory of this plugin beside others: `npm run bench`, or with parts of names
// behind `--` for some jobs alone. See README.md.
import { rmSync } from 'node:fs'
import { isPinned } from './child.js'
import { jobs, type Job } from './jobs.js'
import { machine, openFiles, versionOf, versions } from './machine.js'
import { series, type Scale } from './measure.js'
import { isThere, prepare } from './prepare.js'
import { DISTURBED, find, missedOf, type Finding } from './results.js'
import { save } from './save.js'
import { print, printGrowth } from './table.js'
import { targets, type TargetName } from './targets.js'

const RUNS = Number(process.env['RUNS'] ?? 5)
const SECONDS = Number(process.env['SECONDS'] ?? 3)
// Results without some targets do not replace complete ones, unless they are told to.
const OUT = process.env['OUT'] ??
  (process.env['TARGETS'] === undefined ? 'bench/results.json' : undefined)
const scale: Scale = {
  seconds: SECONDS,
  warmUp: Math.max(0.5, SECONDS / 3),
  settle: 300,
  pause: 100,
  connections: Infinity
}

prepare()
const wanted = process.env['TARGETS']?.split(',') ?? Object.keys(targets)
const strange = wanted.filter((name) => !(name in targets))
if (strange.length > 0) {
  throw new Error(
    `There is no target ${strange.join(', ')}; there are ${Object.keys(targets).join(', ')}`
  )
}
const taking = new Set((wanted as TargetName[]).filter(isThere))
const filters = process.argv.slice(2)
const chosen = jobs.filter(({ name, group }) => filters.length === 0 ||
  filters.some((part) => name.includes(part) || group.includes(part)))

if (versionOf('ws', 'root') !== versionOf('ws', 'bench')) {
  console.log(
    'The ws that is compared with is another version than the one that the plugin runs on.'
  )
}
console.log(
  Object.entries({ ...machine(), ...versions() }).map(([name, value]) => `${name} ${value}`).join(
    ', '
  )
)
console.log(
  `Medians of ${RUNS} runs of ${SECONDS} s. ${isPinned ? 'Server and generator have a core each.' : 'Server and generator are not pinned to cores.'}`
)
console.log('* The server had time to spare: compare what it does in a second of its processor.\n')

const about = {
  date: new Date().toISOString(),
  machine: machine(),
  versions: versions(),
  parameters: { runs: RUNS, seconds: SECONDS, warmUp: scale.warmUp }
}
const findings: Finding[] = []
// A run of everything begins anew.
if (filters.length === 0 && OUT !== undefined) rmSync(OUT, { force: true })
for (const job of chosen) {
  const names = job.targets.filter((target) => taking.has(target))
  const room = fits(job)
  if (names.length === 0) continue
  if (room.most === 0) {
    console.log(`${job.name}: skipped. ${room.note!}\n`)
    continue
  }
  const finding = find(
    job,
    await series(job, names, { ...scale, connections: room.most }, RUNS),
    room.note
  )
  if (Object.keys(finding.targets).length === 0) continue
  findings.push(finding)
  console.log(print(finding) + '\n')
  // At once: the next may take long, or be stopped.
  if (OUT !== undefined) save(OUT, { ...about, findings: [finding] }, jobs.map(({ name }) => name))
}
const growth = printGrowth(findings)
if (growth !== undefined) console.log(growth)
const missed = missedOf(findings)
const all = findings.flatMap(({ targets }) => Object.values(targets))
const disturbed = all.filter(({ others = 0 }) => others > DISTURBED)
if (disturbed.length > 0) {
  console.log(
    `Others took their part of the server's core in ${disturbed.length} of ${all.length} figures: measure again on a quieter machine.`
  )
}
console.log(missed.length === 0 ? 'No target is missed.' : `Missed: ${missed.join('; ')}.`)

/**
 * How many connections of a job the limit of open files allows: all, a few less, or none if that
 * would be another job.
 */
function fits ({ work }: Job): { most: number, note?: string } {
  const asked = work.kind === 'room'
    ? work.receivers
    : work.kind === 'bystanders'
      ? work.room.receivers
      : work.kind === 'idle' ? work.connections : 64
  const possible = openFiles() - 300
  if (asked <= possible) return { most: Infinity }
  const why = `A process can have ${openFiles()} files open; ulimit -n has to be higher.`
  return possible < asked * 0.9
    ? { most: 0, note: why }
    : { most: possible, note: `only ${possible.toLocaleString('en')} connections. ${why}` }
}
