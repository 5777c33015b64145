import t from 'tap'
import { Backlog, type DropPolicy } from '../../src/connection/backlog.js'
import { toFrame } from '../../src/message/outbound.js'

// A backlog of messages that cost 10 each, of which three fit.
function fill (policy: DropPolicy, messages: object[]): { left: unknown[], dropped: number, cost: number } {
  const backlog = new Backlog(policy)
  let dropped = 0
  for (const message of messages) {
    if ('reply' in message) backlog.addReply(toFrame(message), 10)
    else dropped += backlog.add(toFrame(message), 10, 30, message)
  }
  const { cost } = backlog
  const left = []
  for (let frame = backlog.shift(); frame !== undefined; frame = backlog.shift()) left.push(JSON.parse(frame.bytes.toString()))
  t.equal(backlog.cost, 0)
  t.equal(backlog.size, 0)
  return { left, dropped, cost }
}

const numbered = [1, 2, 3, 4, 5].map((n) => ({ n }))

t.test('drop-oldest keeps the newest, in order', async (t) => {
  t.strictSame(fill('drop-oldest', numbered), { left: [{ n: 3 }, { n: 4 }, { n: 5 }], dropped: 2, cost: 30 })
})

t.test('drop-newest keeps the oldest', async (t) => {
  t.strictSame(fill('drop-newest', numbered), { left: [{ n: 1 }, { n: 2 }, { n: 3 }], dropped: 2, cost: 30 })
})

t.test('latestBy keeps the newest of each key, in the place of the first, and of what has no key the newest that fit', async (t) => {
  const policy = { latestBy: (message: unknown) => (message as { key?: string }).key }
  t.strictSame(fill(policy, [{ key: 'a', n: 1 }, { key: 'b', n: 2 }, { key: 'a', n: 3 }, { key: 'b', n: 4 }, { n: 5 }]),
    { left: [{ key: 'a', n: 3 }, { key: 'b', n: 4 }, { n: 5 }], dropped: 2, cost: 30 })
  t.strictSame(fill(policy, numbered), { left: [{ n: 3 }, { n: 4 }, { n: 5 }], dropped: 2, cost: 30 })
  t.strictSame(fill({ latestBy: () => { throw new Error('no') } }, numbered).dropped, 2)
})

t.test('a latestBy that is async has no keys, and does no harm if it fails', async (t) => {
  t.strictSame(fill({ latestBy: async () => { throw new Error('no') } }, numbered).dropped, 2)
  await new Promise(setImmediate)
})

t.test('answers of callbacks are never dropped, and keep their place', async (t) => {
  const messages = [{ n: 1 }, { reply: 1 }, { n: 2 }, { reply: 2 }, { n: 3 }, { n: 4 }]
  t.strictSame(fill('drop-oldest', messages).left, [{ reply: 1 }, { reply: 2 }, { n: 4 }])
  t.strictSame(fill('drop-newest', messages).left, [{ n: 1 }, { reply: 1 }, { n: 2 }, { reply: 2 }])
})

t.test('a message that replaces a smaller one does not take the backlog over its limit', async (t) => {
  const backlog = new Backlog({ latestBy: (message) => (message as { key: number }).key })
  for (let key = 0; key < 10; key++) backlog.add(toFrame('x'), 10, 100, { key })
  backlog.addReply(toFrame('reply'), 10)
  t.equal(backlog.add(toFrame('y'), 60, 100, { key: 5 }), 1 + 6)
  t.equal(backlog.cost, 100)
  t.equal(backlog.add(toFrame('z'), 500, 100, { key: 5 }), 1 + 3, 'one alone may be as large as it is')
  t.equal(backlog.size, 2)
})

t.test('it goes on where it was, also when it was empty meanwhile, or has dropped some', async (t) => {
  const backlog = new Backlog({ latestBy: (message) => (message as { key?: string }).key })
  const add = (message: object) => backlog.add(toFrame(message), 10, 30, message)
  const shift = () => backlog.shift()?.decode()
  add({ n: 1 })
  add({ key: 'a', n: 2 })
  t.equal(shift(), '{"n":1}')
  add({ key: 'a', n: 3 })
  t.equal(shift(), '{"key":"a","n":3}')
  t.equal(shift(), undefined)
  add({ key: 'a', n: 4 })
  t.equal(shift(), '{"key":"a","n":4}')
  for (const n of [5, 6, 7, 8]) add({ n })
  t.equal(shift(), '{"n":6}')
  add({ key: 'a', n: 9 })
  t.strictSame([shift(), shift(), shift(), shift()], ['{"n":7}', '{"n":8}', '{"key":"a","n":9}', undefined])
})
