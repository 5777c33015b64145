import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import socketRoutes, { type SocketController, type WsConnection } from 'fastify-socket-route'
import { belongsTo, findUser, type User } from './users.js'

/** How the app is made. */
export interface AppOptions {
  /** The key that tokens are signed with. */
  readonly secret: string
  /** Options of Fastify, such as the logger. */
  readonly fastify?: undefined | FastifyServerOptions
}

// What is known of every connection here. An app with one kind of user would rather declare it
// once, for `@fastify/jwt`: declare module '@fastify/jwt' { interface FastifyJWT { user: User } }
interface Known { User: User }

const greeting: SocketController<WsConnection<Known>> = {
  onOpen: ({ user }) => `Hello ${user.name}!`
}

/** Creates an app in which every route has another kind of guard. */
export async function createApp ({ secret, fastify }: AppOptions): Promise<FastifyInstance> {
  const app = Fastify(fastify)
  await app.register(cookie)
  await app.register(jwt, { secret, cookie: { cookieName: 'token', signed: false } })
  await app.register(socketRoutes, {
    roleHierarchy: { ROLE_ADMIN: ['ROLE_EDITOR'], ROLE_EDITOR: ['ROLE_USER'] }
  })

  // The token comes back in the body, for the Authorization header or the sub-protocol list, and as
  // a cookie. Browsers send cookies from the pages of others too, unless they are told not to.
  app.post<{ Body: { name: string } }>('/login', {
    schema: {
      body: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } }
    }
  }, async (request, reply) => {
    const user = findUser(request.body.name)
    if (user === undefined) {
      return reply.code(401).send({ message: 'There is no user with this name' })
    }
    const token = app.jwt.sign(user, { expiresIn: '1h' })
    reply.setCookie('token', token, { path: '/', httpOnly: true, sameSite: 'strict' })
    return { token }
  })

  // Everyone, one role, any role of a list.
  app.socketRoute('/lobby', { onOpen: () => 'Hello whoever you are!' })
  app.socketRoute<Known>('/users', greeting, 'ROLE_USER')
  app.socketRoute<Known>('/staff', greeting, ['ROLE_EDITOR', 'ROLE_AUDITOR'])

  // A predicate, which may be async and may look at the request.
  app.socketRoute<Known>('/red', greeting, (user) => user.teams.includes('red'))
  app.socketRoute<Known>('/teams/:team', greeting, async (user, request) => {
    const { team } = request.params as { team: string }
    return await belongsTo(user, team)
  })

  // In an object with all other options.
  app.socketRoute<Known>('/control', greeting, {
    isGranted: 'ROLE_ADMIN',
    name: 'control',
    maxPayload: 1_024
  })

  // A scope demands something of everyone; its routes can demand more, but not less.
  await app.register(async (newsroom) => {
    newsroom.socketScope({ isGranted: 'ROLE_EDITOR' })
    newsroom.socketRoute<Known>('/drafts', greeting)
    newsroom.socketRoute<Known>('/scoops', greeting, (user) => user.teams.includes('red'))
  }, { prefix: '/newsroom' })

  return app
}
