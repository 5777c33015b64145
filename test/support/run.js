// Runs the tests: all of them, or the files that are named; with --watch again and again. It compiles first, looks for what the tests
// need beyond npm, installs that where it may, and closes with one line that counts tests.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { buildIfStale, compile, compiledOf, testFiles } from './compile.js'
import { leaksOf } from './leaks.js'
import { createResults } from './results.js'

const isWatching = process.argv.includes('--watch')
const named = process.argv.slice(2).filter((argument) => argument !== '--watch')

// Debian's packages that tests need, and how to see that one is there. Those of servers are installed in CI alone: Debian starts them.
const needed = [
  { name: 'chromium', isThere: () => existsSync('/usr/bin/chromium') },
  { name: 'python3-websockets', isThere: () => spawnSync('/usr/bin/python3', ['-c', 'import websockets']).status === 0 },
  ...(process.env.CI === undefined
    ? []
    : [
        { name: 'nginx', isThere: () => existsSync('/usr/sbin/nginx') },
        { name: 'haproxy', isThere: () => existsSync('/usr/sbin/haproxy') },
        { name: 'apache2', isThere: () => existsSync('/usr/sbin/apache2') },
        { name: 'caddy', isThere: () => existsSync('/usr/bin/caddy') }
      ])
]

// What is missing makes its tests be skipped with a reason, or fail where the environment sets CI.
function installMissing () {
  const missing = needed.filter(({ isThere }) => !isThere()).map(({ name }) => name)
  if (missing.length === 0 || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return
  process.stdout.write(`Installing what the tests need: ${missing.join(' ')}\n`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  spawnSync('apt-get', ['update', '-q'], { stdio: 'ignore', env })
  spawnSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...missing], { stdio: ['ignore', 'ignore', 'inherit'], env })
}

const tap = createRequire(import.meta.url).resolve('tap/package.json')
const bin = join(tap, '..', JSON.parse(readFileSync(tap, 'utf8')).bin.tap)

// tap is built with the plugins of .taprc once for each installation; without that, a first run would have other plugins than the next.
function buildTap () {
  const mark = join('node_modules', '.tap-built')
  const wanted = readFileSync('.taprc', 'utf8')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return
  spawnSync(process.execPath, [bin, 'build'], { stdio: 'ignore' })
  writeFileSync(mark, wanted)
}

// How long each file took the last time: the longest begin first, so that no core waits for one of them at the end.
const durationsFile = join('.tap', 'durations.json')
const durations = existsSync(durationsFile) ? JSON.parse(readFileSync(durationsFile, 'utf8')) : {}
const byDuration = (files) => [...files].sort((a, b) => (durations[b] ?? Infinity) - (durations[a] ?? Infinity) || a.localeCompare(b))

const total = { passed: 0, failed: 0, skipped: 0 }

/** Runs test files, each in a process of its own; returns whether all is well. */
async function run (files, args = [], env = {}) {
  const { parser, results } = createResults((name, ok, time) => {
    const file = name.replace(/^\.build\//, '').replace(/\.js$/, '.ts')
    durations[file] = time
    process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${file} (${(time / 1000).toFixed(1)} s)\n`)
  })
  const child = spawn(process.execPath, [bin, '--reporter=tap', ...args, ...byDuration(files).map(compiledOf)], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } })
  child.stdout.pipe(parser)
  const [[status]] = await Promise.all([once(child, 'close'), once(parser, 'complete')])
  for (const failure of results.failures) process.stdout.write(`\nFAILED ${failure}\n`)
  for (const skip of results.skips) process.stdout.write(`skipped: ${skip}\n`)
  process.stdout.write(results.notes.join(''))
  for (const name of Object.keys(total)) total[name] += results[name]
  if (status !== 0 && results.failed === 0) {
    process.stdout.write(results.passed === 0 ? 'No test has run\n' : 'Every test passed, but the coverage is below 100 %\n')
  }
  mkdirSync('.tap', { recursive: true })
  writeFileSync(durationsFile, JSON.stringify(durations))
  if (status !== 0) process.exitCode = 1
}

const report = () => {
  const { passed, failed, skipped } = total
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
}

async function runNamed (files) {
  await compile()
  buildIfStale(files)
  for (const name of Object.keys(total)) total[name] = 0
  await run(files, ['--disable-coverage'])
  report()
}

async function runAll () {
  installMissing()
  const witnesses = join('.tap', 'witness')
  rmSync(witnesses, { recursive: true, force: true })
  await compile()
  const all = testFiles()
  buildIfStale(all)
  await run(all, process.env.COVERAGE === 'false' ? ['--disable-coverage'] : [])
  process.stdout.write('Once more, without the fast path: the tests that read or write sockets\n')
  await run(all.filter(speaks), ['--disable-coverage'], { FAST_PATH: 'false' })
  // The last test: what all the others have logged holds no token, no ticket and no payload.
  const leaks = leaksOf(witnesses)
  for (const leak of leaks) process.stdout.write(`A log has what must be in none: ${leak}\n`)
  total[leaks.length === 0 ? 'passed' : 'failed']++
  if (leaks.length > 0) process.exitCode = 1
  report()
}

// Whether a test reads or writes messages by an app of createApp, which takes the path from the environment. Those that choose the path
// themselves have had both.
function speaks (file) {
  const code = readFileSync(file, 'utf8')
  return /support\/(server|faults)\.js/.test(code) && /\bonMessage\b|\bon: \{|\.(send|broadcast)\(|\bframe\(/.test(code) &&
    !/\bfastPath: true\b|\[fastPath\b/.test(code) && !/^test\/(examples|operate|client)\//.test(file)
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

buildTap()
if (isWatching) await runOnChange()
else if (named.length > 0) await runNamed(named)
else await runAll()
