import t from 'tap'
import { AsyncQueue } from '../../src/client/async-queue.js'

t.test('who waits gets the next items, in the order of waiting', async (t) => {
  const queue = new AsyncQueue<number>(1, () => {})
  const waiting = [queue.next(), queue.next(), queue.next()]
  for (const item of [1, 2]) queue.push(item)
  queue.end()
  t.strictSame(await Promise.all(waiting), [
    { value: 1, done: false },
    { value: 2, done: false },
    { value: undefined, done: true }
  ])
})

t.test('one of several waiting readers gets the failure', async (t) => {
  const queue = new AsyncQueue<number>(1, () => {})
  const waiting = [queue.next(), queue.next()]
  queue.end({ error: new Error('failed') })
  await t.rejects(waiting[0]!, { message: 'failed' })
  t.match(await waiting[1], { done: true })
})

t.test('it is released once, however it ends, and takes nothing any more', async (t) => {
  let released = 0
  const queue = new AsyncQueue<number>(1, () => { released++ })
  for (const item of [1, 2, 3]) queue.push(item)
  queue.end()
  t.match(await queue.return(), { done: true })
  t.match(await queue.next(), { done: true }, 'nothing is left, neither items nor a failure')
  t.equal(released, 1)
})
