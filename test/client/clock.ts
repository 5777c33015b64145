import { mock } from 'node:test'
import { turns, until } from '../support/until.js'

/** Lets time pass: milliseconds. */
export type Tick = (milliseconds: number) => Promise<void>

/** Runs with timers and a clock that begins at 0 and stands still but for its ticks. */
export async function withClock (run: (tick: Tick) => Promise<void>): Promise<void> {
  // Connections of earlier tests would lose sight of the timers that they have set.
  await until(() => !process.getActiveResourcesInfo().includes('TCPSocketWrap'))
  mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  try {
    await run(async (milliseconds) => {
      mock.timers.tick(milliseconds)
      await turns(2)
    })
  } finally {
    mock.timers.reset()
  }
}

function encode (value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** Returns a token with these claims, which is never verified. */
export function tokenOf (claims: object): string {
  return `${encode({ alg: 'HS256' })}.${encode(claims)}.signature`
}
