import t from 'tap'
import { Streams } from '../../src/controller/streams.js'

t.test('a stream that cannot even be opened is let go without harm', async (t) => {
  const failures: unknown[] = []
  const streams = new Streams((error) => { failures.push(error) })
  const error = new Error('no')
  streams.drop({ [Symbol.asyncIterator]: () => { throw error } })
  t.strictSame(failures, [error])
  await t.rejects(
    streams.pump({ [Symbol.asyncIterator]: () => { throw error } }, () => undefined),
    error
  )
})

t.test('a stream is returned once, also if it fails while it is being stopped', async (t) => {
  let returned = 0
  let fail: undefined | ((error: Error) => void)
  const streams = new Streams(() => {})
  const done = streams.pump({
    [Symbol.asyncIterator]: () => ({
      next: async () => await new Promise((_resolve, reject) => { fail = reject }),
      return: async () => { returned++; return { done: true as const, value: undefined } }
    })
  }, () => undefined)
  streams.stop()
  await done
  fail!(new Error('too late'))
  await new Promise(setImmediate)
  t.equal(returned, 1)
})

t.test('an item that comes after the stream was stopped is not sent', async (t) => {
  const sent: unknown[] = []
  let give: undefined | ((step: IteratorResult<unknown>) => void)
  const streams = new Streams(() => {})
  const done = streams.pump({
    [Symbol.asyncIterator]: () => ({
      next: async () => await new Promise<IteratorResult<unknown>>((resolve) => { give = resolve })
    })
  }, (item) => { sent.push(item); return undefined })
  streams.stop()
  await done
  give!({ done: false, value: 'too late' })
  await new Promise(setImmediate)
  t.strictSame(sent, [])
})

t.test('a stream that has all its items at hand lets others have their turns', async (t) => {
  let pulled = 0
  async function * numbers (): AsyncGenerator<number> {
    while (pulled < 100_000) yield ++pulled
  }
  const streams = new Streams(() => {})
  const done = streams.pump(numbers(), () => undefined)
  await new Promise(setImmediate)
  t.ok(pulled < 1_000, `after ${pulled} items`)
  streams.stop()
  await done
})
