// Reads the TAP of a run. It counts tests, not assertions: a test is a subtest that has none in itself.
import { inspect } from 'node:util'
import { Parser } from 'tap-parser'

// What a failure has to say, without the command lines and settings that TAP has beside it.
function describe (diag) {
  const { diff, cause, stack, source, at, ...rest } = diag ?? {}
  const place = at?.fileName === undefined ? '' : `  at ${at.fileName}:${at.lineNumber}\n`
  const said = diff ?? cause?.message ?? inspect(rest, { depth: 8, breakLength: 140 })
  return `${place}${said}\n${stack ?? cause?.stack ?? ''}`
}

/**
 * Makes a parser that TAP is written to.
 *
 * @param onFile is called with the name, the outcome and the milliseconds of each test file that has ended
 */
export function createResults (onFile) {
  const results = { passed: 0, failed: 0, skipped: 0, skips: [], failures: [], notes: [] }

  const visit = (parser, path) => {
    let failedBefore = results.failed
    let hasSubtests = false
    // Subtests with a failure in them, which is told by itself.
    const failed = new Set()
    parser.on('child', (child) => {
      hasSubtests = true
      visit(child, [...path, child.name])
      child.on('assert', ({ ok, skip, todo }) => { if (!ok && !skip && !todo) failed.add(child.name) })
    })
    parser.on('assert', ({ ok, name, skip, todo, diag, time }) => {
      const title = [...path, name].join(' > ')
      if (skip) {
        results.skipped++
        results.skips.push(skip === true ? title : `${title}: ${skip}`)
      } else if (!ok && !todo && !failed.has(name)) {
        results.failures.push(`${title}\n${describe(diag)}`)
      }
      if (path.length > 0) return
      // A file may fail beside its tests: it ends before any, or by its exit code or a time-out.
      if (!ok && results.failed === failedBefore) results.failed++
      failedBefore = results.failed
      onFile(name, ok, time)
    })
    parser.on('complete', ({ ok }) => {
      if (path.length === 0 || hasSubtests) return
      results[ok ? 'passed' : 'failed']++
    })
  }

  const parser = new Parser()
  visit(parser, [])
  // The table of the coverage.
  parser.on('extra', (line) => { results.notes.push(line) })
  return { parser, results }
}
