import { once } from 'node:events'
import t from 'tap'
import { connectTo, pair, tell, WireServer } from './wire-server.js'

t.test('handlers get the events of their type, until they are taken away', async (t) => {
  const { client, connection } = await pair(t)
  const got: unknown[] = []
  const handler = (data: unknown) => { got.push(data) }
  const off = client.on('message', handler)
  client.on('message', handler)
  const ended = new Promise((resolve) => { client.on('end', resolve) })
  tell(connection, { type: 'message', data: 1 })
  tell(connection, { type: 'other', data: 2 })
  const first = client.request('x')
  await connection.next()
  tell(connection, { type: 'reply', id: 1 })
  await first
  t.strictSame(got, [1, 1], 'a handler that is there twice is called twice')
  off()
  off()
  tell(connection, { type: 'message', data: 3 })
  tell(connection, { type: 'end' })
  t.equal(await ended, undefined)
  t.strictSame(got, [1, 1, 3])
})

t.test('a handler that the server asks answers, also later', async (t) => {
  const { client, connection } = await pair(t)
  client.on('sum', (data) => { const [a, b] = data as [number, number]; return a + b })
  client.on('sum', () => 'a second handler does not answer')
  client.on('later', async () => 'later')
  client.on('done', () => {})
  tell(connection, { type: 'sum', data: [1, 2], id: 'q1' })
  t.strictSame(await connection.json(), { type: 'reply', id: 'q1', data: 3 })
  tell(connection, { type: 'later', id: 7 })
  t.strictSame(await connection.json(), { type: 'reply', id: 7, data: 'later' })
  tell(connection, { type: 'done', id: 8 })
  t.strictSame(await connection.json(), { type: 'reply', id: 8 })
  tell(connection, { type: 'nobody', id: 9 })
  t.strictSame(await connection.json(), {
    type: 'error',
    id: 9,
    code: 'FSR_CLIENT_NO_HANDLER',
    message: 'The client has no handler for this event'
  })
  const loop = client.events('nobody')[Symbol.asyncIterator]()
  tell(connection, { type: 'nobody', id: 10, data: 'seen' })
  t.match(
    await connection.json(),
    { id: 10, code: 'FSR_CLIENT_NO_HANDLER' },
    'a loop answers nothing'
  )
  t.same(await loop.next(), { value: 'seen', done: false })
  client.on('nobody', () => 'somebody')
  tell(connection, { type: 'nobody', id: 11 })
  t.strictSame(await connection.json(), { type: 'reply', id: 11, data: 'somebody' })
})

t.test('the older of two requests with one id is dropped', async (t) => {
  const { client, connection } = await pair(t)
  const signals: AbortSignal[] = []
  client.on('ask', async (data, { signal }) => {
    signals.push(signal)
    if (data === 'older') await once(signal, 'abort')
    return data
  })
  tell(connection, { type: 'ask', id: 1, data: 'older' })
  tell(connection, { type: 'ask', id: 1, data: 'newer' })
  t.strictSame(await connection.json(), { type: 'reply', id: 1, data: 'newer' })
  t.strictSame(signals.map(({ aborted }) => aborted), [true, false])
  t.same(connection.unread, [])
})

t.test('a failing handler answers a fixed text, and its error goes to onError', async (t) => {
  const errors: unknown[] = []
  const { client, connection } = await pair(t, { onError (error) { errors.push(error) } })
  client.on('ask', () => { throw new Error('the password is 1234') })
  client.on('cycle', () => 1n)
  client.on('notice', async () => { throw new Error('later') })
  for (const type of ['ask', 'cycle']) {
    tell(connection, { type, id: 1 })
    t.strictSame(await connection.json(), {
      type: 'error',
      id: 1,
      code: 'FSR_CLIENT_HANDLER_FAILED',
      message: 'The handler of the client failed'
    })
  }
  tell(connection, { type: 'notice' })
  tell(connection, { type: 'ask', id: 2 })
  await connection.next()
  t.strictSame(errors.map((error) => (error as Error).message).sort(), [
    'Do not know how to serialize a BigInt',
    'later',
    'the password is 1234',
    'the password is 1234'
  ])
})

t.test('without onError what a handler throws does not pass unseen', async (t) => {
  const { client, connection } = await pair(t)
  const uncaught = t.captureFn(() => {})
  const listeners = process.rawListeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', uncaught)
  t.teardown(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener as never)
  })
  client.on('message', () => { throw new Error('in a handler') })
  const thrown = once(process, 'uncaughtException')
  tell(connection, { type: 'message' })
  t.match(await thrown, [{ message: 'in a handler' }])
  t.ok(client.isOpen, 'and the connection stays')
})

