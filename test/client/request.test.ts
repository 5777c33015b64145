import t from 'tap'
import { PendingRequests } from '../../src/client/pending-requests.js'
import { ClientError, RequestError } from '../../src/client/index.js'
import type { Envelope } from '../../src/protocol/envelope.js'
import { withClock } from './clock.js'
import { connectTo, pair, tell, WireServer } from './wire-server.js'

t.test('a request is answered', async (t) => {
  const { client, connection } = await pair(t)
  const reply = client.request('join', { room: 'lobby' })
  t.strictSame(await connection.json(), { type: 'join', data: { room: 'lobby' }, id: 1 })
  tell(connection, { type: 'reply', id: 1, data: { members: 2 } })
  t.strictSame(await reply, { members: 2 })
})

t.test('a request without data has none; without a reply it resolves with undefined', async (t) => {
  const { client, connection } = await pair(t)
  const reply = client.request('leave')
  t.strictSame(await connection.json(), { type: 'leave', id: 1 })
  tell(connection, { type: 'reply', id: 1 })
  t.equal(await reply, undefined)
})

t.test('replies find their requests in any order', async (t) => {
  const { client, connection } = await pair(t)
  const replies = [client.request('a'), client.request('b')]
  const [a, b] = [
    await connection.json(),
    await connection.json()
  ] as [{ id: number }, { id: number }]
  tell(connection, { type: 'reply', id: b.id, data: 'b' })
  tell(connection, { type: 'reply', id: a.id, data: 'a' })
  t.strictSame(await Promise.all(replies), ['a', 'b'])
})

t.test('a message that wants no answer has no id', async (t) => {
  const { client, connection } = await pair(t)
  client.send('say', { text: 'hi' })
  client.send('leave')
  t.equal(await connection.next(), '{"type":"say","data":{"text":"hi"}}')
  t.equal(await connection.next(), '{"type":"leave"}')
})

t.test('a failure rejects with the code, the text and the path of the server', async (t) => {
  const { client, connection } = await pair(t)
  const reply = client.request('join', {})
  await connection.next()
  tell(connection, {
    type: 'error',
    id: 1,
    code: 'FSR_ERR_X',
    message: 'The data is wrong',
    path: '/room'
  })
  const error = await reply.catch((error: unknown) => error)
  t.ok(error instanceof RequestError && error instanceof ClientError)
  t.match(error, {
    name: 'RequestError',
    code: 'FSR_ERR_X',
    message: 'The data is wrong',
    path: '/room'
  })
})

t.test('a request without a reply is cancelled', async (t) => await withClock(async (tick) => {
  const { client, connection } = await pair(t, { timeout: 3_000, ping: false }, tick)
  for (const [given, timeout] of [[undefined, 3_000], [5_000, 5_000]] as const) {
    let isOver = false
    const reply = client.request(
      'slow',
      undefined,
      given === undefined ? {} : { timeout: given }
    ).finally(() => { isOver = true })
    const rejected = t.rejects(reply, {
      name: 'RequestError',
      code: 'FSR_CLIENT_TIMEOUT',
      message: `There was no reply within ${timeout} ms`
    })
    await tick(timeout - 1)
    t.notOk(isOver)
    await tick(2)
    await rejected
  }
  t.match(
    await connection.take(4),
    [
      { type: 'slow', id: 1 },
      { type: 'cancel', id: 1 },
      { type: 'slow', id: 2 },
      { type: 'cancel', id: 2 }
    ].map((message) => JSON.stringify(message))
  )
}))

t.test('a request without a time limit has no timer; one over 2^31-1 ms is refused', async (t) => {
  const { client, connection } = await pair(t, { timeout: Infinity })
  const longest = 2 ** 31 - 1
  const replies = [client.request('slow'), client.request('slow', undefined, { timeout: longest })]
  await connection.take(2)
  for (const id of [1, 2]) tell(connection, { type: 'reply', id, data: id })
  t.strictSame(await Promise.all(replies), [1, 2])
  await t.rejects(client.request('slow', undefined, { timeout: longest + 1 }), RangeError)
})

t.test('a request that is aborted rejects with the reason, and is cancelled', async (t) => {
  const { client, connection } = await pair(t)
  const controller = new AbortController()
  const reply = client.request('slow', undefined, { signal: controller.signal })
  await connection.next()
  const reason = new Error('not needed any more')
  controller.abort(reason)
  await t.rejects(reply, reason)
  t.strictSame(await connection.json(), { type: 'cancel', id: 1 })
})

t.test('a request that was aborted before is not sent', async (t) => {
  const { client, connection } = await pair(t)
  await t.rejects(client.request('slow', undefined, { signal: AbortSignal.abort() }), {
    name: 'AbortError'
  })
  client.send('next')
  t.strictSame(await connection.json(), { type: 'next' })
})

t.test('a signal that aborts after the reply has nothing to cancel', async (t) => {
  const { client, connection } = await pair(t)
  const controller = new AbortController()
  const reply = client.request('quick', undefined, { signal: controller.signal })
  await connection.next()
  tell(connection, { type: 'reply', id: 1, data: 1 })
  t.equal(await reply, 1)
  controller.abort()
  client.send('next')
  t.strictSame(await connection.json(), { type: 'next' })
})

