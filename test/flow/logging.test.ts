import t from 'tap'
import { connect, refusal } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'

// P40, invariant 8
t.test('tokens and payloads reach no log, no error text and no echoed sub-protocol', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'trace', stream: { write: (line) => { lines.push(line) } } } }
  })
  app.socketRoute('/', {
    onOpen: () => 'PAYLOAD-1',
    onMessage: (connection, message) => {
      if (message.text.startsWith('json')) return message.json() as object
      if (message.text.startsWith('close')) connection.close(4000)
      return message
    },
    onClose: () => 'PAYLOAD-2'
  }, { isGranted: 'ROLE_USER', maxPayload: 1000 })
  const url = await listen(app)
  const token = tokenOf(app)
  const answers: unknown[] = []
  for (const text of ['PAYLOAD-3', 'json PAYLOAD-4', 'close PAYLOAD-5', 'PAYLOAD-6'.repeat(200)]) {
    const client = await connect(url, ['bearer', token])
    client.send(text)
    client.send('PAYLOAD-7')
    if (text === 'PAYLOAD-3') await client.take(3)
    answers.push(await client.close(), client.socket.protocol)
  }
  answers.push(
    await refusal(url, ['bearer', `${token}x`]),
    await refusal(url, [], { headers: { authorization: `Bearer ${token}x` } })
  )
  await app.close()
  const log = lines.join('')
  t.match(log, /connection closed after an error/)
  t.notMatch(log, /PAYLOAD/)
  const signature = token.split('.')[2]!
  t.notOk(log.includes(signature))
  t.notOk(JSON.stringify(answers).includes(signature))
  t.notMatch(JSON.stringify(answers), /PAYLOAD/)
})

// P31, P40
t.test('a failure that no onError deals with is logged with its stack', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'error', stream: { write: (line) => { lines.push(line) } } } }
  })
  app.socketRoute('/', { onMessage: () => { throw new Error('the database is down') } })
  const client = await connect(await listen(app))
  client.send('x')
  t.strictSame(
    await client.closed,
    { code: 1011, reason: 'internal error' },
    'the client is not told what it was'
  )
  const line = JSON.parse(lines[0]!)
  t.equal(line.msg, 'connection closed after an error')
  t.match(line.err.stack, /the database is down[^]*logging\.test/)
  t.ok(line.connection)
})
