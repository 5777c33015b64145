// Checks types and runs tests with other versions of the packages that the plugin works with, in a
// copy of the repository: `npm run test:versions -- oldest`, `newest` or `next`, and the names of
// test files, if not all are to be run.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import process from 'node:process'

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'))
const { dependencies, peerDependencies } = readJson('package.json')
const ranges = { ...dependencies, ...peerDependencies }
const names = ['fastify', '@fastify/websocket', '@fastify/jwt', 'ws']

function fastifyVersions () {
  return JSON.parse(execFileSync('npm', ['view', 'fastify', 'versions', '--json']).toString())
}

const versionsOf = {
  // The first version that a range names.
  oldest: () => names.map((name) => `${name}@${/\d+\.\d+\.\d+/.exec(ranges[name])[0]}`),
  newest: () => names.map((name) => `${name}@${ranges[name]}`),
  // The highest version of all, pre-releases too: the tag `next` is not always there.
  next: () => [`fastify@${fastifyVersions().at(-1)}`]
}

const [which, ...files] = process.argv.slice(2)
if (!Object.hasOwn(versionsOf, which ?? '')) {
  process.stderr.write(`Name one of ${Object.keys(versionsOf).join(', ')}\n`)
  process.exit(2)
}

const copy = resolve('.tap', 'versions', which)
const quiet = { npm_config_audit: 'false', npm_config_fund: 'false' }
function run (command, args, more = {}) {
  const env = { ...process.env, ...quiet, ...more }
  return spawnSync(command, args, { cwd: copy, stdio: 'inherit', env }).status === 0
}

rmSync(copy, { recursive: true, force: true })
mkdirSync(copy, { recursive: true })
const made = ['node_modules', '.git', '.tap', '.build', 'dist']
for (const name of readdirSync('.').filter((name) => !made.includes(name))) {
  const filter = (path) => basename(path) !== 'node_modules'
  cpSync(name, join(copy, name), { recursive: true, filter })
}

const versions = versionsOf[which]()
process.stdout.write(`${versions.join(', ')}\n`)
const isInstalled = run('npm', ['ci']) &&
  // Has the parser of AsyncAPI, which a test needs.
  (files.length > 0 || run('npm', ['ci', '--prefix', 'tools'])) &&
  run('npm', ['install', '--no-save', '--force', ...versions])
if (!isInstalled) process.exit(1)
for (const name of names) {
  const { version } = readJson(join(copy, 'node_modules', name, 'package.json'))
  process.stdout.write(`${name} ${version}\n`)
}

// Plugins name the versions of Fastify that they support. To show more than that, the next version
// has to pass for one of them.
if (which === 'next') {
  const file = join(copy, 'node_modules/fastify/fastify.js')
  const code = readFileSync(file, 'utf8')
  writeFileSync(file, code.replace(/^const VERSION = '.*'$/m, "const VERSION = '5.999.0'"))
}

// Tests and examples use more of Fastify than the oldest version has; the sources do not.
const compilers = ['typescript', 'typescript-7'].map((name) => `node_modules/${name}/bin/tsc`)
const isTyped = which === 'oldest'
  ? compilers.every((tsc) => run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--noEmit']))
  : run('npm', ['run', 'types'])
const isTested = run(process.execPath, ['test/support/run.js', ...files], { COVERAGE: 'false' })
process.exitCode = isTyped && isTested ? 0 : 1
