// docs/protocol.md is enough to write a client in another language: the one that it shows speaks to
// a route with a contract.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import t from 'tap'
import { python, skipsWithoutPython } from '../support/python.js'
import { createApp, listen } from '../support/server.js'

t.test('the client in Python of the documents does what they say', {
  skip: skipsWithoutPython ?? false
}, async (t) => {
  if (python === undefined) {
    throw new Error(
      'There is no Python with the package websockets. Install it: apt-get install ' +
      'python3-websockets'
    )
  }
  const [, client] = /^```python\n([^]*?)^```$/m.exec(readFileSync('docs/protocol.md', 'utf8'))!
  const script = join(t.testdir(), 'client.py')
  writeFileSync(script, client! + readFileSync('test/support/protocol-client.py', 'utf8'))

  const app = (await createApp(t)).withTypeProvider<TypeBoxTypeProvider>()
  app.socketRoute('/chat', {
    schema: {
      in: {
        join: {
          data: Type.Object({ room: Type.String({ minLength: 3 }) }),
          reply: Type.Object({ members: Type.Integer() })
        },
        say: { data: Type.Object({ text: Type.String() }) },
        count: { data: Type.Integer(), stream: Type.Integer() },
        confirm: { reply: Type.Boolean() }
      },
      out: { message: Type.Object({ text: Type.String() }), sure: { reply: Type.Boolean() } }
    },
    on: {
      async join (connection, { room }) {
        await connection.join(room)
        return { members: connection.to(room).local.size + 1 }
      },
      say (connection, { text }) { connection.send('message', { text }) },
      async * count (_connection, to) { for (let number = 1; number <= to; number++) yield number },
      confirm: async (connection) => await connection.request('sure')
    }
  })
  const child = spawn(python, [script, `${await listen(app)}/chat`], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  t.equal(code, 0)
  t.same(JSON.parse(output), {
    reply: { members: 1 },
    handled: null,
    items: [1, 2, 3],
    error: 'FSR_ERR_DATA_INVALID',
    asked: true,
    events: [['message', { text: 'hello' }], ['sure', null]]
  })
})
