// This plugin, as it is built, with its default options. Every route is guarded by a role, except
// the one of the job that measures handshakes without a guard.
import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'
import socketRoutes from '../../dist/index.js'
import { config, listens } from './child.js'
import { reply } from './reply.js'

const app = Fastify(config.tls === undefined ? {} : { https: config.tls })
await app.register(fastifyJwt, { secret: config.secret })
await app.register(socketRoutes, {
  ...(config.compression && { compression: true }),
  ...(config.fastPath !== undefined && { fastPath: config.fastPath })
})

const echo = { onMessage: (_connection, message) => message }
app.socketRoute('/open', echo)
app.socketRoute('/echo', echo, 'ROLE_USER')
app.socketRoute('/guarded', echo, 'ROLE_USER')
app.socketRoute(
  '/json',
  { onMessage: (_connection, message) => reply(message.json()) },
  'ROLE_USER'
)
// With `stringify`, what JSON.stringify makes of a reply in the place of what Fastify's serializer
// does.
if (config.stringify === true) app.setSerializerCompiler(() => JSON.stringify)
const object = (properties) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false
})
const text = { type: 'string' }
app.socketRoute('/contract', {
  schema: {
    in: {
      store: {
        data: object({
          user: object({ name: text, roles: { type: 'array', items: text } }),
          items: {
            type: 'array',
            items: object({ sku: text, count: { type: 'integer' }, price: { type: 'number' } })
          },
          note: text
        }),
        reply: object({ by: text })
      }
    }
  },
  on: { store: (_connection, { user }) => ({ by: user.name }) }
}, 'ROLE_USER')
app.socketRoute('/all', {
  onMessage (connection, message, clients) { clients.broadcast(message, { except: connection }) }
}, 'ROLE_USER')
app.socketRoute('/room', {
  async onOpen (connection) { await connection.join('room') },
  onMessage (connection, message) { connection.to('room').send(message) }
}, 'ROLE_USER')
app.socketRoute('/rooms', {
  async onOpen (connection) {
    for (const room of ['first', 'second', 'third']) await connection.join(room)
  },
  ...echo
}, 'ROLE_USER')

await app.listen({ port: 0, host: '127.0.0.1' })
listens(app.server.address().port)
