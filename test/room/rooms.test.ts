import t from 'tap'
import { WsConnection } from '../../src/index.js'
import { plainCodec } from '../../src/message/codec.js'
import { ClientSet } from '../../src/room/clients.js'

const member = () => new WsConnection({ ip: '' } as never, '', null, {} as never, {} as never)

// Invariant 4
t.test('a room is forgotten with its last member, however that leaves', async (t) => {
  const { rooms } = new ClientSet(true, plainCodec)
  const [alice, bob] = [member(), member()]
  for (let count = 0; count < 100; count++) {
    rooms.join(alice, `room ${count}`, 1000)
    rooms.join(bob, `room ${count}`, 1000)
  }
  t.equal(rooms.size, 100)
  for (let count = 0; count < 50; count++) rooms.leave(alice, `room ${count}`)
  rooms.forget(bob)
  t.equal(rooms.size, 50)
  rooms.forget(alice)
  t.equal(rooms.size, 0)
})
