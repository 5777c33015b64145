import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { defineController, type Grant } from 'fastify-socket-route'
import type { User } from './users.js'

// The types of a room's connections: a user, if the room is guarded, and the name in the chat.
interface Chat {
  User: null | User
  Data: { name: string }
}

const Text = Type.String({ minLength: 1, maxLength: 500, pattern: '\\S' })

// The messages that a client may send, and those that it gets.
const schema = {
  in: {
    say: { data: Type.Object({ text: Text }) }
  },
  out: {
    /** When it has come in: the name it has here. */
    welcome: Type.Object({ you: Type.String() }),
    /** When a member came or left. */
    members: Type.Object({ names: Type.Array(Type.String()) }),
    /** When a member wrote, the client itself included. */
    message: Type.Object({ from: Type.String(), text: Type.String(), at: Type.Number() }),
    /** From the REST endpoint. */
    announcement: Type.Object({ from: Type.String(), text: Type.String() }),
    /** From the server itself. */
    system: Type.Object({ text: Type.String() })
  }
}

/**
 * Adds a room at `/chat/<name>`. What does not fit the contract is answered with an error by the
 * plugin.
 */
export function addRoom (app: FastifyInstance, name: string, isGranted?: Grant) {
  const controller = defineController<TypeBoxTypeProvider, Chat>()({
    schema,

    on: {
      say (connection, { text }, { clients }) {
        clients.broadcast('message', {
          from: connection.data.name,
          text: text.trim(),
          at: Date.now()
        })
      }
    },

    onOpen (connection, clients) {
      connection.data.name = connection.user?.name ?? `guest-${connection.id.slice(0, 4)}`
      connection.log.info({ name: connection.data.name, room: name }, 'came in')
      clients.broadcast('members', { names: namesOf(clients) })
      connection.send('welcome', { you: connection.data.name })
    },

    // Reaches the client only if the server closes, as at a stop; otherwise the client has left.
    onClose (connection, { code }, clients) {
      connection.log.info({ name: connection.data.name, room: name, code }, 'left')
      clients.broadcast('members', { names: namesOf(clients) })
      connection.send('system', { text: 'The server closes this connection. Goodbye!' })
    },

    // The client has been answered by then, and the connection goes on.
    onError (connection, error) {
      connection.log.warn({ err: error }, 'a message was not handled')
    }
  })
  return app.withTypeProvider<TypeBoxTypeProvider>().socketRoute(
    `/chat/${name}`,
    controller,
    isGranted === undefined ? {} : { isGranted }
  )
}

// By name, so that a user in two tabs counts once.
function namesOf (clients: Iterable<{ readonly data: Chat['Data'] }>): string[] {
  return [...new Set([...clients].map(({ data }) => data.name))].sort()
}
