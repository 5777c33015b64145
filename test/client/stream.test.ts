import t from 'tap'
import type { Client } from '../support/client.js'
import { pair, tell } from './wire-server.js'

async function collect (items: AsyncIterable<unknown>): Promise<unknown[]> {
  const collected = []
  for await (const item of items) collected.push(item)
  return collected
}

function sendItems (connection: Client, id: number, items: unknown[]): void {
  for (const data of items) tell(connection, { type: 'reply', id, data, more: true })
}

t.test('a stream is asked for when it is iterated, and ends with the last reply', async (t) => {
  const { client, connection } = await pair(t)
  const items = client.stream('history', { room: 'lobby' })
  client.send('before')
  t.strictSame(await connection.json(), { type: 'before' })
  const collected = collect(items)
  t.strictSame(await connection.json(), { type: 'history', data: { room: 'lobby' }, id: 2 })
  sendItems(connection, 2, ['a', 'b'])
  tell(connection, { type: 'reply', id: 2 })
  t.strictSame(await collected, ['a', 'b'])

  const again = collect(items)
  t.match(await connection.json(), { type: 'history', id: 3 }, 'each iteration asks anew')
  tell(connection, { type: 'reply', id: 3 })
  t.strictSame(await again, [])
  client.send('after')
  t.strictSame(await connection.json(), { type: 'after' }, 'nothing is cancelled')
})

t.test('a loop that is left early cancels the stream', async (t) => {
  const { client, connection } = await pair(t)
  const asked = connection.json().then(() => { sendItems(connection, 1, [1, 2, 3]) })
  for await (const item of client.stream('count')) {
    if (item === 2) break
    t.equal(item, 1)
  }
  await asked
  t.strictSame(await connection.json(), { type: 'cancel', id: 1 })
  sendItems(connection, 1, [4])
  tell(connection, { type: 'reply', id: 1 })
  const reply = client.request('next')
  await connection.next()
  tell(connection, { type: 'reply', id: 2, data: 'late items are ignored' })
  t.equal(await reply, 'late items are ignored')
})

t.test('a failure is thrown after the items that came before it', async (t) => {
  const { client, connection } = await pair(t)
  const iterator = client.stream('count')[Symbol.asyncIterator]()
  await connection.next()
  sendItems(connection, 1, [1])
  tell(connection, { type: 'error', id: 1, code: 'FSR_ERR_X', message: 'failed' })
  t.strictSame(await iterator.next(), { value: 1, done: false })
  await t.rejects(iterator.next(), { name: 'RequestError', code: 'FSR_ERR_X' })
  t.strictSame(await iterator.next(), { value: undefined, done: true }, 'once')
})

t.test('a stream that is aborted is cancelled, and throws the reason', async (t) => {
  const { client, connection } = await pair(t)
  const controller = new AbortController()
  const items = client.stream('count', undefined, { signal: controller.signal })
  const collected = collect(items)
  await connection.next()
  controller.abort()
  await t.rejects(collected, { name: 'AbortError' })
  t.strictSame(await connection.json(), { type: 'cancel', id: 1 })
  await t.rejects(collect(items), { name: 'AbortError' }, 'also when it begins afterwards')
  client.send('next')
  t.strictSame(await connection.json(), { type: 'next' })
})

t.test('a stream ends with an error when the connection is cut, and is not repeated', async (t) => {
  const { server, client, connection } = await pair(t)
  const collected = collect(client.stream('count'))
  await connection.next()
  connection.socket.terminate()
  await t.rejects(collected, { code: 'FSR_CLIENT_DISCONNECTED' })
  const next = await server.accept()
  client.send('hello')
  t.strictSame(await next.json(), { type: 'hello' })
  client.close()
  await t.rejects(collect(client.stream('count')), { code: 'FSR_CLIENT_CLOSED' })
})

t.test('a slow iteration gets the waiting items, then an error, and is cancelled', async (t) => {
  const { client, connection } = await pair(t)
  const iterator = client.stream('count', undefined, { buffer: 2 })[Symbol.asyncIterator]()
  await connection.next()
  sendItems(connection, 1, [1, 2, 3, 4])
  t.strictSame(await connection.json(), { type: 'cancel', id: 1 })
  t.match(await iterator.next(), { value: 1 })
  t.match(await iterator.next(), { value: 2 })
  await t.rejects(iterator.next(), {
    code: 'FSR_CLIENT_OVERFLOW',
    message: 'More than 2 items wait to be iterated'
  })
})
