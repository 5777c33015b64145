import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { witness } from './witness.js'

/**
 * Makes tsx resolve `fastify-socket-route` as users have it, to what was built, and not by the
 * `paths` of the type check.
 */
export const asPackage = { TSX_TSCONFIG_PATH: 'tsconfig.build.json' }

/** An example that runs in a process of its own. */
export interface Example {
  readonly url: string
  /**
   * Stops it as a supervisor does, or as Ctrl+C with SIGINT, and answers its exit code; `null` if
   * the signal killed it.
   */
  stop (signal?: 'SIGTERM' | 'SIGINT'): Promise<null | number>
}

/**
 * Starts an example, compiled as its first line has tsx do, on a free port; it is stopped when the
 * test ends.
 */
export async function startExample (
  t: Test,
  name: string,
  env: Record<string, string> = {}
): Promise<Example> {
  const child = spawn(process.execPath, [`.build/examples/${name}/server.js`], {
    env: { ...process.env, ...env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const exited = once(child, 'exit') as Promise<[null | number]>
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<null | number> => {
    child.kill(signal)
    return (await exited)[0]
  }
  t.teardown(async () => { await stop() })
  const url = await new Promise<string>((resolve, reject) => {
    const lines: string[] = []
    // Read to the end, so that the server never waits for its output to be taken.
    createInterface(child.stdout).on('line', (line) => {
      lines.push(line)
      // A demo may print tokens on purpose, for its user to copy.
      if (!line.startsWith('A token of')) witness(`${line}\n`)
      const address = /Server listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(line)
      if (address !== null) resolve(`http://127.0.0.1:${address[1]}`)
    })
    exited.then(
      ([code]) => {
        reject(new Error(`The example ended with ${String(code)}: ${lines.join('\n')}`))
      },
      reject
    )
  })
  return { url, stop }
}
