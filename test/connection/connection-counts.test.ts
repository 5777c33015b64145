import t from 'tap'
import { ConnectionCounts } from '../../src/connection/connection-counts.js'
import type { Counted } from '../../src/connection/connection-roles.js'

t.test('nothing is kept of a user, an address or a route without connections', async (t) => {
  const counts = new ConnectionCounts()
  counts.expect({ perIp: 5, perUser: 5 })
  const nobody = counts.ofUser('nobody')
  const both: Counted[] = [1, 2].map(() => ({
    ip: '192.0.2.1',
    route: '/',
    subjects: ['alice'],
    closeWith: () => true
  }))
  for (const each of both) counts.add(each)
  t.strictSame(
    [counts.ofUser('alice').size, counts.ofIp('192.0.2.1'), counts.ofRoute('/')],
    [2, 2, 2]
  )
  for (const each of both) {
    counts.deleteFromUser(each)
    counts.delete(each)
  }
  t.equal(counts.ofUser('alice'), nobody, 'it is no set of its own')
  t.strictSame([counts.ofIp('192.0.2.1'), counts.ofRoute('/')], [0, 0])
})
