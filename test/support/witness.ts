// Keeps the logs of the tests' apps, and the values that must be in no log: run.js compares them
// when all tests have run.
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyServerOptions } from 'fastify'

const directory = join('.tap', 'witness')
mkdirSync(directory, { recursive: true })
const seen = new Set<string>()

/** Remembers a token, a ticket or a payload. What is short may stand in a log by chance. */
export function mustNotBeLogged (secret: string): void {
  if (secret.length < 16 || secret.length > 10_000 || seen.has(secret)) return
  seen.add(secret)
  appendFileSync(join(directory, `${process.pid}.secrets`), `${JSON.stringify(secret)}\n`)
}

/** Keeps what was logged. */
export function witness (text: string): void {
  appendFileSync(join(directory, `${process.pid}.log`), text)
}

type Logger = FastifyServerOptions['logger']

/** Returns the logger of an app: all levels, unless the test has set one. */
export function witnessed (logger: Logger): NonNullable<Logger> {
  const own = typeof logger === 'object' ? logger : {}
  const stream = 'stream' in own ? own.stream as { write (line: string): void } : undefined
  return {
    level: 'trace',
    ...own,
    stream: {
      write (line: string) {
        witness(line)
        stream?.write(line)
      }
    }
  } as NonNullable<FastifyServerOptions['logger']>
}
