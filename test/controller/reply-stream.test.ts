import t from 'tap'
import { ReplyStream, type ReplyStreamOptions } from '../../src/controller/reply-stream.js'
import type { Frame } from '../../src/message/frame.js'
import { turns } from '../support/until.js'

const [item, last] = [{} as Frame, {} as Frame]

function answers (
  next: () => Promise<IteratorResult<unknown>>,
  options: Partial<ReplyStreamOptions> = {}
): {
    answers: ReplyStream
    seen: string[]
  } {
  const seen: string[] = []
  const iterator = {
    next,
    async return () {
      seen.push('returned')
      return { done: true as const, value: undefined }
    }
  }
  return {
    seen,
    answers: new ReplyStream({ [Symbol.asyncIterator]: () => iterator }, {
      encode () {
        seen.push('encoded')
        return item
      },
      last,
      wrap: (error) => error,
      onEnd () { seen.push('ended') },
      onReleased () {},
      onLateFailure () {},
      ...options
    })
  }
}

t.test('stopped, it is over at once, and an item that comes then is not looked at', async (t) => {
  let come = (_step: IteratorResult<unknown>): void => {}
  const { answers: one, seen } = answers(() => new Promise((resolve) => { come = resolve }))
  const waiting = one.next()
  one.stop()
  one.stop()
  t.same(await waiting, { done: true, value: undefined })
  come({ done: false, value: 1 })
  await turns(2)
  t.same(seen, ['ended', 'returned'])
  t.same(await one.next(), { done: true, value: undefined })
})

t.test('a stream that has ended cannot fail any more', async (t) => {
  const { answers: one, seen } = answers(async () => ({ done: true, value: undefined }))
  t.equal((await one.next()).value, last)
  one.fail(new Error('too late'))
  t.same(await one.next(), { done: true, value: undefined })
  t.same(seen, ['ended'])
})

t.test('a reader can release the stream', async (t) => {
  const { answers: one, seen } = answers(() => new Promise(() => {}))
  t.same(await one.return(), { done: true, value: undefined })
  await turns(2)
  t.same(seen, ['ended', 'returned'])
})

t.test('an item that cannot be encoded ends it, and the stream is let go of', async (t) => {
  const { answers: one, seen } = answers(
    async () => ({ done: false, value: 1 }),
    { encode () { throw new Error('no item') } }
  )
  await t.rejects(one.next(), { message: 'no item' })
  await turns(2)
  t.same(seen, ['ended', 'returned'])
})

t.test('the last answer comes after the last item, once', async (t) => {
  const { answers: one, seen } = answers(async () => ({ done: true, value: undefined }))
  t.equal((await one.next()).value, last)
  t.same(await one.next(), { done: true, value: undefined })
  t.same(await one.return(), { done: true, value: undefined })
  t.same(seen, ['ended'], 'a stream that has ended is not released')
})
