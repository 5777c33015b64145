// Runs a tool of this folder on the repository: `node tools/run.js eslint .` It installs the tools if they are not there.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'

const [name, ...args] = process.argv.slice(2)
const modules = join(import.meta.dirname, 'node_modules')
if (!existsSync(modules)) spawnSync('npm', ['ci', '--prefix', import.meta.dirname], { stdio: 'inherit' })
process.exitCode = spawnSync(join(modules, '.bin', name), args, { stdio: 'inherit' }).status ?? 1
