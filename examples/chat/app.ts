import { fileURLToPath } from 'node:url'
import jwt from '@fastify/jwt'
import fastifyStatic from '@fastify/static'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import socketRoutes from 'fastify-socket-route'
import { addRoom } from './room.js'
import { findUser, type User } from './users.js'

/** How a chat is made. */
export interface ChatOptions {
  /**
   * The key that tokens are signed with. A server that restarts with the same key knows its users
   * again.
   */
  readonly secret: string
  /** Options of Fastify, such as the logger. */
  readonly fastify?: undefined | FastifyServerOptions
}

/** Creates the chat. A login issues a token, by which the rooms admit their users. */
export async function createChat ({ secret, fastify }: ChatOptions): Promise<FastifyInstance> {
  const app = Fastify(fastify)
  await app.register(jwt, { secret, sign: { expiresIn: '1h' } })
  await app.register(socketRoutes, {
    roleHierarchy: { ROLE_ADMIN: ['ROLE_USER'] },
    maxPayload: 4_096
  })
  await app.register(fastifyStatic, {
    root: fileURLToPath(new URL('public', import.meta.url)),
    setHeaders: protectPage
  })

  const rooms = [
    addRoom(app, 'public'),
    addRoom(app, 'members', 'ROLE_USER'),
    addRoom(app, 'admin', 'ROLE_ADMIN')
  ]
  // A route without a contract sends and receives the messages of its controller, and nothing else.
  app.socketRoute('/echo', { onMessage: (_connection, message) => message })

  app.post<{ Body: { name: string, password: string } }>('/login', {
    schema: { body: texts('name', 'password') }
  }, async (request, reply) => {
    const user = findUser(request.body.name, request.body.password)
    if (user === undefined) {
      return reply.code(401).send({ message: 'There is no user with this name and password' })
    }
    return { ...user, token: app.jwt.sign(user) }
  })

  // REST reaches the sockets: the clients of every room, from any route.
  app.post<{ Body: { text: string } }>('/announce', {
    schema: { body: texts('text') }
  }, async (request, reply) => {
    const { name, roles } = await request.jwtVerify<User>()
    if (!roles.includes('ROLE_ADMIN')) {
      return reply.code(403).send({ message: `${name} may not announce: that needs ROLE_ADMIN` })
    }
    for (const room of rooms) {
      room.broadcast('announcement', { from: name, text: request.body.text })
    }
    return { reached: rooms.reduce((sum, { clients }) => sum + clients.size, 0) }
  })

  return app
}

// The schema of a body with these texts and no more.
function texts (...names: string[]) {
  const text = { type: 'string', minLength: 1, maxLength: 500 }
  return {
    type: 'object',
    required: names,
    additionalProperties: false,
    properties: Object.fromEntries(names.map((name) => [name, text]))
  }
}

// The page runs only what comes from here; `'self'` covers the WebSocket too (CSP Level 3 section
// 6.7.2.8).
function protectPage (reply: { header (name: string, value: string): unknown }): void {
  reply.header(
    'content-security-policy',
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
    "object-src 'none'"
  )
  reply.header('x-content-type-options', 'nosniff')
}
