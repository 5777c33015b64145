import t from 'tap'
import { connect } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

const forbidden = [
  '{"__proto__":{"isAdmin":true}}',
  '{"a":[{"\\u005f_proto__":1}]}',
  '{"constructor":{"prototype":{"isAdmin":true}}}'
]

for (const text of forbidden) {
  t.test(`${text} is refused by message.json(), by a contract, and by REST`, async (t) => {
    const app = await createApp(t)
    let ran = 0
    app.socketRoute('/raw', { onMessage: (_connection, message) => { message.json(); ran++ } })
    app.socketRoute('/told', {
      onMessage: (_connection, message) => { message.json(); ran++ },
      onError: (_connection, error) => error.message
    })
    app.socketRoute('/contract', {
      schema: { in: { say: { data: { type: 'object' } } } },
      on: { say: () => { ran++ } }
    })
    app.post('/rest', async () => { ran++ })
    const url = await listen(app)
    const raw = await connect(`${url}/raw`)
    raw.send(text)
    t.strictSame(await raw.closed, { code: 1007, reason: 'invalid payload' })
    const told = await connect(`${url}/told`)
    told.send(text)
    t.equal(
      await told.next(),
      'The message has a forbidden key: __proto__, or prototype in constructor',
      'it is not called something else than JSON'
    )
    const contract = await connect(`${url}/contract`)
    contract.send(`{"type":"say","data":${text}}`)
    t.match(await contract.json(), { type: 'error', code: 'FSR_ERR_MESSAGE_FORBIDDEN' })
    t.equal(
      (await app.inject({
        method: 'POST',
        url: '/rest',
        headers: { 'content-type': 'application/json' },
        body: text
      })).statusCode,
      400
    )
    t.equal(ran, 0)
  })
}

t.test('a name that only looks like one of a prototype is taken', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onMessage: (_connection, message) => message.json<object>() })
  const client = await connect(await listen(app))
  const text = '{"constructor":"Ada","prototype":1,"a":"__proto__"}'
  client.send(text)
  t.equal(await client.next(), text)
})

t.test('null as a message closes with 1007 and is no failure of the app', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'error', stream: { write: (line) => { lines.push(line) } } } }
  })
  app.socketRoute('/', {
    onMessage (_connection, message) {
      const { text } = message.json<{ text: string }>()
      return { text }
    }
  })
  app.socketRoute('/known', {
    onMessage: (_connection, message) => message.text === 'null'
      ? 'nothing'
      : message.json<object>()
  })
  const url = await listen(app)
  const client = await connect(url)
  client.send('null')
  t.strictSame(await client.closed, { code: 1007, reason: 'invalid payload' })
  for (const [sent, answer] of [
    ['5', '{}'],
    ['"text"', '{}'],
    ['true', '{}'],
    ['[]', '{}']
  ] as const) {
    const other = await connect(url)
    other.send(sent)
    t.equal(await other.next(), answer, `${sent} has members, if none of this name`)
  }
  const known = await connect(`${url}/known`)
  known.send('null')
  t.equal(await known.next(), 'nothing', 'an app that means it looks at the text')
  t.strictSame(lines, [])
})
