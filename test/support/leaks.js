// Compares what the apps of the tests have logged with what must be in no log; witness.ts has
// written both.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

// The parts of a JSON Web Token are JSON objects: each begins with '{"'.
const TOKEN = /eyJ[\w-]{8,}\.eyJ[\w-]+/

/** The log lines that have a token, or what the test of the same process has remembered. */
export function leaksOf (directory) {
  if (!existsSync(directory)) return []
  const read = (name) => existsSync(join(directory, name))
    ? readFileSync(join(directory, name), 'utf8').split('\n').filter((line) => line !== '')
    : []
  return readdirSync(directory).filter((name) => name.endsWith('.log')).flatMap((name) => {
    const secrets = read(name.replace(/log$/, 'secrets')).map((line) => JSON.parse(line)).flatMap(
      (secret) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]
    )
    return read(name).filter((line) => TOKEN.test(line) ||
      secrets.some((secret) => line.includes(secret)))
  })
}
