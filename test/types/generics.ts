// The generics of socketRoute say what the path and the schema cannot.
import Fastify from 'fastify'
import type { SocketController, WsConnection } from 'fastify-socket-route'
import { is } from './expect.js'

interface Params { room: 'lobby' | 'garden' }
interface Data { since: Date, count: number }
interface Account { name: string }

const app = Fastify()

app.socketRoute<{
  Params: Params
  Querystring: { page: string }
  Headers: { 'X-Device': string }
  User: Account
  Data: Data
}>('/chat/:room', {
  onOpen (connection) {
    is<Params>()(connection.params)
    is<{ page: string }>()(connection.query)
    is<string>()(connection.headers['x-device'])
    is<Account>()(connection.user)
    is<Data>()(connection.data)
    connection.data.count++
    // @ts-expect-error another type
    connection.data.count = '1'
    // @ts-expect-error the user is read-only
    connection.user = { name: 'bob' }
  },
  onMessage (connection, message, clients) {
    is<Data>()(connection.data)
    for (const client of clients) is<Data>()(client.data)
    clients.broadcast(message, { except: connection })
    clients.broadcast(message, { except: [connection] })
    connection.to(connection.params.room).send(message)
  },
  onClose ({ data }, { code, reason, wasClean }) {
    is<Data>()(data)
    is<number>()(code)
    is<string>()(reason)
    is<boolean>()(wasClean)
  },
  onError ({ data }, error) {
    is<Data>()(data)
    is<Error>()(error)
  }
})

// Generics that are not given have their defaults, without the path: TypeScript infers all type
// arguments or none.
app.socketRoute<{ Data: Data }>('/chat/:room', {
  onOpen (connection) {
    is<Data>()(connection.data)
    is<Record<string, string>>()(connection.params)
  }
})

// The user of the generics is the user of the predicate.
app.socketRoute<{ User: Account }>('/chat', { onOpen: ({ user }) => user.name }, (user) => {
  is<Account>()(user)
  return true
})
app.socketRoute<{ User: Account }>('/chat', { onOpen: ({ user }) => user.name }, {
  isGranted: async (user) => { is<Account>()(user); return true }
})
const isAdult = (user: { age: number }) => user.age > 17
// @ts-expect-error not an account
app.socketRoute<{ User: Account }>('/chat', { onOpen: ({ user }) => user.name }, isAdult)

// A controller of its own says what its connections are.
const controller: SocketController<WsConnection<{ Params: Params, Data: Data }>> = {
  onOpen (connection) { is<Data>()(connection.data) },
  onMessage ({ params }, _message, clients) {
    is<Params>()(params)
    for (const client of clients) is<Params>()(client.params)
  }
}
app.socketRoute<{ Params: Params, Data: Data }>('/chat/:room', controller)
// @ts-expect-error other parameters
app.socketRoute<{ Params: { city: string }, Data: Data }>('/chat/:city', controller)
