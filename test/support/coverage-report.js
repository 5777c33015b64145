import { readFileSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { Report } from 'c8'

const compiled = join('.build', 'src')

// A module of types alone is empty when it is compiled, and nothing loads it.
const hasCode = (file) => readFileSync(file, 'utf8').replace(/^\/\/.*$/gm, '').trim() !== ''

/**
 * Writes what the tests have not covered of src/, or of what they have loaded; returns whether that
 * is nothing.
 */
export async function reportCoverage ({ isAll }) {
  const report = new Report({
    reporter: ['text'],
    reportsDirectory: join('.tap', 'report'),
    tempDirectory: join('.tap', 'coverage'),
    exclude: [],
    skipFull: true
  })
  const map = await report.getCoverageMapFromAllCoverageFiles()
  const covered = new Set(map.files())
  const modules = readdirSync(compiled, { recursive: true }).filter((name) => isAll &&
    name.endsWith('.js') && hasCode(join(compiled, name)))
  const missing = modules.map((name) => join('src', name.replace(/\.js$/, '.ts'))).filter(
    (file) => !covered.has(resolve(file))
  )
  for (const file of missing) process.stdout.write(`No test loads ${file}\n`)
  const summary = map.getCoverageSummary()
  const isFull = ['lines', 'branches', 'functions', 'statements'].every(
    (name) => summary[name].pct === 100
  )
  if (!isFull) await report.run()
  return isFull && missing.length === 0
}
