// Checks types and runs tests with other versions of the packages that the plugin works with, in a copy of the repository:
// `npm run test:versions -- oldest`, `newest` or `next`, and the names of test files, if not all are to be run.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import process from 'node:process'

const { dependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const ranges = { ...dependencies, ...peerDependencies }
const names = ['fastify', '@fastify/websocket', '@fastify/jwt', 'ws']

const versionsOf = {
  // The first that a range names.
  oldest: () => names.map((name) => `${name}@${/\d+\.\d+\.\d+/.exec(ranges[name])[0]}`),
  newest: () => names.map((name) => `${name}@${ranges[name]}`),
  // The last of all that were published, pre-releases too.
  next: () => [`fastify@${JSON.parse(execFileSync('npm', ['view', 'fastify', 'versions', '--json'], { encoding: 'utf8' })).at(-1)}`]
}

const [which, ...files] = process.argv.slice(2)
if (!Object.hasOwn(versionsOf, which ?? '')) {
  process.stderr.write(`Name one of ${Object.keys(versionsOf).join(', ')}\n`)
  process.exit(2)
}

const copy = resolve('.tap', 'versions', which)
const env = { ...process.env, npm_config_audit: 'false', npm_config_fund: 'false' }
const run = (command, args, more = {}) => spawnSync(command, args, { cwd: copy, stdio: 'inherit', env: { ...env, ...more } }).status === 0

rmSync(copy, { recursive: true, force: true })
mkdirSync(copy, { recursive: true })
const made = ['node_modules', '.git', '.tap', '.build', 'dist']
for (const name of readdirSync('.').filter((name) => !made.includes(name))) {
  cpSync(name, join(copy, name), { recursive: true, filter: (path) => basename(path) !== 'node_modules' })
}

const versions = versionsOf[which]()
process.stdout.write(`${versions.join(', ')}\n`)
const isInstalled = run('npm', ['ci']) &&
  // Has the parser of AsyncAPI, which a test needs.
  (files.length > 0 || run('npm', ['ci', '--prefix', 'tools'])) &&
  run('npm', ['install', '--no-save', '--force', ...versions])
const read = (name) => readFileSync(join(copy, 'node_modules', name), 'utf8')
for (const name of names) process.stdout.write(`${name} ${JSON.parse(read(`${name}/package.json`)).version}\n`)

// Plugins name the versions of Fastify that they were made for. To see what the next one breaks, it has to pass for one of them.
if (which === 'next') {
  const code = read('fastify/fastify.js').replace(/^const VERSION = '.*'$/m, "const VERSION = '5.999.0'")
  writeFileSync(join(copy, 'node_modules/fastify/fastify.js'), code)
}

// Tests and examples use more of Fastify than the oldest has; the sources do not.
const isTyped = isInstalled && (which === 'oldest'
  ? ['typescript', 'typescript-7'].every((compiler) => run(process.execPath, [`node_modules/${compiler}/bin/tsc`, '-p', 'tsconfig.build.json', '--noEmit']))
  : run('npm', ['run', 'types']))
const isTested = isInstalled && run(process.execPath, ['test/support/run.js', ...files], { COVERAGE: 'false' })
process.exitCode = isTyped && isTested ? 0 : 1
