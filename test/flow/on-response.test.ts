import t from 'tap'
import { connect, connectAs, refusal } from '../support/client.js'
import { createApp, listen, tokenOf } from '../support/server.js'

// As with @fastify/websocket alone: nothing was answered in the way of HTTP, so that nothing is
// measured as such.
t.test('onResponse runs for rejected upgrades and failed hooks, not for upgrades', async (t) => {
  const app = await createApp(t)
  const answered: Array<[string, number]> = []
  app.addHook('onResponse', async (request, reply) => {
    answered.push([request.url, reply.statusCode])
  })
  const closed: string[] = []
  const onClose = (_connection: unknown, { code }: { code: number }) => {
    closed.push(String(code))
  }
  app.socketRoute('/open', { onMessage: (_connection, message) => message, onClose })
  app.socketRoute(
    '/guarded',
    { onMessage: (connection) => { connection.close() }, onClose },
    'ROLE_USER'
  )
  app.socketRoute('/crashes', { onOpen: () => { throw new Error('no') }, onClose })
  app.socketRoute('/fails', { onOpen: () => {} }, {
    preHandler: async () => { throw new Error('no') }
  })
  const url = await listen(app)

  t.equal((await refusal(`${url}/guarded`)).status, 401)
  t.equal((await refusal(`${url}/fails`)).status, 500)
  const client = await connect(`${url}/open`)
  client.send('x')
  t.equal(await client.next(), 'x')
  client.socket.terminate()
  const guarded = await connectAs(tokenOf(app), `${url}/guarded`)
  guarded.send('x')
  await guarded.closed
  await (await connect(`${url}/crashes`)).closed
  await app.close()
  t.strictSame(closed.sort(), ['1000', '1006', '1011'])
  t.strictSame(answered, [['/guarded', 401], ['/fails', 500]])
})
