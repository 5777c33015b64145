import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { targets, type Target, type TargetName } from './targets.js'

const root = fileURLToPath(new URL('..', import.meta.url))

function npm (...args: string[]): void {
  const { status } = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed`)
}

/**
 * Installs the peers if they are not, and builds the plugin: what is measured is what would be
 * published.
 */
export function prepare (): void {
  if (!existsSync(new URL('node_modules', import.meta.url))) npm('ci', '--prefix', 'bench')
  npm('run', 'build')
}

/** Whether what is built has what the target is about. */
export function isThere (target: TargetName): boolean {
  const { needs }: Target = targets[target]
  if (needs === undefined) return true
  const built = new URL('../dist/', import.meta.url)
  const files = readdirSync(built, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.js')
  )
  return files.some((file) => readFileSync(new URL(file, built), 'utf8').includes(needs))
}
