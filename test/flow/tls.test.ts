import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import t from 'tap'
import socketRoutes from '../../src/index.js'
import { connect, refusal } from '../support/client.js'
import { SECRET } from '../support/server.js'
import { tls } from '../support/tls.js'

// P43
t.test('socket routes are served over TLS by the https option of Fastify', async (t) => {
  const app = Fastify({ https: tls })
  t.teardown(() => app.close())
  await app.register(jwt, { secret: SECRET })
  await app.register(socketRoutes)
  app.socketRoute('/', { onOpen: () => 'welcome', onMessage: (_connection, message) => message, onClose: () => 'goodbye' }, 'ROLE_USER')
  app.get('/rest', async (request) => request.protocol)
  const url = (await app.listen({ port: 0, host: '127.0.0.1' })).replace('https', 'wss')
  t.match(url, /^wss:/)
  t.equal((await refusal(url, [], { ca: tls.cert })).status, 401)
  const client = await connect(url, ['bearer', app.jwt.sign({ roles: ['ROLE_USER'] })], { ca: tls.cert })
  client.send('hello')
  t.strictSame(await client.take(2), ['welcome', 'hello'])
  t.equal((await app.inject('/rest')).statusCode, 200)
  await app.close()
  t.equal((await client.closed).code, 1012)
  t.strictSame(client.unread, ['goodbye'])
})
