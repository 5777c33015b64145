// The client takes its types from what socketRoute returns.
import Fastify from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import 'fastify-socket-route'
import { Type } from 'typebox'
import { connect } from '../../src/client/index.js'
import { is } from './expect.js'

const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()
const chat = app.socketRoute('/chat', {
  schema: {
    in: {
      say: { data: Type.Object({ text: Type.String() }) },
      join: { data: Type.String(), reply: Type.Object({ members: Type.Integer() }) },
      ticks: { stream: Type.Integer() },
      leave: {}
    },
    out: {
      message: Type.Object({ text: Type.String() }),
      bye: null,
      ask: { data: Type.String(), reply: Type.Boolean() }
    }
  },
  on: { say () {}, join: () => ({ members: 1 }), async * ticks () { yield 1 }, leave () {} }
})
const raw = app.socketRoute('/raw', { onMessage: (_connection, message) => message })

const client = connect<typeof chat>('wss://example.test/chat')
client.send('say', { text: 'hello' })
client.send('leave')
is<number>()((await client.request('join', 'lobby')).members)
for await (const tick of client.stream('ticks')) is<number>()(tick)
client.on('message', ({ text }) => { is<string>()(text) })
client.on('ask', (question) => { is<string>()(question); return true })
// @ts-expect-error no such message
client.send('shout', { text: 'hello' })
// @ts-expect-error not its data
client.send('say', { text: 1 })
// @ts-expect-error it needs data
client.send('say')
// @ts-expect-error not a request for one answer
await client.request('ticks')
// @ts-expect-error no such event
client.on('massage', () => {})
// @ts-expect-error not what is to be answered
client.on('ask', () => 'yes')
// @ts-expect-error a route without a contract has no such client
connect<typeof raw>('wss://example.test/raw')
