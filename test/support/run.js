// Runs every test: looks for what they need beyond npm, installs it where that may be done, and closes with one readable line.
// What is missing makes its tests be skipped with a reason, or fail where the environment sets CI.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { leaksOf } from './leaks.js'

const needed = [
  { name: 'chromium', isThere: () => existsSync('/usr/bin/chromium') },
  { name: 'python3-websockets', isThere: () => spawnSync('/usr/bin/python3', ['-c', 'import websockets']).status === 0 }
]

const missing = needed.filter(({ isThere }) => !isThere()).map(({ name }) => name)
if (missing.length > 0 && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
  process.stdout.write(`Installing what the tests need: ${missing.join(' ')}\n`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  spawnSync('apt-get', ['update', '-q'], { stdio: 'ignore', env })
  spawnSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...missing], { stdio: ['ignore', 'ignore', 'inherit'], env })
}

const witnesses = join('.tap', 'witness')
rmSync(witnesses, { recursive: true, force: true })

// tap writes its summary at the end of the TAP it puts there.
const output = join('.tap', 'results.tap')
const tap = createRequire(import.meta.url).resolve('tap/package.json')
const { tap: bin } = JSON.parse(readFileSync(tap, 'utf8')).bin
const total = { pass: 0, fail: 0, skip: 0 }
const runTap = (args, options) => spawnSync(process.execPath, [join(tap, '..', bin), ...args], options)

// What .taprc says of plugins would hold from the second run after an installation on only.
runTap(['build'], { stdio: 'ignore' })

function run (args, env = {}) {
  rmSync(output, { force: true })
  const { status } = runTap(['--reporter', 'terse', '--output-file', output, ...args], { stdio: 'inherit', env: { ...process.env, ...env } })
  const results = existsSync(output) ? readFileSync(output, 'utf8') : ''
  // The reporter draws failures on a terminal only; a log shall name them too.
  if (status !== 0 && !process.stdout.isTTY) {
    const failed = /^# Subtest: .*$|^ *not ok .*\n(?: +---\n[^]*?\n +\.\.\.\n)?/gm
    const lines = [...results.matchAll(failed)].map(([line]) => line)
    process.stdout.write(lines.filter((line, at) => !line.startsWith('#') || lines[at + 1]?.startsWith('#') === false).join('\n') + '\n')
  }
  const last = [...results.matchAll(/^# \{ total: \d+.*\}$/gm)].at(-1)?.[0]
  const count = (name) => Number(new RegExp(`${name}: (\\d+)`).exec(last ?? '')?.[1] ?? 0)
  if (last === undefined) process.stdout.write('No test has run\n')
  else if (status !== 0 && count('fail') === 0) process.stdout.write('Every test passed, but the coverage is below 100 %\n')
  for (const name of Object.keys(total)) total[name] += count(name)
  process.exitCode ||= status ?? 1
}

const given = process.argv.slice(2)
run(given)
if (given.length === 0) {
  process.stdout.write('Once more, without the fast path\n')
  // All that speaks to a server.
  const folders = ['connection', 'controller', 'examples', 'faults', 'flow', 'room', 'upgrade'].filter((name) => existsSync(join('test', name)))
  const files = folders.flatMap((name) => readdirSync(join('test', name)).filter((file) => file.endsWith('.test.ts')).map((file) => join('test', name, file)))
  run(['--disable-coverage', ...files], { FAST_PATH: 'false' })
}

// The last test: what all the others have logged holds no token, no ticket and no payload.
const leaks = leaksOf(witnesses)
for (const leak of leaks) process.stdout.write(`A log has what must be in none: ${leak}\n`)
total[leaks.length === 0 ? 'pass' : 'fail']++
process.stdout.write(`${total.pass} passed, ${total.fail} failed${total.skip > 0 ? `, ${total.skip} skipped` : ''}\n`)
if (leaks.length > 0) process.exitCode = 1
