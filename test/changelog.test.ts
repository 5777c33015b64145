// How `npm version` and the release treat the changelog, in a folder of its own.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'

const changelog = `# Changelog

## [1.1.0] - unreleased

- New, once unreleased

## [1.0.0] - 2026-01-02

### Fixed

- Old
`

interface Result { status: null | number, output: string, changelog: string }

/** Makes a project of this version; returns a function that runs the program there. */
function createProject (t: Test, version: string): (...args: string[]) => Result {
  const cwd = mkdtempSync(join(tmpdir(), 'changelog-'))
  t.teardown(() => { rmSync(cwd, { recursive: true }) })
  writeFileSync(join(cwd, 'package.json'), JSON.stringify({ version }))
  writeFileSync(join(cwd, 'CHANGELOG.md'), changelog)
  const program = resolve('tools/changelog.js')
  return (...args) => {
    const options = { cwd, encoding: 'utf8' } as const
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], options)
    const written = readFileSync(join(cwd, 'CHANGELOG.md'), 'utf8')
    return { status, output: stdout + stderr, changelog: written }
  }
}

t.test('a version has no notes before it has a date, and its entries after that', async (t) => {
  const run = createProject(t, '1.1.0')
  t.match(run('notes', 'v1.1.0'), { status: 1, output: /no date for 1\.1\.0/ })
  const { status, changelog: dated } = run('date')
  t.equal(status, 0)
  t.match(dated, /^## \[1\.1\.0\] - \d{4}-\d\d-\d\d$/m)
  t.equal(dated.replace(/- \d{4}.*/, '- unreleased'), changelog)
  t.strictSame(run('notes', 'v1.1.0').output, '- New, once unreleased\n')
})

t.test('the notes of an older version are its entries alone', async (t) => {
  t.equal(createProject(t, '1.0.0')('notes', 'v1.0.0').output, '### Fixed\n\n- Old\n')
})

t.test('a version without entries, and a tag of another version, are refused', async (t) => {
  const missing = /no heading '## \[1\.2\.0\] - unreleased'/
  t.match(createProject(t, '1.2.0')('date'), { status: 1, output: missing, changelog })
  t.match(createProject(t, '1.0.0')('date'), { status: 1, changelog })
  const other = /The tag v1\.1\.0 is not v1\.0\.0/
  t.match(createProject(t, '1.0.0')('notes', 'v1.1.0'), { status: 1, output: other })
  const undated = /no date for 2\.0\.0/
  t.match(createProject(t, '2.0.0')('notes', 'v2.0.0'), { status: 1, output: undated })
})
