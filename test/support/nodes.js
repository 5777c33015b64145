// Runs every test on other versions of Node: `npm run test:nodes`, or `npm run test:nodes -- 24`.
// Their binaries come from npm.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'

const given = process.argv.slice(2)
const versions = given.length > 0 ? given : ['22', '24', '26']

// The package that the package `node` installs for this platform.
const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`

/** The binary of a version; it is installed once. */
function install (version) {
  const folder = resolve('.tap', 'nodes', version)
  const binary = join(folder, 'node_modules', name, 'bin', 'node')
  if (!existsSync(binary)) {
    spawnSync(
      'npm',
      ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', `${name}@${version}`],
      { stdio: 'inherit' }
    )
  }
  return binary
}

for (const version of versions) {
  const binary = install(version)
  process.stdout.write(`Node ${spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout}`)
  // Code for other versions counts as uncovered, so coverage is measured by `npm test` only.
  const { status } = spawnSync(binary, ['test/support/run.js'], {
    stdio: 'inherit',
    env: { ...process.env, COVERAGE: 'false' }
  })
  if (status !== 0) process.exitCode = 1
}
