import type { HandshakeWork } from '../jobs.js'
import { openClient } from './crowd.js'
import type { Order, Outcome } from './order.js'
import { time } from './phase.js'
import { createToken } from './token.js'

const AT_A_TIME = 64
const USERS = 256

async function refused (order: Order, path: string, token: string, status: number): Promise<void> {
  const answer = await openClient(order, path, 0, { token }).then(
    () => 'let in',
    (error: unknown) => String(error)
  )
  if (!answer.includes(` ${status}`)) {
    throw new Error(`A token that has to be refused with ${status} is not: ${answer}`)
  }
}

/** Connections are opened as fast as they are answered, and then reset. */
export async function handshakes (order: Order, {
  path,
  isGuarded
}: HandshakeWork): Promise<Outcome> {
  if (isGuarded) {
    await refused(order, path, createToken('another secret, of 32 bytes or more', 1), 401)
    await refused(order, path, createToken(order.secret, 1, ['ROLE_GUEST']), 403)
  }
  // Made before: to sign them is not for the generator to do now.
  const tokens = Array.from({ length: USERS }, (_, user) => createToken(order.secret, user))
  let opened = 0
  let isOver = false
  const slots = Array.from({ length: AT_A_TIME }, async (_, slot) => {
    for (let turn = slot; ; turn += AT_A_TIME) {
      if (isOver) return
      const client = await openClient(order, path, 0, { token: tokens[turn % USERS] })
      opened++
      client.cut()
    }
  })
  const all = Promise.all(slots)
  const outcome = await Promise.race([
    time(order, () => opened),
    all.then(() => { throw new Error('No client connects any more') })
  ])
  isOver = true
  await all
  return outcome
}
