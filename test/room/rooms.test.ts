import t from 'tap'
import { WsConnection } from '../../src/index.js'
import { MemoryBroker } from '../../src/broker/memory.js'
import { plainCodec } from '../../src/message/codec.js'
import { ClientSet } from '../../src/room/clients.js'

const createClients = () => new ClientSet('/', plainCodec, new MemoryBroker(), true)
const member = () => new WsConnection({ ip: '' } as never, '', null, {} as never, {} as never)

// Invariant 4
t.test('a room is forgotten with its last member, however that leaves', async (t) => {
  const { rooms } = createClients()
  const [alice, bob] = [member(), member()]
  for (let count = 0; count < 100; count++) {
    rooms.join(alice, `room ${count}`, 1000)
    rooms.join(bob, `room ${count}`, 1000)
  }
  t.equal(rooms.size, 100)
  for (let count = 0; count < 50; count++) rooms.leave(alice, `room ${count}`)
  rooms.delete(bob)
  t.equal(rooms.size, 50)
  rooms.delete(alice)
  t.equal(rooms.size, 0)
})

t.test('the rooms of a member of many are searched once for each message', async (t) => {
  const { rooms } = createClients()
  const [many, few] = [member(), member()]
  const names = Array.from({ length: 1000 }, (_, count) => `room ${count}`)
  for (const name of names) rooms.join(many, name, 1000)
  for (const name of names.slice(0, 3)) rooms.join(few, name, 1000)
  let looks = 0
  const { memberships } = many
  Object.defineProperty(many, 'memberships', { get () { looks++; return memberships } })
  t.strictSame(new Set(rooms.members(names, undefined)), new Set([many, few]))
  t.equal(rooms.count(names, undefined), 2)
  t.equal(looks, 2, 'one for each time')
})
