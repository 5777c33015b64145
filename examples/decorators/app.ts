import jwt from '@fastify/jwt'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import socketRoutes from 'fastify-socket-route'
import { ChatController } from './chat-controller.js'

/** How the app is made. */
export interface AppOptions {
  /** The key that tokens are signed with. */
  readonly secret: string
  /** Options of Fastify, such as the logger. */
  readonly fastify?: undefined | FastifyServerOptions
}

/** Creates an app whose socket route is a decorated class. */
export async function createApp ({ secret, fastify }: AppOptions): Promise<FastifyInstance> {
  const app = Fastify(fastify)
  await app.register(jwt, { secret })
  await app.register(socketRoutes)

  const chat = app.socketController(ChatController)

  // The handle knows what the class says about its connections.
  app.get('/busiest', async () => {
    const [busiest] = [...chat.clients].sort((a, b) => b.data.written - a.data.written)
    return { name: busiest?.user.name ?? null, written: busiest?.data.written ?? 0 }
  })
  return app
}
