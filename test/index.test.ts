import { resolve } from 'node:path'
import t from 'tap'
import * as all from '../src/index.js'

t.test('the public names are these, and a change of them is deliberate', async (t) => {
  t.strictSame(Object.keys(all).sort(), [
    'BinaryMessage', 'JsonMessage', 'Message', 'ReplyError', 'SocketRoute', 'TextMessage',
    'WsConnection', 'baseController', 'closeCodes', 'default', 'defineController', 'errors'
  ])
})

t.test('require() gets the same module', async (t) => {
  const { createRequire } = await import('node:module')
  const path = resolve('dist/index.js')
  const required = createRequire(import.meta.url)(path)
  t.equal(required.JsonMessage, (await import(path)).JsonMessage)
})
