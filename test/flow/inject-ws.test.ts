// A connection without a network: app.injectWS of @fastify/websocket, which tests of apps use.
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { SocketController } from '../../src/index.js'
import { Client } from '../support/client.js'
import { createApp, tokenOf } from '../support/server.js'

// Listens before anything can come.
async function inject (app: FastifyInstance, path: string, headers: Record<string, string> = {}): Promise<Client> {
  let client: undefined | Client
  await app.injectWS(path, { headers }, { onInit: (socket) => { client = new Client(socket) } })
  return client!
}

// The two streams of injectWS never close by themselves, as TCP would, so that the `close` event of the server's socket waits
// until `closeTimeout` is over.
const plugin = { closeTimeout: 20 }

async function start (t: Test, controller: SocketController, isGranted?: string): Promise<FastifyInstance> {
  const app = await createApp(t, { plugin })
  app.socketRoute('/chat/:room', controller, isGranted === undefined ? {} : { isGranted })
  await app.ready()
  return app
}

t.test('what onOpen returns comes first, also where nobody waits for it yet', async (t) => {
  const app = await start(t, { onOpen: ({ params, query }) => ({ params, query }) })
  const client = await inject(app, '/chat/lobby?page=2')
  t.same(await client.json(), { params: { room: 'lobby' }, query: { page: '2' } })
  client.socket.terminate()
})

t.test('messages go both ways, text and binary', async (t) => {
  const app = await start(t, { onMessage: (_connection, message) => message })
  const client = await inject(app, '/chat/lobby')
  client.send('text')
  client.send(Buffer.from([0, 255]))
  client.send('x'.repeat(60_000))
  t.same(await client.take(3), ['text', Buffer.from([0, 255]), 'x'.repeat(60_000)])
  client.socket.terminate()
})

t.test('messages reach other connections, and only those of the route', async (t) => {
  const app = await start(t, { onMessage (connection, message, clients) { clients.broadcast(message, { except: connection }) } })
  const [alice, bob] = [await inject(app, '/chat/lobby'), await inject(app, '/chat/garden')]
  t.equal(app.socketRoutes.get('/chat/:room')!.clients.size, 2)
  alice.send('hi')
  t.equal(await bob.next(), 'hi')
  t.same(alice.unread, [])
  alice.socket.terminate()
  bob.socket.terminate()
})

t.test('the client closes: onClose gets its code and reason', async (t) => {
  let onClose: undefined | ((info: unknown) => void)
  const closed = new Promise((resolve) => { onClose = resolve })
  const app = await start(t, { onClose (_connection, info) { onClose!(info) } })
  const client = await inject(app, '/chat/lobby')
  t.same(await client.close(4000, 'enough'), { code: 4000, reason: 'enough' })
  t.same(await closed, { code: 4000, reason: 'enough', wasClean: true })
  t.equal(app.socketRoutes.get('/chat/:room')!.clients.size, 0)
})

t.test('the client is cut off: onClose gets 1006', async (t) => {
  let onClose: undefined | ((info: unknown) => void)
  const closed = new Promise((resolve) => { onClose = resolve })
  const app = await start(t, { onClose (_connection, info) { onClose!(info) } })
  const client = await inject(app, '/chat/lobby')
  client.socket.terminate()
  t.same(await closed, { code: 1006, reason: '', wasClean: false })
})

t.test('the server closes: what onClose returns comes before the close', async (t) => {
  const app = await start(t, {
    onMessage (connection) { connection.close(4001, 'over') },
    onClose: () => 'goodbye'
  })
  const client = await inject(app, '/chat/lobby')
  client.send('close')
  t.equal(await client.next(), 'goodbye')
  t.same(await client.closed, { code: 4001, reason: 'over' })
})

t.test('the app closes: the client is told to come back', async (t) => {
  const app = await start(t, { onClose: () => 'goodbye' })
  const client = await inject(app, '/chat/lobby')
  const [closed] = await Promise.all([client.closed, app.close()])
  t.same(client.unread, ['goodbye'])
  t.equal(closed.code, 1012)
})

t.test('a guarded route lets in by header and by sub-protocol, and refuses otherwise', async (t) => {
  const app = await start(t, { onOpen: ({ protocol, user }) => ({ protocol, name: (user as { sub: string }).sub }) }, 'ROLE_USER')
  const token = tokenOf(app)

  const byHeader = await inject(app, '/chat/lobby', { authorization: `Bearer ${token}` })
  t.same(await byHeader.json(), { protocol: '', name: 'alice' })
  byHeader.socket.terminate()

  await t.rejects(inject(app, '/chat/lobby'), { message: 'Unexpected server response: 401' })
  await t.rejects(inject(app, '/chat/lobby', { authorization: 'Bearer nonsense' }), { message: 'Unexpected server response: 401' })
  await t.rejects(inject(app, '/chat/lobby', { authorization: `Bearer ${tokenOf(app, ['ROLE_GUEST'])}` }), { message: 'Unexpected server response: 403' })
  await t.rejects(inject(app, '/nowhere', { authorization: `Bearer ${token}` }), { message: 'Unexpected server response: 404' })
  t.equal(app.socketRoutes.get('/chat/:room')!.clients.size, 0)
})

t.test('a sub-protocol is agreed on', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/chat', { onOpen: ({ protocol }) => protocol }, { protocols: ['chat.v2', 'chat.v1'] })
  await app.ready()
  const client = await inject(app, '/chat', { 'sec-websocket-protocol': 'chat.v1, chat.v2' })
  t.equal(await client.next(), 'chat.v1')
  client.socket.terminate()
  await t.rejects(inject(app, '/chat', { 'sec-websocket-protocol': 'mqtt' }), { message: 'Unexpected server response: 400' })
})
