// With a type provider the schema says it.
import Fastify from 'fastify'
import type { UserType as User } from '@fastify/jwt'
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { is } from './expect.js'

const params = Type.Object({ room: Type.Number() })
const querystring = Type.Object({ page: Type.Optional(Type.Number()) })
const headers = Type.Object({ 'x-device': Type.String() })

const typebox = Fastify().withTypeProvider<TypeBoxTypeProvider>()

typebox.socketRoute('/chat/:room', {
  onOpen (connection) {
    is<{ room: number }>()(connection.params)
    is<{ page?: number }>()(connection.query)
    is<string>()(connection.headers['x-device'])
    is<User | null>()(connection.user)
  },
  onMessage (connection, message, clients) {
    for (const client of clients) is<{ room: number }>()(client.params)
    clients.broadcast(message, { except: connection })
  }
}, { schema: { params, querystring, headers } })

typebox.socketRoute('/chat/:room', {
  onOpen (connection) {
    is<{ room: number }>()(connection.params)
    is<User>()(connection.user)
  }
}, { isGranted: (user) => { is<User>()(user); return true }, schema: { params } })

// The path where there is no schema for the parameters.
typebox.socketRoute('/chat/:room', {
  onOpen (connection) {
    is<{ room: string }>()(connection.params)
    is<{ page?: number }>()(connection.query)
  }
}, { isGranted: ['ROLE_USER'], schema: { querystring } })
typebox.socketRoute(
  '/chat/:room',
  { onOpen ({ params }) { is<{ room: string }>()(params) } },
  'ROLE_USER'
)

// The generics before the schema.
typebox.socketRoute<{ Params: { room: 1 | 2 } }>(
  '/chat/:room',
  { onOpen ({ params }) { is<{ room: 1 | 2 }>()(params) } },
  { schema: { params } }
)

const handle = typebox.socketRoute('/chat/:room', { onOpen () {} }, { schema: { params } })
for (const client of handle.clients) is<{ room: number }>()(client.params)

// In a scope.
await typebox.register(async (scope) => {
  scope.withTypeProvider<TypeBoxTypeProvider>()
    .socketRoute(
      '/chat/:room',
      { onOpen ({ params }) { is<{ room: number }>()(params) } },
      { schema: { params } }
    )
}, { prefix: '/v1' })

const jsonSchema = Fastify().withTypeProvider<JsonSchemaToTsProvider>()

jsonSchema.socketRoute('/chat/:room', {
  onOpen (connection) {
    is<{ room: number }>()(connection.params)
    is<{ sort: 'new' | 'old' }>()(connection.query)
    is<User | null>()(connection.user)
  }
}, {
  schema: {
    params: {
      type: 'object',
      properties: { room: { type: 'integer' } },
      required: ['room'],
      additionalProperties: false
    },
    querystring: {
      type: 'object',
      properties: { sort: { enum: ['new', 'old'] } },
      required: ['sort'],
      additionalProperties: false
    }
  }
})

jsonSchema.socketRoute('/chat/:room', {
  onOpen (connection) {
    is<{ room: number }>()(connection.params)
    is<User>()(connection.user)
  }
}, {
  isGranted: (user, request) => { is<User>()(user); return request.ip !== '' },
  schema: {
    params: {
      type: 'object',
      properties: { room: { type: 'integer' } },
      required: ['room'],
      additionalProperties: false
    }
  }
})

// Without a type provider a schema says nothing to the compiler, and the path counts.
Fastify().socketRoute(
  '/chat/:room',
  { onOpen ({ params }) { is<{ room: string }>()(params) } },
  { schema: { params: { type: 'object' } } }
)
