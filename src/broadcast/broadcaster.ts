import type { Frame } from '../message/frame.js'
import { Batch, isLeftOut, type Channel, type Except, type Receiver } from './channel.js'

// Bytes gathered for one receiver, above which the batch leaves at once.
const GATHERED = 65_536

// Bytes of memory that all gathered batches may take. A client may cause messages to many rooms in
// one turn, and create rooms for that.
const MOST = 4_194_304

// Receivers that are written to before the event loop gets its turn.
const SLICE = 256

/**
 * Sends messages to many connections. Messages sent within one turn of the event loop are gathered.
 * At the end of the turn each receiver gets all of its messages with one write; the members of a
 * large channel are served in slices. Each receiver gets its messages in the order of sending, also
 * if they were sent to different channels or to it alone.
 */
export class Broadcaster {
  readonly #everyone: Channel
  readonly #isGathering: boolean
  // The batches of this turn, of all channels.
  #gathered: Batch[] = []
  // The bytes of memory that they take.
  #cost = 0
  // The batches that have not reached all receivers yet, in the order of their first messages.
  readonly #live = new Set<Batch>()
  /** The same set, read-only: an outbox has nothing to flush while it is empty. */
  readonly pending: ReadonlySet<Batch> = this.#live
  // The receivers that are still to be served, of the batches of earlier turns.
  #receivers: undefined | Iterator<Receiver>
  // The batch that they are served with, if there is only one.
  #only: undefined | Batch
  // The sequence number of the next message. `served` of a connection is the number of the first
  // message that may still have to be delivered to it.
  #sent = 0
  #isScheduled = false

  /**
   * @param everyone all clients of the route.
   * @param isGathering `false`: every message leaves at once.
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
   * Writes all broadcasts that are pending for one connection. It has to be called before anything
   * else is written to the connection, and before the connection joins or leaves a channel.
   */
  flushTo (receiver: Receiver): void {
    if (this.#live.size === 0) return
    const from = receiver.served
    if (from === this.#sent) return
    receiver.served = this.#sent
    const batches = this.#batchesFor(receiver, from)
    if (batches.length === 1) batches[0]!.deliver(receiver, from)
    else if (batches.length > 1) deliverInOrder(batches, receiver, from)
  }

  #gather (channel: Channel): Batch {
    const batch = new Batch(channel)
    channel.gathering = batch
    channel.batches.push(batch)
    this.#gathered.push(batch)
    this.#live.add(batch)
    return batch
  }

  // Searches the connection's rooms or all live batches, depending on which are fewer: a client may
  // be in a thousand rooms.
  #batchesFor (receiver: Receiver, from: number): Batch[] {
    const batches: Batch[] = []
    const rooms = receiver.memberships
    if (rooms.length < this.#live.size) {
      collect(this.#everyone.batches, receiver, from, batches)
      for (const room of rooms) collect(room.batches, receiver, from, batches)
    } else {
      collect(this.#live, receiver, from, batches)
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

  // Serves small channels at once: they do not wait for a large one that is served in slices.
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
      for (const receiver of channel.members) this.flushTo(receiver)
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

  #serveOne (receiver: Receiver): void {
    if (this.#only === undefined || this.#gathered.length > 0) {
      this.flushTo(receiver)
      return
    }
    const from = receiver.served
    receiver.served = this.#sent
    this.#only.deliver(receiver, from)
  }

  #takeGathered (): Batch[] {
    const batches = this.#gathered
    this.#gathered = []
    this.#cost = 0
    if (batches.length === 1) this.#only = batches[0]
    for (const { channel } of batches) channel.gathering = undefined
    return batches
  }

  // Yields the receivers of each batch. Members may join meanwhile: `served` of such a member is
  // beyond the batch, so it is skipped.
  * #receiversOf (batches: readonly Batch[]): Generator<Receiver, undefined> {
    for (const batch of batches) {
      const { channel, last } = batch
      for (const receiver of channel.members) {
        if (receiver.served <= last && !batch.isWithout(receiver)) yield receiver
      }
      channel.batches.shift()
      this.#live.delete(batch)
    }
  }
}

function collect (
  sent: Iterable<Batch>,
  receiver: Receiver,
  from: number,
  batches: Batch[]
): void {
  for (const batch of sent) {
    if (batch.last >= from && batch.channel.members.has(receiver)) batches.push(batch)
  }
}

// Delivers batch by batch if their numbers do not overlap. Otherwise messages were sent to several
// channels in turn, and are delivered one by one, in the order of sending.
function deliverInOrder (batches: Batch[], receiver: Receiver, from: number): void {
  batches.sort((one, other) => one.first - other.first)
  if (batches.every(({ last }, index) => last < (batches[index + 1]?.first ?? Infinity))) {
    for (const batch of batches) batch.deliver(receiver, from)
    return
  }
  const messages = batches
    .flatMap((batch) => batch.messagesFor(receiver, from))
    .sort((one, other) => one.number - other.number)
  for (const { frame, key } of messages) receiver.outbox.sendShared(frame, key)
}

function sendAtOnce ({ members }: Channel, frame: Frame, key: unknown, except: Except): void {
  for (const receiver of members) {
    if (!isLeftOut(except, receiver)) receiver.outbox.send(frame, key)
  }
}
