import t from 'tap'
import { InboundRequests, type PendingInbound } from '../../src/connection/inbound-requests.js'

const requestOf = (calls: string[]): PendingInbound => ({
  cancel () { calls.push('cancel') },
  abort () { calls.push('abort') },
  userChanged () { calls.push('userChanged') }
})

t.test('a cancel, a renewal and the end of the connection reach the requests', async (t) => {
  const requests = new InboundRequests(false)
  const [one, two]: [string[], string[]] = [[], []]
  requests.byId.set(1, requestOf(one))
  requests.byId.set('1', requestOf(two))
  requests.cancel('1', undefined)
  requests.cancel('1', {})
  t.strictSame([one, two], [[], ['cancel', 'cancel']], 'a text is another id than a number')
  t.equal(requests.cancelled, undefined, 'and no message that waits is cancelled')
  requests.userChanged()
  requests.abort()
  t.strictSame(one, ['userChanged', 'abort'])
  t.ok(requests.isAborted)
})

t.test('a client can cancel 64 waiting messages, until the last was processed', async (t) => {
  const requests = new InboundRequests(false)
  const [first, last] = [{}, {}]
  requests.cancel('one', first)
  for (let id = 0; id < 100; id++) requests.cancel(id, last)
  t.equal(requests.cancelled!.size, 64)
  t.strictSame([62, 63].map((id) => requests.cancelled!.has(id)), [true, false])
  requests.markProcessed({})
  t.equal(requests.cancelled!.size, 64)
  requests.markProcessed(first)
  t.equal(requests.cancelled!.size, 63)
  requests.markProcessed(last)
  t.equal(requests.cancelled, undefined)
  requests.markProcessed(last)
  requests.cancel(1, undefined)
  t.equal(requests.cancelled, undefined, 'without a message that waits there is nothing to keep')
})

t.test('cancelled streams that have not ended are at most as many as the others', async (t) => {
  const requests = new InboundRequests(false)
  for (let count = 0; count < 2; count++) requests.streamBegun()
  t.notOk(requests.hasRoomForStream(2))
  for (let count = 0; count < 2; count++) requests.streamOver()
  t.ok(requests.hasRoomForStream(2))
  for (let count = 0; count < 2; count++) requests.streamBegun()
  for (let count = 0; count < 2; count++) requests.streamOver()
  t.notOk(requests.hasRoomForStream(2))
  requests.streamEnded()
  t.ok(requests.hasRoomForStream(2))
})
