// The seam between encoding and local delivery.
import t from 'tap'
import type { Broker, Deliver, Publication } from '../../src/broker/broker.js'
import { MemoryBroker } from '../../src/broker/memory.js'
import { WsConnection } from '../../src/index.js'
import { KeyedCodec, plainCodec } from '../../src/message/codec.js'
import { ClientSet } from '../../src/room/clients.js'

const createClient = (seen: string[] = []) => {
  const outbox = { send: (frame: { bytes: Buffer }) => { seen.push(frame.bytes.toString()) } }
  return new WsConnection({ ip: '' } as never, '', null, outbox as never, {} as never)
}

// Keeps what is published until the test delivers it, in this process or in another.
class HeldBroker implements Broker {
  readonly published: Array<readonly [name: string, publication: Publication]> = []
  readonly processes: Deliver[] = []

  connect (name: string, deliver: Deliver): (publication: Publication) => void {
    this.processes.push(deliver)
    return (publication) => { this.published.push([name, publication]) }
  }
}

t.test('a message is published with rooms, key and excluded ids, then delivered', async (t) => {
  const broker = new HeldBroker()
  let calls = 0
  const codec = new KeyedCodec(plainCodec, (message) => {
    calls++
    return `key of ${String(message)}`
  })
  const here = new ClientSet('/chat', codec, broker, false)
  const there = new ClientSet('/chat', codec, broker, false)
  const seen: string[][] = [[], [], []]
  const [alice, bob, carol] = seen.map((own) => createClient(
    own
  )) as [WsConnection, WsConnection, WsConnection]
  for (const client of [alice, bob]) here.add(client)
  there.add(carol)
  here.rooms.join(alice, 'a', 1)
  here.rooms.join(bob, 'a', 1)
  there.rooms.join(carol, 'a', 1)

  here.broadcast('to all')
  here.to(['a', 'b'], { except: [bob] }).send('to a', { except: alice })
  t.match(broker.published, [
    ['/chat', { rooms: undefined, key: 'key of to all', except: undefined }],
    ['/chat', { rooms: ['a', 'b'], key: 'key of to a', except: new Set([bob.id, alice.id]) }]
  ])
  t.strictSame(seen, [[], [], []])

  for (const [, publication] of broker.published) {
    for (const deliver of broker.processes) deliver(publication)
  }
  t.strictSame(seen, [['to all'], ['to all'], ['to all', 'to a']])
  t.equal(calls, 2, 'the key is computed when the message is sent')
})

t.test('the broker of one process delivers at once', async (t) => {
  const seen: string[] = []
  const clients = new ClientSet('/chat', plainCodec, new MemoryBroker(), false)
  clients.add(createClient(seen))
  clients.broadcast('now')
  t.strictSame(seen, ['now'])
})
