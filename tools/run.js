// Runs a tool of this folder on the repository: `node tools/run.js eslint .` It installs the tools
// if they are not there, or not in the versions of the lock file.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'

const [name, ...args] = process.argv.slice(2)
const folder = import.meta.dirname
const packagesOf = (file) => JSON.parse(readFileSync(join(folder, file), 'utf8')).packages

function areInstalled () {
  // Written by npm when it has installed.
  const written = 'node_modules/.package-lock.json'
  if (!existsSync(join(folder, written))) return false
  const installed = packagesOf(written)
  return Object.entries(packagesOf('package-lock.json')).every(([path, { version, optional }]) =>
    path === '' || optional || installed[path]?.version === version)
}

if (!areInstalled()) spawnSync('npm', ['ci', '--prefix', folder], { stdio: 'inherit' })
const command = join(folder, 'node_modules', '.bin', name)
process.exitCode = spawnSync(command, args, { stdio: 'inherit' }).status ?? 1
