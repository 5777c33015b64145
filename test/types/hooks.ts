// The hooks of a route have the types that its generics, its schema and its path give.
import Fastify, {
  type FastifyReply,
  type FastifyRequest,
  type preHandlerHookHandler
} from 'fastify'
import type { UserType } from '@fastify/jwt'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { SocketRequest, SocketRouteOptions, UpgradeHook } from 'fastify-socket-route'
import { Type } from 'typebox'
import { is } from './expect.js'

const app = Fastify()
const controller = { onOpen () {} }

app.socketRoute<{
  Params: { room: string }
  Querystring: { page: string }
  Headers: { 'X-Device': string }
  User: { name: string }
}>('/chat/:room', controller, {
  isGranted: ({ name }) => name !== '',
  onRequest (request, reply, done) {
    is<{ room: string }>()(request.params)
    is<{ page: string }>()(request.query)
    is<string>()(request.headers['x-device'])
    is<FastifyReply>()(reply)
    is<void>()(done())
    // @ts-expect-error no such parameter
    request.params.romm.trim()
  },
  preValidation: [async (request) => {
    request.user = { name: 'alice' }
    // @ts-expect-error no such parameter of the query
    request.query.pgae.trim()
  }],
  async preHandler ({ user }) {
    is<string>()(user.name)
    // @ts-expect-error not of the user
    user.nmae.trim()
  }
})

// The schema, by the type provider.
app.withTypeProvider<TypeBoxTypeProvider>().socketRoute('/pages/:page', controller, {
  schema: {
    params: Type.Object({ page: Type.Integer() }),
    querystring: Type.Object({ size: Type.Optional(Type.Integer()) })
  },
  preHandler: async (request) => {
    is<{ page: number }>()(request.params)
    is<{ size?: number }>()(request.query)
    is<UserType>()(request.user)
  }
})

// The path alone, with a contract too; what nothing is known of is unknown, as in any hook.
app.socketRoute('/rooms/:room', {
  schema: { in: { leave: {} } },
  on: { leave (connection) { connection.close() } }
}, {
  preHandler: async (request) => {
    is<{ room: string }>()(request.params)
    is<unknown>()(request.query)
  }
})

// Hooks from elsewhere: of any request, of Fastify's own type, of a request with more properties.
interface OfTeam extends FastifyRequest { team: string }
const anyRequest = async (request: FastifyRequest, reply: FastifyReply) => {
  await reply.send(request.id)
}
const ofFastify: preHandlerHookHandler = (_request, _reply, done) => { done() }
const ofRoom: UpgradeHook<SocketRequest<{ Params: { room: string } }>> =
  async (request) => { is<string>()(request.params.room) }
app.socketRoute('/rooms/:room', controller, {
  onRequest: anyRequest,
  preHandler: [ofFastify, ofRoom]
})
app.socketRoute('/team', controller, {
  preHandler: async (request) => { is<string>()((request as OfTeam).team) }
})
app.socketRoute('/team', controller, {
  preHandler: async ({ team }: OfTeam) => { is<string>()(team) }
})
const declared: SocketRouteOptions = { preHandler: anyRequest, maxPayload: 1_000 }
app.socketRoute('/rooms/:room', controller, declared)
// @ts-expect-error a hook of a route with another parameter
app.socketRoute('/teams/:team', controller, { preHandler: ofRoom })
// @ts-expect-error not a hook
app.socketRoute('/rooms/:room', controller, { preHandler: 'ROLE_USER' })
