import t from 'tap'
import { Feed } from '../../src/client/feed.js'

t.test('who waits gets the next items, in the order of waiting', async (t) => {
  const feed = new Feed<number>(1, () => {})
  const waiting = [feed.next(), feed.next(), feed.next()]
  for (const item of [1, 2]) feed.push(item)
  feed.end()
  t.strictSame(await Promise.all(waiting), [
    { value: 1, done: false },
    { value: 2, done: false },
    { value: undefined, done: true }
  ])
})

t.test('one of several waiting readers gets the failure', async (t) => {
  const feed = new Feed<number>(1, () => {})
  const waiting = [feed.next(), feed.next()]
  feed.end({ error: new Error('failed') })
  await t.rejects(waiting[0]!, { message: 'failed' })
  t.match(await waiting[1], { done: true })
})

t.test('it is released once, however it ends, and takes nothing any more', async (t) => {
  let released = 0
  const feed = new Feed<number>(1, () => { released++ })
  for (const item of [1, 2, 3]) feed.push(item)
  feed.end()
  t.match(await feed.return(), { done: true })
  t.match(await feed.next(), { done: true }, 'nothing is left, neither items nor a failure')
  t.equal(released, 1)
})
