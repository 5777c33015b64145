import type { WsConnection } from '../connection/connection.js'
import type { Frame } from '../message/frame.js'
import { Batch, type Channel } from './channel.js'
import { isLeftOut, type Except } from './except.js'

// Bytes for one receiver that may be gathered: what is more leaves at once.
const GATHERED = 65_536

// What all that is gathered may cost: a client may be able to send to many rooms in one turn, or to rooms that it makes for it.
const MOST = 4_194_304

// So many receivers are written to before others get their turn.
const SLICE = 256

/**
 * Sends to many. What is sent within a turn of the event loop is gathered, and at its end each receiver gets all of it with one
 * write; the receivers of a large audience are served in slices. Each gets all that it is sent, by whichever way, in the order of
 * sending.
 */
export class Broadcaster {
  readonly #everyone: Channel
  readonly #isGathering: boolean
  // What was sent in this turn, for whomever.
  #gathered: Batch[] = []
  // What that costs in memory, in bytes.
  #cost = 0
  // All that has not reached everyone yet, in the order of its first messages.
  readonly #live = new Set<Batch>()
  // Who is still to be served of what was gathered before.
  #receivers: undefined | Iterator<WsConnection>
  // All that these are to be served with, if it is all of one audience.
  #only: undefined | Batch
  // How many messages were sent, which is the number of the next. `served` of a connection is the number of the first that it may lack.
  #sent = 0
  #isScheduled = false

  /**
   * @param everyone all clients of the route.
   * @param isGathering whether to gather: otherwise everything leaves at once.
   */
  constructor (everyone: Channel, isGathering: boolean) {
    this.#everyone = everyone
    this.#isGathering = isGathering
  }

  send (channel: Channel, frame: Frame, key: unknown, except: Except): void {
    if (!this.#isGathering) {
      sendAtOnce(channel, frame, key, except)
      return
    }
    if (channel.members.size === 0) return
    const before = channel.gathering?.cost ?? 0
    const batch = channel.gathering ?? this.#gather(channel)
    batch.add(frame, key, except, this.#sent++)
    this.#cost += batch.cost - before
    if (batch.size >= GATHERED || this.#cost >= MOST) this.#serve(Infinity)
    else this.#schedule()
  }

  /**
   * Sends one connection all that was sent to it among many and has not left yet. It has to be done before anything else leaves for
   * it, and before it enters or leaves an audience.
   */
  flushTo (connection: WsConnection): void {
    if (this.#live.size === 0) return
    const from = connection.served
    if (from === this.#sent) return
    connection.served = this.#sent
    const batches = this.#batchesFor(connection, from)
    if (batches.length === 1) batches[0]!.deliver(connection, from)
    else if (batches.length > 1) deliverInOrder(batches, connection, from)
  }

  #gather (channel: Channel): Batch {
    const batch = new Batch(channel)
    channel.gathering = batch
    channel.batches.push(batch)
    this.#gathered.push(batch)
    this.#live.add(batch)
    return batch
  }

  // By way of its rooms or of all that there is, whichever is less: a client may be in a thousand rooms.
  #batchesFor (connection: WsConnection, from: number): Batch[] {
    const batches: Batch[] = []
    // Nothing else is put there.
    const rooms = connection.memberships as readonly Channel[]
    if (rooms.length < this.#live.size) {
      collect(this.#everyone.batches, connection, from, batches)
      for (const room of rooms) collect(room.batches, connection, from, batches)
    } else {
      collect(this.#live, connection, from, batches)
    }
    return batches
  }

  #schedule (): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      if (this.#receivers !== undefined) this.#serveSmall()
      this.#serve(SLICE)
      if (this.#receivers !== undefined || this.#gathered.length > 0) this.#schedule()
    })
  }

  // Who is in a room of a few does not wait for the many that are being served.
  #serveSmall (): void {
    const gathered = this.#gathered
    this.#gathered = []
    let left = SLICE
    for (const batch of gathered) {
      const { channel } = batch
      if (channel.members.size > left) {
        this.#gathered.push(batch)
        continue
      }
      left -= channel.members.size
      channel.gathering = undefined
      this.#cost -= batch.cost
      for (const connection of channel.members) this.flushTo(connection)
      channel.batches.splice(channel.batches.indexOf(batch), 1)
      this.#live.delete(batch)
    }
  }

  #serve (most: number): void {
    for (let left = most; left > 0; left--) {
      this.#receivers ??= this.#receiversOf(this.#takeGathered())
      const { done, value } = this.#receivers.next()
      if (done !== true) {
        this.#serveOne(value)
      } else {
        this.#receivers = this.#only = undefined
        if (this.#gathered.length === 0) return
      }
    }
  }

  #serveOne (connection: WsConnection): void {
    if (this.#only === undefined || this.#gathered.length > 0) {
      this.flushTo(connection)
      return
    }
    const from = connection.served
    connection.served = this.#sent
    this.#only.deliver(connection, from)
  }

  #takeGathered (): Batch[] {
    const batches = this.#gathered
    this.#gathered = []
    this.#cost = 0
    if (batches.length === 1) this.#only = batches[0]
    for (const { channel } of batches) channel.gathering = undefined
    return batches
  }

  // One after the other, also while members come and go: who has come since has been sent nothing of it.
  * #receiversOf (batches: readonly Batch[]): Generator<WsConnection, undefined> {
    for (const batch of batches) {
      const { channel, last } = batch
      for (const connection of channel.members) if (connection.served <= last && !batch.isWithout(connection)) yield connection
      channel.batches.shift()
      this.#live.delete(batch)
    }
  }
}

function collect (sent: Iterable<Batch>, connection: WsConnection, from: number, batches: Batch[]): void {
  for (const batch of sent) if (batch.last >= from && batch.channel.members.has(connection)) batches.push(batch)
}

// What was sent to several audiences in turn is sent one by one, so that it arrives in that order.
function deliverInOrder (batches: Batch[], connection: WsConnection, from: number): void {
  batches.sort((one, other) => one.first - other.first)
  if (batches.every(({ last }, index) => last < (batches[index + 1]?.first ?? Infinity))) {
    for (const batch of batches) batch.deliver(connection, from)
    return
  }
  const messages = batches.flatMap((batch) => batch.messagesFor(connection, from)).sort((one, other) => one.number - other.number)
  for (const { frame, key } of messages) connection.outbox.sendShared(frame, key)
}

function sendAtOnce ({ members }: Channel, frame: Frame, key: unknown, except: Except): void {
  for (const connection of members) if (!isLeftOut(except, connection)) connection.outbox.send(frame, key)
}
