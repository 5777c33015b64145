import { connect as connectHttp2 } from 'node:http2'
import jwt from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import socketRoutes from '../../src/index.js'
import { connect, refusal } from '../support/client.js'
import { SECRET } from '../support/server.js'
import { tls } from '../support/tls.js'
import { turns, until } from '../support/until.js'

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

t.test('an app that speaks HTTP/2 as well has socket routes over HTTP/1.1, and its requests are not cut when it closes', async (t) => {
  const app = Fastify({ http2: true, https: { ...tls, allowHTTP1: true } })
  t.teardown(() => app.close())
  await app.register(socketRoutes as never)
  const routes = app as unknown as FastifyInstance
  routes.socketRoute('/', { onMessage: (_connection, message) => message, onClose: () => 'goodbye' })
  let isAsked = false
  let isClosing = false
  app.get('/slow', async () => { isAsked = true; await until(() => isClosing); return 'done' })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const client = await connect(url.replace('https', 'wss'), [], { ca: tls.cert })
  client.send('hello')
  t.equal(await client.next(), 'hello')

  const session = connectHttp2(url, { ca: tls.cert })
  const stream = session.request({ ':path': '/slow' })
  const answer = new Promise<string>((resolve, reject) => {
    let text = ''
    stream.on('data', (chunk) => { text += String(chunk) }).on('end', () => { resolve(text) }).on('error', reject)
  })
  await until(() => isAsked)
  const closed = app.close()
  await turns(5)
  isClosing = true
  t.equal(await answer, 'done')
  session.close()
  await closed
  t.strictSame(client.unread, ['goodbye'])
})
