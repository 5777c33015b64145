import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault
} from 'fastify'
import socketRoutes, { ReplyError } from 'fastify-socket-route'

type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

const Room = Type.Object({ room: Type.String({ minLength: 1, maxLength: 20 }) })
const Line = Type.Object({ from: Type.String(), text: Type.String() })
const KEPT = 50
const ROOMS = 100
const SEATS = 10

/** Creates an app with one socket route, whose contract has the schema of each message. */
export async function createApp (fastify?: FastifyServerOptions): Promise<App> {
  const app = Fastify(fastify).withTypeProvider<TypeBoxTypeProvider>()
  await app.register(socketRoutes)
  addChat(app)
  return app
}

/** The type for clients: `connect<Chat>(…)`. */
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
        // The server asks back, and the client answers.
        connection.data['name'] = await connection.request('nickname', undefined, {
          timeout: 60_000
        })
        // After everything that is awaited, so that no other message comes in between.
        if (connection.to(room).local.size >= SEATS) {
          throw new ReplyError('ROOM_FULL', 'There is no seat left', { path: '/room' })
        }
        const others = [...connection.rooms].filter((other) => other !== room)
        await connection.join(room)
        for (const other of others) await connection.leave(other)
        return { members: connection.to(room).local.size + 1 }
      },

      say (connection, { text }) {
        const line = { from: String(connection.data['name'] ?? 'somebody'), text }
        for (const room of connection.rooms) {
          const said = [...lines.get(room) ?? [], line].slice(-KEPT)
          // To the end, so that the first is the one where nothing has been said for longest:
          // clients choose the names.
          lines.delete(room)
          lines.set(room, said)
          if (lines.size > ROOMS) lines.delete([...lines.keys()][0]!)
          connection.to(room).send('line', line)
        }
      },

      async * history (_connection, { room }) {
        yield * lines.get(room) ?? []
      }
    }
  })
}
