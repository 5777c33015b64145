// A contract says what may be sent, in both directions, in one object.
import Fastify from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { is } from './expect.js'

const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()

// Exported, so that every type in it has to have a name that its users can write.
export const chat = app.socketRoute('/chat/:room', {
  schema: {
    in: {
      say: { data: Type.Object({ text: Type.String() }) },
      join: { data: Type.Object({ room: Type.String() }), reply: Type.Object({ members: Type.Number() }) },
      ticks: { data: Type.Number(), stream: Type.Object({ at: Type.Number() }) },
      leave: {}
    },
    out: {
      message: Type.Object({ from: Type.String(), text: Type.String() }),
      bye: { data: Type.Number() },
      ask: { data: Type.Object({ question: Type.String() }), reply: Type.Boolean() }
    }
  },
  on: {
    say (connection, data, context) {
      is<{ text: string }>()(data)
      is<{ room: string }>()(connection.params)
      is<AbortSignal>()(context.signal)
      connection.to('lobby').send('message', { from: connection.id, text: data.text })
      context.clients.broadcast('bye', 1, { except: connection })
      // @ts-expect-error no such message
      connection.send('massage', { from: '', text: '' })
      // @ts-expect-error not its data
      connection.send('message', { from: 1, text: '' })
      // @ts-expect-error not a raw message
      connection.send('message')
    },
    async join (connection, { room }) {
      is<string>()(room)
      await connection.join(room)
      return { members: 1 }
    },
    async * ticks (_connection, count) {
      is<number>()(count)
      yield { at: 1 }
    },
    leave (_connection, data) { is<undefined>()(data) }
  },
  onOpen (connection) { connection.send('message', { from: 'server', text: 'hi' }) }
}, ['ROLE_USER'])

chat.to('lobby').send('message', { from: 'server', text: 'hi' })
// @ts-expect-error
chat.to('lobby').send('message', { from: 'server', text: 1 })
chat.broadcast('message', { from: 'server', text: 'hi' }, {})
type Seen = NonNullable<(typeof chat)['~contract']>
declare const seen: Seen
is<{ room: string }>()(seen.in.join.data)
is<{ members: number }>()(seen.in.join.reply)
is<{ at: number }>()(seen.in.ticks.stream)
is<undefined>()(seen.in.say.reply)
is<boolean>()(seen.out.ask.reply)

export const raw = app.socketRoute('/raw/:room', { onMessage: (_connection, message) => message }, 'ROLE_USER')

// What is validated before the upgrade is typed as on any route.
export const pages = app.socketRoute('/pages/:page', {
  schema: { in: { turn: {} } },
  on: {
    turn (connection) {
      is<{ page: number }>()(connection.params)
      is<{ size?: number }>()(connection.query)
      is<string>()(connection.headers['x-device'])
    }
  }
}, { schema: { params: Type.Object({ page: Type.Integer() }), querystring: Type.Object({ size: Type.Optional(Type.Integer()) }), headers: Type.Object({ 'x-device': Type.String() }) } })
for (const client of pages.clients) is<{ page: number }>()(client.params)
