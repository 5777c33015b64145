import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { witness } from './witness.js'

/** Makes tsx resolve `fastify-socket-route` as users have it, to what was built, and not by the `paths` of the type check. */
export const asPackage = { TSX_TSCONFIG_PATH: 'tsconfig.build.json' }

const root = resolve(import.meta.dirname, '../..')

/** Starts an example as its first line says, on a free port, and answers its address; it is stopped when the test ends. */
export async function startExample (t: Test, name: string, env: Record<string, string> = {}): Promise<string> {
  const child = spawn(resolve(root, 'node_modules/.bin/tsx'), [`examples/${name}/server.ts`], {
    cwd: root,
    env: { ...process.env, ...asPackage, ...env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill()
    await exited
  })
  return await new Promise((resolve, reject) => {
    const lines: string[] = []
    // Read to the end, so that the server never waits for its output to be taken.
    createInterface(child.stdout).on('line', (line) => {
      lines.push(line)
      witness(`${line}\n`)
      const address = /Server listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(line)
      if (address !== null) resolve(`http://127.0.0.1:${address[1]}`)
    })
    exited.then(([code]) => { reject(new Error(`The example ended with ${String(code)}: ${lines.join('\n')}`)) }, reject)
  })
}
