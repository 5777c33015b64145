import t from 'tap'
import type { Message } from '../../src/index.js'
import { connect } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

// P4
t.test('a message gives bytes, text and JSON, and says whether it is binary', async (t) => {
  const app = await createApp(t)
  const seen: Message[] = []
  app.socketRoute('/', { onMessage: (_connection, message) => { seen.push(message); return 'ok' } })
  const client = await connect(await listen(app))
  client.send('{"grüß":[1,null]}')
  client.send(Buffer.from([123, 125]))
  await client.take(2)
  const [text, binary] = seen
  t.ok(Buffer.isBuffer(text!.bytes))
  t.equal(text!.isBinary, false)
  t.equal(text!.text, '{"grüß":[1,null]}')
  t.equal(String(text), text!.text, 'as with the data of a socket of ws')
  t.strictSame(text!.json(), { grüß: [1, null] })
  t.not(text!.json(), text!.json(), 'a receiver may change it')
  t.equal(binary!.isBinary, true)
  t.strictSame(binary!.bytes, Buffer.from([123, 125]))
  t.strictSame(binary!.json(), {})
})

// P4
t.test('a relayed message stays text or binary', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', {
    onMessage: (_connection, message, clients) => { clients.broadcast(message) }
  })
  const client = await connect(await listen(app))
  client.send('text')
  client.send(Buffer.from('bytes'))
  client.send('')
  t.strictSame(await client.take(3), ['text', Buffer.from('bytes'), ''])
})

t.test('a message that came in fragments is one message', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onMessage: (_connection, message) => message })
  const client = await connect(await listen(app))
  client.socket.send('a', { fin: false })
  client.socket.ping()
  client.socket.send('b', { fin: false })
  client.socket.send('c', { fin: true })
  t.equal(await client.next(), 'abc')
})

t.test('without onMessage messages are dropped, which the log says', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'debug', stream: { write: (line) => { lines.push(line) } } } }
  })
  const ended = new Promise<void>((resolve) => {
    app.socketRoute('/', { onClose: () => { resolve() } })
  })
  const client = await connect(await listen(app))
  client.send('hello')
  await client.close()
  await ended
  t.ok(lines.some((line) => line.includes('messages were not handled')))
})
