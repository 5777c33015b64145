// Runs the tests: all of them, or the files that are named; with --watch again and again. It
// compiles first, looks for what the tests need beyond npm, installs that where it may, and closes
// with one line that counts tests.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, watch } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { buildIfStale, compile, testFiles } from './compile.js'
import { reportCoverage } from './coverage-report.js'
import { leaksOf } from './leaks.js'
import { runFiles } from './processes.js'

const isWatching = process.argv.includes('--watch')
const named = process.argv.slice(2).filter((argument) => argument !== '--watch')

// Debian's packages that tests need, and how to see that one is there. Those of servers are
// installed in CI alone: Debian starts them.
const needed = [
  { name: 'chromium', isThere: () => existsSync('/usr/bin/chromium') },
  {
    name: 'python3-websockets',
    isThere: () => spawnSync('/usr/bin/python3', ['-c', 'import websockets']).status === 0
  },
  ...(process.env.CI === undefined
    ? []
    : [
        { name: 'nginx', isThere: () => existsSync('/usr/sbin/nginx') },
        { name: 'haproxy', isThere: () => existsSync('/usr/sbin/haproxy') },
        { name: 'apache2', isThere: () => existsSync('/usr/sbin/apache2') },
        { name: 'caddy', isThere: () => existsSync('/usr/bin/caddy') }
      ])
]

// Tests without their programs are skipped with the reason, or fail if CI is set.
function installMissing () {
  const missing = needed.filter(({ isThere }) => !isThere()).map(({ name }) => name)
  if (missing.length === 0 || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return
  process.stdout.write(`Installing what the tests need: ${missing.join(' ')}\n`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  spawnSync('apt-get', ['update', '-q'], { stdio: 'ignore', env })
  spawnSync(
    'apt-get',
    ['install', '-y', '-q', '--no-install-recommends', ...missing],
    { stdio: ['ignore', 'ignore', 'inherit'], env }
  )
}

// Files that start servers, browsers or compilers take longest and begin first, so that no core
// waits for one of them at the end.
const startsProcesses = (file) =>
  /child_process|support\/(browser|compilers|example|proxies)\.js/.test(readFileSync(file, 'utf8'))
const slowestFirst = (files) => files.filter(startsProcesses).concat(files.filter(
  (file) => !startsProcesses(file)
))

const coverage = join('.tap', 'coverage')
const witnesses = join('.tap', 'witness')

// Besides both parts of the fast path. The form between the two others is run where a change is
// accepted.
const forms = [
  ['false', 'without the fast path'],
  ...(process.env.CI ? [['write', 'read by ws']] : [])
]

const total = { passed: 0, failed: 0, skipped: 0 }

/**
 * Runs test files, each in a process of its own. @param onEnd is called with each run that has
 * ended
 */
async function run (runs, onEnd = () => {}) {
  const failures = []
  const skips = []
  await runFiles(runs, async (run, results, time) => {
    process.stdout.write(
      `${results.failed === 0 ? 'ok    ' : 'FAILED'} ${run.name} (${(time / 1000).toFixed(1)} s)\n`
    )
    for (const name of Object.keys(total)) total[name] += results[name]
    failures.push(...results.failures)
    skips.push(...results.skips)
    await onEnd(run)
  })
  for (const failure of failures) process.stdout.write(`\nFAILED ${failure}\n`)
  for (const skip of skips) process.stdout.write(`skipped: ${skip}\n`)
}

const report = () => {
  const { passed, failed, skipped } = total
  process.stdout.write(
    `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`
  )
  if (failed > 0) process.exitCode = 1
}

async function runNamed (files) {
  await compile()
  buildIfStale(files)
  for (const name of Object.keys(total)) total[name] = 0
  const isCovered = process.env.COVERAGE === 'true'
  rmSync(coverage, { recursive: true, force: true })
  await run(files.map((file) => ({ file, name: file, isCovered })))
  if (isCovered) await reportCoverage({ isAll: false })
  report()
}

async function runAll () {
  installMissing()
  for (const directory of [witnesses, coverage]) rmSync(directory, { recursive: true, force: true })
  await compile()
  const all = slowestFirst(testFiles())
  buildIfStale(all)
  const isCovered = process.env.COVERAGE !== 'false'
  // Once more for each further form of the fast path: the tests that read or write sockets.
  const again = forms.flatMap(([form, name]) => all.filter(speaks).map((file) => ({
    file,
    name: `${file}, ${name}`,
    env: { FAST_PATH: form }
  })))
  let uncovered = isCovered ? all.length : 0
  let isFull = true
  await run([...all.map((file) => ({ file, name: file, isCovered })), ...again], async (ended) => {
    // While the others run.
    if (ended.isCovered && --uncovered === 0) isFull = await reportCoverage({ isAll: true })
  })
  // The last test: what all the others have logged holds no token, no ticket and no payload.
  const leaks = leaksOf(witnesses)
  for (const leak of leaks) process.stdout.write(`A log has what must be in none: ${leak}\n`)
  total[leaks.length === 0 ? 'passed' : 'failed']++
  if (!isFull) {
    process.stdout.write('The coverage is below 100 %\n')
    process.exitCode = 1
  }
  report()
}

// Whether a test reads or writes messages by an app of createApp, which takes the path from the
// environment. Those that choose the path themselves have had both.
function speaks (file) {
  const code = readFileSync(file, 'utf8')
  return /support\/(server|faults)\.js/.test(code) &&
    /\bonMessage\b|\bon: \{|\.(send|broadcast)\(|\bframe\(/.test(code) &&
    !/\bfastPath: true\b|\[fastPath\b/.test(
      code
    ) && !/^test\/(examples|operate|client)\//.test(file)
}

/** Runs the named files, or else the test files that change, at each change. */
async function runOnChange () {
  let changed = new Set()
  let wake = () => {}
  for (const folder of ['src', 'test', 'examples', 'ui', 'docs']) {
    watch(folder, { recursive: true }, (_event, name) => {
      changed.add(join(folder, name))
      wake()
    })
  }
  let last = named
  if (named.length > 0) await runNamed(named)
  for (;;) {
    if (changed.size === 0) await new Promise((resolve) => { wake = resolve })
    // An editor writes a file in several steps.
    await new Promise((resolve) => { setTimeout(resolve, 100) })
    const tests = [...changed].filter((file) => file.endsWith('.test.ts') && existsSync(file))
    changed = new Set()
    if (named.length === 0 && tests.length > 0) last = tests
    if (last.length > 0) await runNamed(last)
    else process.stdout.write('Name test files after --, or change one\n')
  }
}

if (isWatching) await runOnChange()
else if (named.length > 0) await runNamed(named)
else await runAll()
