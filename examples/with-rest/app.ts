import swagger from '@fastify/swagger'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import socketRoutes, { JsonMessage, type SocketRouteHandle } from 'fastify-socket-route'

interface News { text: string }

const news = {
  type: 'object',
  required: ['text'],
  additionalProperties: false,
  properties: { text: { type: 'string', maxLength: 500 } }
}
const reached = { type: 'object', properties: { reached: { type: 'integer' } } }
const KEPT = 100

/**
 * Makes an app that has REST routes, a socket route, and a route of `@fastify/websocket` from
 * before.
 */
export async function createApp (fastify?: FastifyServerOptions): Promise<FastifyInstance> {
  const app = Fastify(fastify)
  await app.register(swagger, { openapi: { info: { title: 'News', version: '1.0.0' } } })
  // Its own options stay what they are; socketRoutes would register it otherwise.
  await app.register(websocket)
  await app.register(socketRoutes)

  const latest: News[] = []

  // A path for both: GET for a single request, the socket for updates.
  app.get(
    '/news',
    { schema: { response: { 200: { type: 'array', items: news } } } },
    async () => latest
  )
  const feed = app.socketRoute('/news', { onOpen: () => new JsonMessage(latest) }, { name: 'feed' })

  // REST reaches the sockets through what socketRoute returned ...
  app.post<{ Body: News }>('/news', {
    schema: { body: news, response: { 201: reached } }
  }, async (request, reply) => {
    latest.push(request.body)
    if (latest.length > KEPT) latest.shift()
    feed.broadcast(request.body)
    return await reply.code(201).send({ reached: feed.clients.size })
  })

  await app.register(alarm)

  // As it was written for @fastify/websocket alone.
  app.get('/echo', { websocket: true }, (socket) => {
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      socket.send(data, { binary: isBinary })
    })
  })

  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  return app
}

// ... or, from another part of the app, by the route's name.
async function alarm (app: FastifyInstance): Promise<void> {
  app.post<{ Body: News }>('/alarm', {
    schema: { body: news, response: { 200: reached } }
  }, async (request) => {
    const feed = app.socketRoutes.get<SocketRouteHandle>('feed')
    feed?.broadcast({ alarm: request.body.text })
    return { reached: feed?.clients.size ?? 0 }
  })
}
