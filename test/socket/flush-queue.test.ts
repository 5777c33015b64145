import t from 'tap'
import { flushLater } from '../../src/socket/flush-queue.js'

t.test('a failing flush does not keep the others from being flushed', async (t) => {
  const flushed: string[] = []
  const failed = new Promise((resolve) => { process.once('uncaughtException', resolve) })
  const fail = new Error('fails')
  flushLater({ flush () { flushed.push('first') } })
  flushLater({ flush () { throw fail } })
  flushLater({
    flush () { flushed.push('second'); flushLater({ flush () { flushed.push('third') } }) }
  })
  t.equal(await failed, fail)
  await new Promise(setImmediate)
  t.strictSame(flushed, ['first', 'second', 'third'])
  flushLater({ flush () { flushed.push('later') } })
  await new Promise(process.nextTick)
  t.strictSame(flushed, ['first', 'second', 'third', 'later'])
})
