import { constants, inflateRawSync } from 'node:zlib'
import type { RoomWork } from '../jobs.js'
import type { Client, Shape } from './client.js'
import { openCrowd } from './crowd.js'
import { deadline } from './deadline.js'
import { dialects } from './dialect.js'
import { clientFrame, serverFrameSize, type Frame } from './frame.js'
import type { Order, Outcome } from './order.js'
import { json, text } from './payload.js'
import { time } from './phase.js'

// The messages go round, so that a compressing server meets different ones.
const MESSAGES = 8

function contentOf ({ isCompressed, payload }: Frame): string {
  // The end of the last block is not sent (RFC 7692 section 7.2.1).
  return (isCompressed
    ? inflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH })
    : payload).toString()
}

/**
 * Each message is sent, alone: every other member has to get it, and its sender not. Answers how
 * large its frame was.
 */
async function learn (
  clients: Client[],
  messages: string[],
  isCompressed: boolean
): Promise<Shape[]> {
  const shapes: Shape[] = []
  for (const [index, message] of messages.entries()) {
    const sender = clients[0]!
    const shape: Shape = { first: isCompressed ? 0xc1 : 0x81, size: 0 }
    let left = clients.length - 1
    await deadline('members', new Promise<void>((resolve) => {
      for (const client of clients) {
        let isDone = client === sender
        client.onFrame = (frame) => {
          if (isDone) throw new Error('A member got a message that was not for it')
          isDone = true
          if (frame.opcode !== 1 || frame.isCompressed !== isCompressed) {
            throw new Error('The server sent no text, or did not compress as was agreed')
          }
          // All of them once, then those that are among the first.
          if ((index === 0 || left < 8) && contentOf(frame) !== message) {
            throw new Error(
              `The server sent ${contentOf(frame).slice(0, 100)} instead of ${message.slice(0, 100)}`
            )
          }
          if (shape.size !== 0 && shape.size !== frame.size) {
            throw new Error('Members got the same message in different sizes')
          }
          shape.size = frame.size
          if (--left === 0) resolve()
        }
      }
      sender.send(message)
    }))
    shapes.push(shape)
  }
  return shapes
}

/**
 * Several members send at the same time: each of the others has to get all, those of one sender in
 * their order.
 */
async function check (
  clients: Client[],
  senders: Client[],
  wrap: (text: string) => string,
  size: number
): Promise<void> {
  const EACH = 3
  const numbers = new Map(senders.map((sender, index) => [
    sender,
    Array.from({ length: EACH }, (_, at) => index * EACH + at)
  ]))
  const expected = new Map([...numbers.values()].flat().map((number) => [
    wrap(text(size, number)),
    number
  ]))
  let left = senders.length * EACH * (clients.length - 1)
  await deadline('members', new Promise<void>((resolve) => {
    for (const client of clients) {
      const own = numbers.get(client)
      const last = senders.map(() => -1)
      client.onFrame = (frame) => {
        const number = expected.get(contentOf(frame))
        if (number === undefined || own?.includes(number) === true) {
          throw new Error('A member got a message that was not for it')
        }
        const sender = Math.floor(number / EACH)
        if (number !== Math.max(last[sender]! + 1, sender * EACH)) {
          throw new Error('A member got messages in a wrong order')
        }
        last[sender] = number
        if (--left === 0) resolve()
      }
    }
    for (const [sender, own] of numbers) {
      sender.socket.write(Buffer.concat(own.map((number) => clientFrame(Buffer.from(wrap(text(
        size,
        number
      )))))))
    }
  }))
}

/** A room in which messages go round, each to all other members. */
export interface Room {
  /** How many copies have come to their members. */
  readonly delivered: () => number
  /** Waits for the messages under way, and releases all members. */
  end (): Promise<void>
}

/**
 * Opens a room and has it busy: so many members send one message each, and when each copy has come
 * the next so many do.
 */
export async function openRoom (order: Order, {
  path,
  receivers,
  inFlight,
  senders,
  size,
  isCompressed = false
}: RoomWork): Promise<Room> {
  const clients = await openCrowd(order, path, receivers + 1, { isCompressed })
  const wrap = (message: string): string => dialects[order.dialect].wrap(path, message)
  const messages = Array.from({ length: isCompressed ? MESSAGES : 1 }, (_, number) => wrap(
    isCompressed ? json(size, number) : text(size, number)
  ))
  const turns = senders === 'one' ? 1 : clients.length
  const checkAll = async (): Promise<Shape[]> => {
    if (!order.isChecked) {
      return messages.map((message) => ({ first: 0x81, size: serverFrameSize(message.length) }))
    }
    if (turns > 1) await check(clients, clients.slice(0, Math.min(inFlight, 10)), wrap, size)
    return await learn(clients, messages, isCompressed)
  }
  const shapes = await checkAll()

  const frames = messages.map((message) => clientFrame(Buffer.from(message)))
  // Changed for each round, for all.
  const shape = { ...shapes[0]! }
  let delivered = 0
  let left = 0
  let round = 0
  let isOver = false
  let done = (): void => {}
  const next = (): void => {
    left = inFlight * (clients.length - 1)
    const message = round % messages.length
    Object.assign(shape, shapes[message])
    for (let sent = 0; sent < inFlight; sent++) {
      clients[(round * inFlight + sent) % turns]!.socket.write(frames[message]!)
    }
    round++
  }
  for (const client of clients) {
    client.count(shape)
    client.onCount = (count) => {
      delivered += count
      left -= count
      if (left < 0) throw new Error('More copies came than there are other members')
      if (left > 0) return
      if (isOver) done()
      else next()
    }
  }
  next()
  return {
    delivered: () => delivered,
    async end () {
      isOver = true
      await deadline('copies', new Promise<void>((resolve) => { done = resolve }))
      for (const client of clients) client.count(undefined)
      // Once more, now that the server has been under load.
      await checkAll()
      for (const client of clients) client.cut()
    }
  }
}

/** The messages that a busy room delivers each second. */
export async function room (order: Order, work: RoomWork): Promise<Outcome> {
  const { delivered, end } = await openRoom(order, work)
  const outcome = await time(order, delivered)
  await end()
  return outcome
}
