import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

/** Whether server and generator can each have a core of their own. */
export const isPinned = availableParallelism() > 1 &&
  spawnSync('taskset', ['-c', '0,1', 'true']).status === 0

/** A process of the benchmark, which has failed if it ends before it is stopped. */
export class Child {
  readonly #process: ChildProcess
  readonly #failed: Promise<never>
  #isStopped = false

  constructor (file: string, core: number, flags: string[], args: string[] = []) {
    const command = [
      ...(isPinned ? ['taskset', '-c', String(core)] : []),
      process.execPath,
      ...flags,
      fileURLToPath(new URL(file, import.meta.url)),
      ...args
    ]
    this.#process = spawn(command[0]!, command.slice(1), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // No target uses the addons of ws, installed or not.
      env: {
        ...process.env,
        NODE_ENV: 'production',
        WS_NO_BUFFER_UTIL: '1',
        WS_NO_UTF_8_VALIDATE: '1'
      }
    })
    this.#failed = once(this.#process, 'exit').then(([code, signal]) => {
      throw new Error(`${file} ended by itself with ${String(signal ?? code)}`)
    })
    this.#failed.catch(() => {})
  }

  /** Its next message. */
  async next<Message> (): Promise<Message> {
    return (await Promise.race([once(this.#process, 'message'), this.#failed]))[0] as Message
  }

  tell (message: object | string): void {
    this.#process.send(message)
  }

  async ask<Answer> (message: object | string): Promise<Answer> {
    const answer = this.next<Answer>()
    this.tell(message)
    return await answer
  }

  /** Lets it end by itself, as a server does when it is left alone. */
  async end (): Promise<void> {
    this.#isStopped = true
    const ended = once(this.#process, 'exit')
    this.#process.disconnect()
    await ended
  }

  async stop (): Promise<void> {
    if (this.#isStopped || this.#process.exitCode !== null) return
    this.#isStopped = true
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }
}
