import type { EchoWork } from '../jobs.js'
import type { Client } from './client.js'
import { openCrowd } from './crowd.js'
import { deadline } from './deadline.js'
import { dialects } from './dialect.js'
import { clientFrame, serverFrameSize } from './frame.js'
import type { Order, Outcome } from './order.js'
import { contractRequest, request, text } from './payload.js'
import { time } from './phase.js'

const SAMPLE = 8

/** The requests and the expected replies, by number. All are of one size. */
function exchange (order: Order, {
  path,
  size,
  isJson,
  isContract
}: EchoWork): (number: number) => {
    question: string
    answer: string
  } {
  if (isJson === true) return request
  if (isContract === true) return contractRequest
  const { wrap } = dialects[order.dialect]
  return (number) => {
    const question = wrap(path, text(size, number))
    return { question, answer: question }
  }
}

/**
 * Some clients ask different things, several at a time: each answer has to be right, and in its
 * place.
 */
async function check (clients: Client[], inFlight: number, ask: (number: number) => {
  question: string
  answer: string
}): Promise<void> {
  const rounds = Math.ceil(16 / inFlight)
  await Promise.all(clients.map(async (client, index) => {
    for (let round = 0; round < rounds; round++) {
      const exchanges = Array.from({ length: inFlight }, (_, at) => ask(
        index * 1000 + round * inFlight + at
      ))
      await deadline('answers', new Promise<void>((resolve) => {
        let next = 0
        client.onFrame = ({ opcode, payload }) => {
          const expected = exchanges[next++]?.answer
          if (opcode !== 1 || payload.toString() !== expected) {
            throw new Error(
              `The server answered ${payload.toString().slice(0, 100)} instead of ${expected?.slice(0, 100)}`
            )
          }
          if (next === inFlight) resolve()
        }
        client.socket.write(Buffer.concat(exchanges.map(({ question }) => clientFrame(Buffer.from(
          question
        )))))
      }))
    }
  }))
}

/**
 * Each client always has so many messages under way: for each answer the next is sent, and for
 * several at once with one write.
 */
export async function echo (order: Order, work: EchoWork): Promise<Outcome> {
  const { path, connections, inFlight } = work
  const clients = await openCrowd(order, path, connections)
  const ask = exchange(order, work)
  if (order.isChecked) await check(clients.slice(0, SAMPLE), inFlight, ask)

  const frames = Array.from({ length: inFlight }, (_, number) => clientFrame(Buffer.from(
    ask(number).question
  )))
  const prepared = Buffer.concat(frames)
  const { length } = frames[0]!
  const shape = { first: 0x81, size: serverFrameSize(Buffer.byteLength(ask(0).answer)) }
  let answered = 0
  let underWay = 0
  let isOver = false
  let done = (): void => {}
  const send = (client: Client, count: number): void => {
    underWay += count
    client.socket.write(count === inFlight ? prepared : prepared.subarray(0, count * length))
  }
  for (const client of clients) {
    client.count(shape)
    client.onCount = (count) => {
      answered += count
      underWay -= count
      if (underWay < 0) throw new Error('The server sent more answers than it was asked for')
      if (!isOver) send(client, count)
      else if (underWay === 0) done()
    }
    send(client, inFlight)
  }
  const outcome = await time(order, () => answered)
  isOver = true
  if (underWay > 0) await deadline('answers', new Promise<void>((resolve) => { done = resolve }))
  for (const client of clients) client.count(undefined)
  // Once more, now that the server has been under load.
  if (order.isChecked) await check(clients.slice(0, SAMPLE), inFlight, ask)
  for (const client of clients) client.cut()
  return outcome
}
