// Reads the TAP of a test file. It counts tests, not assertions: a test is a subtest that has none
// in itself.
import { inspect } from 'node:util'
import { Parser } from 'tap-parser'
import { original } from './original.js'

// The text of a failure, without the command lines and settings that TAP adds.
function describe (diag) {
  const { diff, cause, stack, source, at, ...rest } = diag ?? {}
  const place = at?.fileName === undefined
    ? ''
    : `  at ${at.fileName}:${at.lineNumber}:${at.columnNumber}\n`
  const said = diff ?? cause?.message ?? inspect(rest, { depth: 8, breakLength: 140 })
  return original(`${place}${said}\n${stack ?? cause?.stack ?? ''}`)
}

/** Makes a parser that the TAP of a test file is written to, and what it counts. */
export function createResults (name) {
  const results = { passed: 0, failed: 0, skipped: 0, skips: [], failures: [] }

  const visit = (parser, path) => {
    let hasSubtests = false
    // Subtests with a failure in them, which is told by itself.
    const failed = new Set()
    parser.on('child', (child) => {
      hasSubtests = true
      visit(child, [...path, child.name])
      child.on('assert', ({ ok, skip, todo }) => {
        if (!ok && !skip && !todo) failed.add(child.name)
      })
    })
    parser.on('assert', ({ ok, name, skip, todo, diag }) => {
      const title = [...path, name].join(' > ')
      if (skip) {
        results.skipped++
        results.skips.push(skip === true ? title : `${title}: ${skip}`)
      } else if (!ok && !todo && !failed.has(name)) {
        results.failures.push(`${title}\n${describe(diag)}`)
      }
    })
    parser.on('complete', ({ ok }) => {
      if (!hasSubtests) results[ok ? 'passed' : 'failed']++
    })
  }

  const parser = new Parser()
  visit(parser, [name])
  return { parser, results }
}