t.test('an answer that the server does not want any more is not sent', async (t) => {
  const errors: unknown[] = []
  const { client, connection } = await pair(t, { onError (error) { errors.push(error) } })
  let answer: undefined | ((value: unknown) => void)
  const aborted = new Promise((resolve) => {
    client.on('slow', async (_data, { signal }) => {
      signal.addEventListener('abort', resolve)
      return await new Promise((resolve) => { answer = resolve })
    })
  })
  client.on('failing', async (_data, { signal }) => {
    await once(signal, 'abort')
    throw signal.reason
  })
  tell(connection, { type: 'slow', id: 1 })
  tell(connection, { type: 'failing', id: 2 })
  for (const id of [1, 2, 3]) tell(connection, { type: 'cancel', id })
  tell(connection, { type: 'cancel' })
  await aborted
  answer!('too late')
  const next = client.request('next')
  t.match(await connection.json(), { type: 'next' })
  tell(connection, { type: 'reply', id: 1 })
  await next
  t.strictSame(errors, [], 'and that the handler failed because of it is no fault')
})

t.test('an answer is not sent over another connection than that of the question', async (t) => {
  const { server, client, connection } = await pair(t)
  let answer: undefined | ((value: unknown) => void)
  const asked = new Promise<AbortSignal>((resolve) => {
    client.on('slow', async (_data, { signal }) => {
      resolve(signal)
      return await new Promise((resolve) => { answer = resolve })
    })
  })
  tell(connection, { type: 'slow', id: 1 })
  const signal = await asked
  connection.socket.terminate()
  const next = await server.accept()
  await client.opened
  t.ok(signal.aborted)
  answer!('too late')
  await new Promise(setImmediate)
  client.send('next')
  t.strictSame(await next.json(), { type: 'next' })
})

t.test('a loop over events gets later events of all connections, until the close', async (t) => {
  const { server, client, connection } = await pair(t)
  const events = client.events('message')
  const loop = (async () => {
    const got: unknown[] = []
    for await (const event of events) got.push(event)
    return got
  })()
  const iterator = events[Symbol.asyncIterator]()
  tell(connection, { type: 'message', data: 1 })
  t.strictSame(await iterator.next(), { value: 1, done: false }, 'each loop gets all')
  connection.socket.terminate()
  const next = await server.accept()
  tell(next, { type: 'message', data: 2 })
  t.strictSame(await iterator.next(), { value: 2, done: false })
  await iterator.return!()
  client.close()
  t.strictSame(await loop, [1, 2])
  for await (const event of events) t.fail(`${String(event)} after the end`)
})

t.test('a loop over events can be ended by a signal', async (t) => {
  const { client, connection } = await pair(t)
  const controller = new AbortController()
  const iterator = client.events('message', { signal: controller.signal })[Symbol.asyncIterator]()
  tell(connection, { type: 'message', data: 1 })
  t.match(await iterator.next(), { value: 1 })
  controller.abort()
  t.match(await iterator.next(), { done: true })
  for await (const event of client.events('message', { signal: controller.signal })) {
    t.fail(`${String(event)} after the end`)
  }
})

t.test('a loop that is too slow for its events ends with an error', async (t) => {
  const { client, connection } = await pair(t)
  const ended = new Promise((resolve) => { client.on('end', resolve) })
  const iterator = client.events('message', { buffer: 1 })[Symbol.asyncIterator]()
  for (const data of [1, 2, 3]) tell(connection, { type: 'message', data })
  tell(connection, { type: 'end' })
  await ended
  t.match(await iterator.next(), { value: 1 })
  await t.rejects(iterator.next(), { code: 'FSR_CLIENT_OVERFLOW' })
})

t.test('a message outside the protocol is reported to onError, and is harmless', async (t) => {
  const errors: unknown[] = []
  const { client, connection } = await pair(t, { onError (error) { errors.push(error) } })
  const ended = new Promise((resolve) => { client.on('end', resolve) })
  for (const text of ['', '{', 'null', '1', '[]', '{"type":1}', '"reply"']) {
    connection.socket.send(text)
  }
  connection.socket.send(Buffer.from([1, 2, 3]))
  tell(connection, { type: 'error', code: 'FSR_ERR_X', message: 'of no request', path: '/text' })
  tell(connection, { type: 'error' })
  tell(connection, { type: 'end', id: {} })
  await ended
  t.strictSame(errors.map((error) => (error as { code: string }).code), [
    ...Array(8).fill('FSR_CLIENT_PROTOCOL'),
    'FSR_ERR_X',
    ''
  ])
  t.match(errors[8], { name: 'RequestError', message: 'of no request', path: '/text' })

  const quiet = await WireServer.start(t)
  const other = connectTo(t, quiet.url)
  const accepted = await quiet.accept()
  const done = new Promise((resolve) => { other.on('end', resolve) })
  accepted.socket.send('{')
  tell(accepted, { type: 'end' })
  await done
  t.ok(other.isOpen, 'also without onError')
})
