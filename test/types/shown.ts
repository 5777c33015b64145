// A program with each function and callback that a user hovers over: test/hovers.test.ts reads what
// an editor shows of it.
import Fastify from 'fastify'
import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import socketRoutes, {
  baseController,
  defineController,
  SocketRoute,
  type WsConnection
} from 'fastify-socket-route'
import { connect } from 'fastify-socket-route/client'

const app = Fastify().withTypeProvider<TypeBoxTypeProvider>()
await app.register(socketRoutes)
const Text = Type.Object({ text: Type.String() })

export const raw = app.socketRoute('/raw/:room', {
  onOpen: (opened) => opened.id,
  onMessage (connection, message, clients) {
    clients.broadcast(message, { except: connection })
    clients.to('a').send('x')
    connection.to(connection.params.room).send(message)
    return connection.send('x') ? message : undefined
  },
  onClose ({ params, query, headers, user, data }, { code }) {
    return { params, query, headers, user, data, code }
  },
  onError: (failed, error) => failed.id + error.message
}, 'ROLE_USER')
raw.broadcast('x', { except: [...raw.clients] })
raw.to('a').send('x')

export const guarded = app.socketRoute('/guarded', {
  onOpen: ({ user, data }) => ({ user, data })
}, {
  isGranted: (candidate) => candidate !== null,
  data: () => ({ count: 0 }),
  outbox: { overflow: { latestBy: (latest) => latest }, notice: (dropped) => ({ dropped }) },
  preHandler (request, _reply, done) { request.log.info('hook'); done() }
})

export const typed = app.socketRoute('/typed', {
  onOpen: ({ query, headers }) => ({ query, headers })
}, {
  schema: {
    querystring: Type.Object({ page: Type.Integer() }),
    headers: Type.Object({ 'X-Device': Type.String() })
  }
})

export const chat = app.socketRoute('/chat/:room', {
  schema: {
    in: {
      say: { data: Text, reply: Type.Integer() },
      ticks: { stream: Type.Integer() },
      leave: {}
    },
    out: { line: Text, bye: null, ask: { data: Text, reply: Type.Boolean() } }
  },
  onOpen (connection) { connection.send('bye') },
  on: {
    async say (connection, data, context) {
      context.clients.broadcast('line', data, { except: connection })
      connection.to('a').send('line', data)
      return await connection.request('ask', data) ? 1 : 0
    },
    async * ticks () { yield 1 },
    leave () {}
  }
})
chat.broadcast('line', { text: '' })
const answers = await chat.to('a').local.request('ask', { text: '' })
for (const answer of answers) if (answer.status === 'fulfilled') answer.value.valueOf()
for (const member of chat.clients) member.send('bye')

const client = connect<typeof chat>('wss://example.test/chat')
client.on('line', (line, { signal }) => line.text + String(signal.aborted))
client.on('ask', (question) => question.text === '')
client.send('leave')
export const reply = await client.request('say', { text: '' })
for await (const tick of client.stream('ticks')) tick.toFixed()
for await (const event of client.events('line')) event.text.trim()

export const defined = defineController<TypeBoxTypeProvider>()({
  schema: { in: { say: { data: Text } } },
  on: { say: (connection, data) => { connection.close(4000, data.text) } }
})

export class Chat extends baseController<TypeBoxTypeProvider, { User: { sub: string } }>()({
  in: { say: { data: Text } }
}) {
  override readonly on = this.handlers({
    say (connection, data) { connection.close(4000, connection.user.sub + data.text) }
  })
}
export const ofClass = app.socketRoute('/class', Chat)

@SocketRoute({ path: '/decorated' })
class Decorated {
  onOpen (connection: WsConnection) { return connection.id }
}
export const decorated = app.socketController(Decorated)
export const routes = app.socketRoutes
