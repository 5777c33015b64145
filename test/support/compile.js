// Compiles sources, tests, examples and benchmarks to JavaScript with source maps, file by file.
// Node runs .build; stacks and coverage show the TypeScript.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { build } from 'esbuild'

/** The folder of the JavaScript, with the paths of the TypeScript. */
export const target = '.build'

// Files that compiled files look for beside themselves.
const links = ['dist', 'examples/chat/public']

const filesIn = (folder) => readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() &&
    !/(^|\/)node_modules(\/|$)/.test(entry.parentPath ?? entry.path))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))

/** Compiles everything. The programs in test/types are for the compilers of types alone. */
export async function compile () {
  rmSync(target, { recursive: true, force: true })
  const entryPoints = ['src', 'test', 'examples', 'bench', 'ui'].flatMap(filesIn)
    .filter((file) => /\.ts$/.test(file) && !/\.d\.ts$/.test(file) &&
      !file.startsWith('test/types/'))
  await build({
    entryPoints,
    outdir: target,
    outbase: '.',
    format: 'esm',
    platform: 'node',
    target: 'es2022',
    sourcemap: 'linked',
    logLevel: 'warning'
  })
  for (const link of links) {
    mkdirSync(dirname(join(target, link)), { recursive: true })
    symlinkSync(join(process.cwd(), link), join(target, link))
  }
}

/** Returns the path of the JavaScript of a file. */
export function compiledOf (file) {
  return join(target, file.replace(/\.ts$/, '.js'))
}

/** Every test file. */
export function testFiles () {
  return filesIn('test').filter((file) => file.endsWith('.test.ts'))
}

// Texts of a test that needs the built package: its name, a program, or the page of the console.
const NEEDS_PACKAGE = /'fastify-socket-route|\bdist\b|examples\/|support\/example\.js|(churn|stop)-server\.js|npm pack|operate\/ui|console-app/

/**
 * Builds the package if one of the tests needs it, and what was built is older than what it is
 * built from.
 */
export function buildIfStale (tests) {
  if (!tests.some((file) => NEEDS_PACKAGE.test(readFileSync(file, 'utf8')))) return
  const inputs = [
    ...filesIn('src'),
    ...filesIn('ui'),
    ...readdirSync('.').filter((name) => /^(package|tsconfig.*)\.json$/.test(name))
  ]
  const built = 'dist/operate/ui/page/licences.txt'
  if (existsSync(built) &&
    inputs.every((file) => statSync(file).mtimeMs < statSync(built).mtimeMs)) {
    return
  }
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}
