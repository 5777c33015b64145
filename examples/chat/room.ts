import type { FastifyInstance } from 'fastify'
import { JsonMessage, type Grant, type Message, type WsConnection } from 'fastify-socket-route'
import type { User } from './users.js'

// What the connections of a room have: a user, where the room is guarded, and the name they chat under.
interface Chat {
  User: null | User
  Data: { name: string }
}

const LONGEST_TEXT = 500

/**
 * Adds a room at `/chat/<name>`. A client sends `{ text }` and gets, as JSON:
 *
 * - `{ type: 'welcome', you }` when it has come in: the name it has here
 * - `{ type: 'members', names }` when somebody came or left
 * - `{ type: 'message', from, text, at }` when somebody wrote, itself included
 * - `{ type: 'error', text }` when what it sent was not understood
 * - `{ type: 'announcement', from, text }` from the REST endpoint
 * - `{ type: 'system', text }` from the server itself
 */
export function addRoom (app: FastifyInstance, name: string, isGranted?: Grant) {
  app.socketRoute<Chat>(`/chat/${name}`, {
    onOpen (connection, clients) {
      connection.data.name = connection.user?.name ?? `guest-${connection.id.slice(0, 4)}`
      connection.log.info({ name: connection.data.name, room: name }, 'came in')
      clients.broadcast(members(clients))
      return new JsonMessage({ type: 'welcome', you: connection.data.name })
    },

    onMessage (connection, message, clients) {
      const text = textOf(message)
      if (text === undefined) return new JsonMessage({ type: 'error', text: `A message has 1 to ${LONGEST_TEXT} characters of text` })
      clients.broadcast(new JsonMessage({ type: 'message', from: connection.data.name, text, at: Date.now() }))
    },

    // Reaches the client only if the server closes, as it does when it stops: whoever left is gone.
    onClose (connection, { code }, clients) {
      connection.log.info({ name: connection.data.name, room: name, code }, 'left')
      clients.broadcast(members(clients))
      return new JsonMessage({ type: 'system', text: 'The server closes this connection. Goodbye!' })
    },

    // Nothing that goes wrong above ends the connection, let alone the process.
    onError (connection, error) {
      connection.log.warn({ err: error }, 'a message was not handled')
      return new JsonMessage({ type: 'error', text: 'The server did not understand this message' })
    }
  }, isGranted === undefined ? {} : { isGranted })
}

// By name, so that a user in two tabs counts once.
function members (clients: Iterable<WsConnection<Chat>>): JsonMessage {
  const names = new Set([...clients].map(({ data }) => data.name))
  return new JsonMessage({ type: 'members', names: [...names].sort() })
}

// Throws if the message is not JSON, for onError to answer.
function textOf (message: Message): undefined | string {
  const body = message.json<null | { text?: unknown }>()
  const text = typeof body?.text === 'string' ? body.text.trim() : ''
  return text.length > 0 && text.length <= LONGEST_TEXT ? text : undefined
}
