// Runs test files with Node, each in a process of its own, several at a time.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { compiledOf } from './compile.js'
import { original } from './original.js'
import { createResults } from './results.js'

// Seconds after which the tests of a file have taken too long, unless it sets another time. Most
// take two, and a hundred times as long where other processes have all but a little of the
// processor.
const TIMEOUT = '600'

// Milliseconds after which a process that does not even say that is ended. tap then tells what is
// still open.
const LIMIT = 1_000_000

// While one waits for a socket or a browser, others have work.
const JOBS = availableParallelism() + 1

/**
 * Runs test files, in their order.
 *
 * @param runs of each file, whether its coverage is kept, its name in what is told, and its
 * environment
 * @param onEnd is called with each run that has ended, its results, and the milliseconds it took
 */
export async function runFiles (runs, onEnd) {
  const waiting = [...runs]
  const work = async () => {
    for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) {
      const start = performance.now()
      const results = await runFile(run)
      await onEnd(run, results, performance.now() - start)
    }
  }
  await Promise.all(Array.from({ length: JOBS }, work))
}

async function runFile ({ file, name, isCovered, env }) {
  const { parser, results } = createResults(name)
  const hook = isCovered ? [`--import=${join(import.meta.dirname, 'coverage.js')}`] : []
  const child = spawn(process.execPath, [...hook, compiledOf(file)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TAP_TIMEOUT: TIMEOUT, ...env }
  })
  const timers = [['SIGALRM', LIMIT], ['SIGKILL', LIMIT + 10_000]].map(
    ([signal, time]) => setTimeout(() => { child.kill(signal) }, time)
  )
  createInterface(child.stderr).on('line', (line) => {
    process.stderr.write(`${original(line)}\n`)
  })
  child.stdout.pipe(parser)
  const [[code, signal], [{ ok, count }]] = await Promise.all([
    once(child, 'exit'),
    once(parser, 'complete')
  ])
  for (const timer of timers) clearTimeout(timer)
  // A file may fail beside its tests: it has none, or ends before them.
  if (results.failed === 0 && (!ok || code !== 0 || count === 0)) {
    results.failed = 1
    results.failures.push(
      `${name}\n${count === 0 ? 'no test has run, and ' : ''}the process ended with ${signal ?? code}\n`
    )
  }
  return results
}
