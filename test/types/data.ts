// The option `data` says what connection.data is, and generics can name the contract.
import Fastify, { type FastifyRequest } from 'fastify'
import type { UserType as User } from '@fastify/jwt'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import 'fastify-socket-route'
import { Type } from 'typebox'
import { is } from './expect.js'

interface Seat { row: number }

const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()
const schema = {
  in: { say: { data: Type.Object({ text: Type.String() }), reply: Type.Integer() } },
  out: { line: Type.Object({ text: Type.String() }) }
}

const raw = app.socketRoute('/raw', {
  onOpen (connection, clients) {
    is<Seat>()(connection.data)
    for (const client of clients) is<Seat>()(client.data)
  }
}, {
  data: async (request: FastifyRequest): Promise<Seat> => ({ row: request.id.length }),
  isGranted: 'ROLE_USER'
})
for (const client of raw.clients) is<Seat>()(client.data)

// With a contract, and a guard that is written in the call.
app.socketRoute('/contract/:hall', {
  schema,
  onOpen (connection) {
    is<{ count: number }>()(connection.data)
    is<User>()(connection.user)
    is<{ hall: string }>()(connection.params)
  },
  on: { say: ({ data }) => { is<{ count: number }>()(data); return data.count } }
}, { data: () => ({ count: 0 }), isGranted: (user) => { is<User>()(user); return true } })
app.socketRoute(
  '/contract',
  { schema, on: { say (connection) { is<User>()(connection.user); return 1 } } },
  (user) => user !== ''
)
app.socketRoute(
  '/contract',
  { schema, on: { say (connection) { is<User | null>()(connection.user); return 1 } } },
  { preHandler: async (request) => { is<string>()(request.id) } }
)

// The parameter of a callback is inferred before the options are checked.
app.socketRoute(
  '/later',
  { onOpen ({ data }) { is<Record<string, unknown>>()(data) } },
  { data: (request) => ({ id: request.id }) }
)
app.socketRoute<{ Data: Seat }>(
  '/given',
  { onOpen ({ data }) { is<Seat>()(data) } },
  { data: (request) => ({ row: request.id.length }) }
)
// @ts-expect-error not the data
app.socketRoute<{ Data: Seat }>('/given', { onOpen () {} }, { data: () => ({ line: 1 }) })

// The generics with a contract.
const given = app.socketRoute<{
  Data: Seat
  User: { sub: string }
  Contract: typeof schema
}>('/given', {
  schema,
  on: {
    say (connection, { text }) {
      is<string>()(text)
      is<Seat>()(connection.data)
      is<string>()(connection.user.sub)
      connection.send('line', { text })
      return 1
    }
  }
}, 'ROLE_USER')
given.broadcast('line', { text: '' })
// @ts-expect-error not its data
given.broadcast('line', { text: 1 })
// @ts-expect-error another contract
app.socketRoute<{ Data: Seat, Contract: typeof schema }>('/given', { schema: { in: {} }, on: {} })
// @ts-expect-error options of a route with a contract are checked as those of any
app.socketRoute('/contract', { schema, on: { say: () => 1 } }, { isGranted: 'A', nmae: 'a' })
