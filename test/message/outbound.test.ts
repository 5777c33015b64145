import { runInNewContext } from 'node:vm'
import t from 'tap'
import { BinaryMessage, JsonMessage, TextMessage } from '../../src/index.js'
import { toFrame } from '../../src/message/outbound.js'

t.test('a message is made only of what it can hold', async (t) => {
  t.throws(() => new TextMessage(5 as never), { code: 'FSR_ERR_NOT_SENDABLE' })
  t.throws(() => new BinaryMessage('text' as never), { code: 'FSR_ERR_NOT_SENDABLE' })
  t.throws(
    () => toFrame(new JsonMessage(undefined)),
    {
      code: 'FSR_ERR_NOT_JSON',
      cause: { message: 'JSON.stringify() returns undefined for a value of type undefined' }
    }
  )
  const circle: Record<string, unknown> = {}
  circle.self = circle
  t.throws(
    () => toFrame(circle),
    { code: 'FSR_ERR_NOT_JSON', cause: TypeError, message: /^The data of a message / }
  )
})

t.test('a value sent by mistake is reported with its cure', async (t) => {
  const text = (value: unknown): string => {
    try {
      toFrame(value as never)
      return ''
    } catch (error) {
      return (error as Error).message.split('. Send a JsonMessage')[0]!
    }
  }
  t.equal(
    text(true),
    'A value of type boolean cannot be sent: was it the result of send()? Write { ' +
    'connection.send(…) }, or return the message itself'
  )
  t.equal(text(Promise.resolve('x')), 'An instance of Promise cannot be sent: await it first')
  t.equal(text(5), 'A value of type number cannot be sent')
})

t.test('an instance of a class without a name is told from a plain object', async (t) => {
  const made = Object.create(Object.create({}))
  Object.getPrototypeOf(Object.getPrototypeOf(made)).constructor = undefined
  t.throws(() => toFrame(made), { code: 'FSR_ERR_NOT_SENDABLE', message: /an unnamed class/ })
})

t.test('a plain object of another realm is plain', async (t) => {
  t.equal(toFrame(runInNewContext('({ a: 1 })')).bytes.toString(), '{"a":1}')
})

t.test('large bytes are not copied', async (t) => {
  const bytes = Buffer.alloc(8_192)
  t.equal(toFrame(bytes).bytes, bytes)
  t.equal(toFrame(new BinaryMessage(bytes)).bytes, bytes)
  const view = new Uint16Array(5_000)
  t.equal(toFrame(view).bytes.buffer, view.buffer)
})

t.test('short bytes are copied, so that they are still there when they leave', async (t) => {
  const view = new Uint8Array([1, 2, 3])
  const frame = toFrame(view)
  structuredClone(view, { transfer: [view.buffer] })
  t.strictSame(frame.bytes, Buffer.from([1, 2, 3]))
  t.strictSame(toFrame(new SharedArrayBuffer(2)).bytes, Buffer.alloc(2))
})

t.test('a frame is made when first asked for, and kept', async (t) => {
  const message = new JsonMessage({ a: 1 })
  t.equal(toFrame(message), toFrame(message))
  const text = new TextMessage('x')
  t.equal(toFrame(text), toFrame(text))
})
