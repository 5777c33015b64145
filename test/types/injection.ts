// Controllers that a container or a factory makes.
import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import {
  SocketRoute,
  baseController,
  type SocketController,
  type WsConnection
} from 'fastify-socket-route'
import { is } from './expect.js'

interface Data { count: number }
type Connection = WsConnection<{ Params: { room: string }, Data: Data }>
class Repository { find () { return 'found' } }

@SocketRoute({ path: '/injected/:room', isGranted: 'ROLE_USER' })
class Injected implements SocketController<Connection> {
  constructor (readonly repository: Repository) {}
  onOpen ({ data }: Connection) { return { count: data.count, found: this.repository.find() } }
}

@SocketRoute({ path: '/plain' })
class Plain {
  constructor (readonly repository: Repository) {}
  onOpen () { return this.repository.find() }
}

const app = Fastify()
// As those of tsyringe, typedi, inversify: by the class.
const container = {
  resolve: <Instance>(Class: new (...given: never[]) => Instance) =>
    Reflect.construct(Class, [new Repository()]) as Instance
}

const made = app.socketController(Injected, { create: (Class) => container.resolve(Class) })
for (const client of made.clients) is<Data>()(client.data)
const instance = app.socketController(new Injected(new Repository()))
for (const client of instance.clients) is<{ room: string }>()(client.params)
for (const client of app.socketController(Plain, {
  create: (Class, fastify) => { is<FastifyInstance>()(fastify); return new Class(new Repository()) }
}).clients) {
  client.send('hi')
}
for (const client of app.socketController(new Plain(new Repository())).clients) client.send('hi')

// @ts-expect-error it is constructed with the Fastify instance unless `create` says otherwise
app.socketController(Injected)
// @ts-expect-error another class
app.socketController(Injected, { create: () => new Plain(new Repository()) })
// @ts-expect-error not an instance
app.socketController(Injected, { create: async (Class) => container.resolve(Class) })
// @ts-expect-error no option of this
app.socketController(Injected, { create: (Class) => container.resolve(Class), isGranted: 'A' })
// @ts-expect-error nor a guard
app.socketController(Injected, 'ROLE_ADMIN')

const schema = {
  in: {
    say: { data: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } } }
  },
  out: { said: { type: 'object', required: ['count'], properties: { count: { type: 'integer' } } } }
} as const

@SocketRoute({ path: '/contract' })
class Contracted extends baseController()(schema) {
  constructor (readonly repository: Repository) { super() }
  override readonly on = this.handlers({
    say: (connection) => { connection.send('said', { count: 1 }) }
  })
}
for (const route of [
  app.socketController(Contracted, { create: (Class) => container.resolve(Class) }),
  app.socketController(new Contracted(new Repository()))
]) {
  route.broadcast('said', { count: 2 })
  // @ts-expect-error not in the contract
  route.broadcast('other', { count: 2 })
}
