import t from 'tap'
import { DropQueue, type DropPolicy } from '../../src/connection/drop-queue.js'
import { toFrame } from '../../src/message/outbound.js'

// A backlog of messages that cost 10 each, of which three fit.
function fill (policy: DropPolicy, messages: object[]): {
  left: unknown[]
  dropped: number
  cost: number
} {
  const backlog = new DropQueue(policy)
  let dropped = 0
  for (const message of messages) {
    if ('reply' in message) backlog.addReply(toFrame(message), 10)
    else dropped += backlog.add(toFrame(message), 10, 30, (message as { key?: string }).key)
  }
  const { cost } = backlog
  const left = []
  for (let frame = backlog.shift(); frame !== undefined; frame = backlog.shift()) {
    left.push(JSON.parse(frame.bytes.toString()))
  }
  t.equal(backlog.cost, 0)
  t.equal(backlog.size, 0)
  return { left, dropped, cost }
}

const numbered = [1, 2, 3, 4, 5].map((n) => ({ n }))

t.test('drop-oldest keeps the newest, in order', async (t) => {
  t.strictSame(fill('drop-oldest', numbered), {
    left: [{ n: 3 }, { n: 4 }, { n: 5 }],
    dropped: 2,
    cost: 30
  })
})

t.test('drop-newest keeps the oldest', async (t) => {
  t.strictSame(fill('drop-newest', numbered), {
    left: [{ n: 1 }, { n: 2 }, { n: 3 }],
    dropped: 2,
    cost: 30
  })
})

const latest = { latestBy: () => {} }

t.test('latestBy keeps the newest of each key in place, and new ones without a key', async (t) => {
  t.strictSame(fill(latest, [
    { key: 'a', n: 1 },
    { key: 'b', n: 2 },
    { key: 'a', n: 3 },
    { key: 'b', n: 4 },
    { n: 5 }
  ]),
  { left: [{ key: 'a', n: 3 }, { key: 'b', n: 4 }, { n: 5 }], dropped: 2, cost: 30 })
  t.strictSame(fill(latest, numbered), {
    left: [{ n: 3 }, { n: 4 }, { n: 5 }],
    dropped: 2,
    cost: 30
  })
})

t.test('latestBy drops messages without a key first, and never the newest of a key', async (t) => {
  t.strictSame(fill(latest, [{ key: 'a' }, { n: 1 }, { n: 2 }, { key: 'b' }, { key: 'c' }]), {
    left: [{ key: 'a' }, { key: 'b' }, { key: 'c' }],
    dropped: 2,
    cost: 30
  })
  const backlog = new DropQueue(latest)
  for (const key of ['a', 'b', 'c']) t.equal(backlog.add(toFrame(key), 10, 30, key), 0)
  t.equal(backlog.isOver(30), false)
  t.equal(backlog.add(toFrame('d'), 10, 30, 'd'), 0)
  t.equal(backlog.isOver(30), true)
})

t.test('answers of callbacks are never dropped, and keep their place', async (t) => {
  const messages = [{ n: 1 }, { reply: 1 }, { n: 2 }, { reply: 2 }, { n: 3 }, { n: 4 }]
  t.strictSame(fill('drop-oldest', messages).left, [{ reply: 1 }, { reply: 2 }, { n: 4 }])
  t.strictSame(fill('drop-newest', messages).left, [{ n: 1 }, { reply: 1 }, { n: 2 }, { reply: 2 }])
})

t.test('replies exceed no limit: other messages are dropped', async (t) => {
  for (const policy of ['drop-oldest', 'drop-newest', latest] as const) {
    const backlog = new DropQueue(policy)
    for (let count = 0; count < 5; count++) backlog.addReply(toFrame('answer'), 10)
    for (const key of [undefined, policy === latest ? 'a' : undefined]) {
      backlog.add(toFrame('x'), 10, 30, key)
    }
    t.equal(backlog.isOver(30), false, String(policy))
    for (let count = 0; count < 5; count++) t.equal(backlog.shift()?.decode(), 'answer')
  }
})

t.test('a message that replaces a smaller one counts with its size', async (t) => {
  const backlog = new DropQueue(latest)
  backlog.add(toFrame('x'), 10, 100, 'a')
  for (let count = 0; count < 8; count++) backlog.add(toFrame('x'), 10, 100, undefined)
  t.equal(backlog.add(toFrame('y'), 60, 100, 'a'), 1 + 4)
  t.equal(backlog.cost, 100)
  t.equal(backlog.add(toFrame('z'), 500, 100, 'a'), 1 + 4)
  t.equal(backlog.isOver(100), false, 'one alone may be as large as it is')
  backlog.add(toFrame('x'), 10, 100, 'b')
  t.equal(backlog.isOver(100), true)
})

t.test('the order continues after the queue was empty, or has dropped some', async (t) => {
  const backlog = new DropQueue(latest)
  const add = (message: object) => backlog.add(
    toFrame(message),
    10,
    30,
    (message as { key?: string }).key
  )
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
  t.strictSame([shift(), shift(), shift(), shift()], [
    '{"n":7}',
    '{"n":8}',
    '{"key":"a","n":9}',
    undefined
  ])
})
