import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyServerOptions, type RawReplyDefaultExpression, type RawRequestDefaultExpression, type RawServerDefault } from 'fastify'
import socketRoutes, { ReplyError } from 'fastify-socket-route'

type App = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, TypeBoxTypeProvider>

const Room = Type.Object({ room: Type.String({ minLength: 1, maxLength: 20 }) })
const Line = Type.Object({ from: Type.String(), text: Type.String() })
const KEPT = 50
const SEATS = 10

/** Makes an app with one socket route, whose contract says what each message is. */
export async function createApp (fastify?: FastifyServerOptions): Promise<App> {
  const app = Fastify(fastify).withTypeProvider<TypeBoxTypeProvider>()
  await app.register(socketRoutes)
  addChat(app)
  return app
}

/** What clients need to know of it: `connect<Chat>(…)`. It is a type and nothing else. */
export type Chat = ReturnType<typeof addChat>

function addChat (app: App) {
  const lines = new Map<string, Array<{ from: string, text: string }>>()

  return app.socketRoute('/chat', {
    schema: {
      in: {
        join: { data: Room, reply: Type.Object({ members: Type.Integer() }) },
        say: { data: Type.Object({ text: Type.String({ minLength: 1, maxLength: 200 }) }) },
        history: { data: Room, stream: Line }
      },
      out: {
        line: Line,
        nickname: { reply: Type.String({ minLength: 1, maxLength: 20 }) }
      }
    },

    on: {
      async join (connection, { room }) {
        if (connection.to(room).size >= SEATS) throw new ReplyError('ROOM_FULL', 'There is no seat left', { path: '/room' })
        // The server asks back, and the client answers.
        connection.data['name'] = await connection.request('nickname', undefined, { timeout: 60_000 })
        for (const other of connection.rooms) await connection.leave(other)
        await connection.join(room)
        return { members: connection.to(room).size + 1 }
      },

      say (connection, { text }) {
        const line = { from: String(connection.data['name'] ?? 'somebody'), text }
        for (const room of connection.rooms) {
          lines.set(room, [...lines.get(room) ?? [], line].slice(-KEPT))
          connection.to(room).send('line', line)
        }
      },

      async * history (_connection, { room }) {
        yield * lines.get(room) ?? []
      }
    }
  })
}
