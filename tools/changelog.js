// The changelog in a release. `node tools/changelog.js date` gives the version of package.json its
// date, as `npm version` does. `node tools/changelog.js notes v1.2.3` prints the entries of that
// version, and fails if it is not the one to be released.
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'

const [command, tag] = process.argv.slice(2)
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
const changelog = readFileSync('CHANGELOG.md', 'utf8')

function date () {
  const heading = `\n## [${version}] - unreleased\n`
  if (!changelog.includes(heading)) {
    fail(`CHANGELOG.md has no heading '${heading.trim()}' with the entries of the release under it`)
  }
  const today = new Date().toISOString().slice(0, 10)
  writeFileSync('CHANGELOG.md', changelog.replace(heading, heading.replace('unreleased', today)))
}

function notes () {
  if (tag !== `v${version}`) fail(`The tag ${tag} is not v${version}, the version in package.json`)
  const sections = changelog.split(/^## /m)
  const section = sections.find((text) => text.startsWith(`[${version}] - `)) ?? ''
  if (!/^\S+ - \d{4}-\d\d-\d\d\n/.test(section)) {
    fail(`CHANGELOG.md has no date for ${version}: make the tag with npm version`)
  }
  process.stdout.write(section.slice(section.indexOf('\n')).trim() + '\n')
}

function fail (message) {
  process.stderr.write(message + '\n')
  process.exit(1)
}

if (command === 'date') date()
else notes()