t.test('an answer to no pending request is ignored', async (t) => {
  const errors: unknown[] = []
  const { client, connection } = await pair(t, { onError (error) { errors.push(error) } })
  const reply = client.request('join')
  await connection.next()
  tell(connection, { type: 'reply', id: 99, data: 'made up' })
  tell(connection, { type: 'reply', data: 'to nothing' })
  tell(connection, { type: 'error', id: 'x', code: 'X', message: 'made up' })
  tell(connection, { type: 'reply', id: 1, data: 'first' })
  tell(connection, { type: 'reply', id: 1, data: 'second' })
  tell(connection, { type: 'error', id: 1, code: 'X', message: 'third' })
  t.equal(await reply, 'first')
  const next = client.request('next')
  await connection.next()
  tell(connection, { type: 'reply', id: 2, data: 'next' })
  t.equal(await next, 'next')
  t.strictSame(errors, [])
})

t.test('items of an unrequested stream are not the reply', async (t) => {
  const { client, connection } = await pair(t)
  const reply = client.request('list')
  await connection.next()
  tell(connection, { type: 'reply', id: 1, data: 'item', more: true })
  tell(connection, { type: 'reply', id: 1 })
  t.equal(await reply, undefined)
})

t.test('requests pending when the connection is cut reject, and are not sent again', async (t) => {
  const { server, client, connection } = await pair(t)
  const reply = client.request('pay')
  await connection.next()
  connection.socket.terminate()
  await t.rejects(reply, { name: 'RequestError', code: 'FSR_CLIENT_DISCONNECTED' })
  const next = await server.accept()
  client.send('hello')
  t.strictSame(await next.json(), { type: 'hello' })
})

t.test('requests pending when the server or the client closes for good reject', async (t) => {
  const { client, connection } = await pair(t)
  const reply = client.request('pay')
  await connection.next()
  connection.socket.close(4403, 'access revoked')
  await t.rejects(reply, { name: 'RequestError', code: 'FSR_CLIENT_CLOSED' })
  await t.rejects(client.request('pay'), { code: 'FSR_CLIENT_CLOSED' })
  t.throws(() => { client.send('say') }, { code: 'FSR_CLIENT_CLOSED' })

  const other = await pair(t)
  const another = other.client.request('pay')
  other.client.close()
  await t.rejects(another, { code: 'FSR_CLIENT_CLOSED' })
})

t.test('data that is not JSON rejects, and throws from send', async (t) => {
  const { client, connection } = await pair(t)
  await t.rejects(client.request('say', 1n), TypeError)
  t.throws(() => { client.send('say', 1n) }, TypeError)
  client.send('next')
  t.strictSame(await connection.json(), { type: 'next' })
})

t.test('a request waits for the connection; one cancelled by then is never sent', async (t) => {
  const server = await WireServer.start(t)
  const client = connectTo(t, server.url)
  const controller = new AbortController()
  const aborted = client.request('aborted', undefined, { signal: controller.signal })
  const waiting = client.request('waiting')
  controller.abort()
  await t.rejects(aborted, { name: 'AbortError' })
  const connection = await server.accept()
  const { id } = await connection.json() as { id: number }
  t.equal(id, 2)
  tell(connection, { type: 'reply', id, data: 'done' })
  t.equal(await waiting, 'done')
  t.strictSame(connection.unread, [])
})

t.test('a reply that arrived while the event loop was blocked is in time', async (t) => {
  const timers: Array<() => void> = []
  t.intercept(globalThis, 'setTimeout', { value: (run: () => void) => timers.push(run) })
  t.intercept(globalThis, 'clearTimeout', { value: () => {} })
  const given: unknown[] = []
  const requests = new PendingRequests((id) => { given.push(`withdrawn ${id}`) }, () => {})
  const call = {
    onReply: (data: unknown) => { given.push(data) },
    onFailure: (error: unknown) => { given.push((error as Error).message) }
  }
  for (const id of [1, 2]) requests.add(id, call, { timeout: 1_000 })
  for (const fire of timers.splice(0)) fire()
  requests.reply({ id: 1, data: 'in time' } as Envelope)
  for (const fire of timers) fire()
  t.strictSame(given, ['in time', 'withdrawn 2', 'There was no reply within 1000 ms'])
})

t.test('a request that has ended does not listen to its signal any more', async (t) => {
  const { client, connection } = await pair(t)
  const listeners = new Set<unknown>()
  const signal = Object.assign(new EventTarget(), {
    aborted: false,
    addEventListener (_type: string, listener: unknown) { listeners.add(listener) },
    removeEventListener (_type: string, listener: unknown) { listeners.delete(listener) }
  }) as unknown as AbortSignal
  for (const answer of [
    { type: 'reply', id: 1 },
    { type: 'error', id: 2, code: 'NO', message: 'no' }
  ]) {
    const request = client.request('ask', undefined, { signal })
    await connection.next()
    t.equal(listeners.size, 1)
    tell(connection, answer)
    await request.catch(() => {})
    t.equal(listeners.size, 0, answer.type)
  }
})
