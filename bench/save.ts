import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { Results } from './results.js'

// More digits would say no more.
const rounded = (_key: string, value: unknown): unknown => typeof value === 'number' &&
  !Number.isInteger(value)
  ? Number(value.toPrecision(5))
  : value

/**
 * Writes results to a file. Those of other jobs that are there stay, if they are of the same
 * machine, versions and parameters; all are put in the order of `names`.
 */
export function save (file: string, results: Results, names: readonly string[]): void {
  const old = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) as Results : undefined
  const isSame = old !== undefined &&
    (['machine', 'versions', 'parameters'] as const).every((name) => isDeepStrictEqual(
      old[name],
      JSON.parse(JSON.stringify(results[name], rounded))
    ))
  const isNew = (name: string): boolean => results.findings.some((finding) => finding.name === name)
  const findings = [
    ...isSame ? old.findings.filter(({ name }) => !isNew(name)) : [],
    ...results.findings
  ]
  const order = (name: string): number => names.indexOf(name)
  findings.sort((a, b) => order(a.name) - order(b.name))
  // Each series of runs on one line.
  const text = JSON.stringify({ ...results, findings }, rounded, 2).replace(
    /"runs": \[[^]*?\n {10}\]/g,
    (runs) => runs.replace(/\s+/g, ' ')
  )
  writeFileSync(file, text + '\n')
}
