import t from 'tap'
import { connectTo, pair, WireServer } from './wire-server.js'

t.test('messages sent before the connection come in order, after those of onOpen', async (t) => {
  const server = await WireServer.start(t)
  const client = connectTo(t, server.url)
  client.send('say', 1)
  client.send('say', 2)
  client.onOpen(() => { client.send('join') })
  const connection = await server.accept()
  t.strictSame(await connection.take(3), [
    '{"type":"join"}',
    '{"type":"say","data":1}',
    '{"type":"say","data":2}'
  ])
  client.send('say', 3)
  t.strictSame(await connection.json(), { type: 'say', data: 3 })
})

t.test('messages sent while disconnected come over the next connection', async (t) => {
  const { server, client, connection } = await pair(t)
  connection.socket.terminate()
  await new Promise((resolve) => { client.onClose(resolve) })
  client.send('say', 1)
  const next = await server.accept()
  t.strictSame(await next.json(), { type: 'say', data: 1 })
})

t.test('messages sent while the connection closes come over the next', async (t) => {
  const { server, client, connection } = await pair(t)
  const sent = new Promise<void>((resolve) => {
    client.on('last', () => {
      // The close frame has been read by then, and the end of the connection not.
      setImmediate(() => { client.send('say', 1); resolve() })
    })
  })
  connection.socket.send('{"type":"last"}')
  connection.socket.close(1012)
  await sent
  const next = await server.accept()
  t.strictSame(await next.json(), { type: 'say', data: 1 })
})

t.test('no more waits than may', async (t) => {
  const server = await WireServer.start(t)
  const client = connectTo(t, server.url, { buffer: 2 })
  client.send('say', 1)
  const reply = client.request('ask')
  t.throws(
    () => { client.send('say', 3) },
    { name: 'RequestError', code: 'FSR_CLIENT_BUFFER_FULL' }
  )
  await t.rejects(client.request('ask'), { code: 'FSR_CLIENT_BUFFER_FULL' })
  const connection = await server.accept()
  t.strictSame(await connection.take(2), ['{"type":"say","data":1}', '{"type":"ask","id":2}'])
  client.close()
  await t.rejects(reply, { code: 'FSR_CLIENT_CLOSED' })
})

t.test('messages that have waited in vain are reported to onError', async (t) => {
  const server = await WireServer.start(t)
  const errors: unknown[] = []
  const client = connectTo(t, server.url, { onError (error) { errors.push(error) } })
  client.send('say', 1)
  client.send('say', 2)
  const reply = client.request('ask')
  client.close()
  await t.rejects(reply, { code: 'FSR_CLIENT_CLOSED' })
  await client.closed
  t.match(errors, [{
    name: 'ClientError',
    code: 'FSR_CLIENT_CLOSED',
    message: 'The client is closed, and 2 messages were not sent'
  }])
})

t.test('a client that is closed by its onOpen handler sends nothing that has waited', async (t) => {
  const server = await WireServer.start(t)
  const client = connectTo(t, server.url)
  client.send('say', 1)
  client.onOpen(() => { client.close() })
  const connection = await server.accept()
  await connection.closed
  t.strictSame(connection.unread, [])
})
