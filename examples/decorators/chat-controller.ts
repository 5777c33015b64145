import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import {
  JsonMessage,
  SocketRoute,
  type CloseInfo,
  type Message,
  type SocketController,
  type WsConnection
} from 'fastify-socket-route'

/** The types of a connection of the chat. */
type ChatConnection = WsConnection<{
  Params: { room: string }
  User: { name: string }
  Data: { written: number }
}>

/** The members of a room get each other's messages. */
@SocketRoute({ path: '/chat/:room', name: 'chat', isGranted: ['ROLE_USER'] })
export class ChatController implements SocketController<ChatConnection> {
  readonly #log: FastifyBaseLogger
  readonly #rooms = new Map<string, number>()

  /**
   * Runs once, when the controller is registered; `fastify` is the instance that it is registered
   * on.
   */
  constructor (fastify: FastifyInstance) {
    this.#log = fastify.log.child({ controller: 'chat' })
    fastify.get('/rooms', async () => Object.fromEntries(this.#rooms))
  }

  async onOpen (connection: ChatConnection): Promise<JsonMessage> {
    const { data, params: { room }, user } = connection
    data.written = 0
    await connection.join(room)
    this.#rooms.set(room, (this.#rooms.get(room) ?? 0) + 1)
    this.#log.info({ room, name: user.name }, 'came in')
    connection.to(room).send({ came: user.name })
    return new JsonMessage({ welcome: user.name, room })
  }

  onMessage (connection: ChatConnection, message: Message): void {
    connection.data.written++
    connection.to(connection.params.room).send({ from: connection.user.name, text: message.text })
  }

  onClose (connection: ChatConnection, { code }: CloseInfo): JsonMessage {
    const { data, params: { room }, user } = connection
    const left = (this.#rooms.get(room) ?? 1) - 1
    if (left > 0) this.#rooms.set(room, left)
    else this.#rooms.delete(room)
    this.#log.info({ room, name: user.name, code }, 'left')
    connection.to(room).send({ left: user.name })
    return new JsonMessage({ goodbye: user.name, written: data.written })
  }
}
