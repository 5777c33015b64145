// Classes as controllers: the class, an instance of it, and decorated.
import type { UserType } from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import {
  SocketRoute,
  type Clients,
  type CloseInfo,
  type Message,
  type SocketController,
  type WsConnection
} from 'fastify-socket-route'
import { is } from './expect.js'

interface User { sub: string, roles: string[] }
interface Data { count: number }
type ChatConnection = WsConnection<{ Params: { room: string }, User: User, Data: Data }>

const app = Fastify()

@SocketRoute({ path: '/decorated/:room', name: 'decorated', isGranted: ['ROLE_USER'] })
class ChatController implements SocketController<ChatConnection> {
  readonly #fastify: FastifyInstance

  constructor (fastify: FastifyInstance) {
    this.#fastify = fastify
  }

  onOpen (connection: ChatConnection) {
    this.#fastify.log.info(connection.id)
    connection.data = { count: 0 }
    return `Hello ${connection.user.sub}`
  }

  onMessage (connection: ChatConnection, message: Message, clients: Clients<ChatConnection>) {
    for (const client of clients) is<Data>()(client.data)
    clients.broadcast(message, { except: connection })
  }

  async onClose ({ data }: ChatConnection, { code }: CloseInfo) {
    return { code, count: data.count }
  }
}

// Decorated: the handle knows the connections.
const decorated = app.socketController(ChatController)
for (const client of decorated.clients) {
  is<Data>()(client.data)
  is<{ room: string }>()(client.params)
  is<User>()(client.user)
}
for (const client of decorated.to('lobby').local) is<Data>()(client.data)

// A class, and an instance whose data has the type of the generics.
app.socketRoute('/class/:room', ChatController, ['ROLE_USER'])
app.socketRoute('/class/:room', ChatController, { isGranted: (user) => user !== '', name: 'class' })
app.socketRoute<{ Params: { room: string }, User: User, Data: Data }>(
  '/instance/:room',
  new ChatController(app),
  'ROLE_USER'
)
const instance = new ChatController(app)
// @ts-expect-error other parameters
app.socketRoute<{ Params: { city: string }, User: User, Data: Data }>('/:city', instance, 'ROLE')

// A class that does not say what its connections are.
class Plain {
  onOpen () { return 'hi' }
}
app.socketRoute('/plain', Plain)
app.socketRoute('/plain', new Plain())
for (const client of app.socketController(Plain).clients) client.send('hi')

class Wrong {
  onOpen () { return 1 }
}
// @ts-expect-error a number cannot be sent
app.socketRoute('/wrong', Wrong)
// @ts-expect-error a number cannot be sent
app.socketRoute('/wrong', new Wrong())
// @ts-expect-error a number cannot be sent
app.socketController(Wrong)
// @ts-expect-error not a controller
@SocketRoute({ path: '/wrong' })
export class Decorated extends Wrong {}
@SocketRoute({ path: '/predicate', isGranted: (user) => { is<UserType>()(user); return true } })
export class Guarded extends Plain {}
// @ts-expect-error a typo, and everyone would come in
@SocketRoute({ path: '/typo', isGrantd: 'ROLE_USER' })
export class Unguarded extends Plain {}
// @ts-expect-error no path
@SocketRoute({ name: 'wrong' })
export class WithoutPath extends Plain {}

class Asking {
  constructor (readonly path: string) {}
  onOpen () { return this.path }
}
// @ts-expect-error it would be constructed with a Fastify instance
app.socketRoute('/asking', Asking)
app.socketRoute('/asking', new Asking('/asking'))
// @ts-expect-error neither a class nor an instance
app.socketController(() => 'hi')
// @ts-expect-error a function is no controller
app.socketRoute('/function', () => 'hi')
