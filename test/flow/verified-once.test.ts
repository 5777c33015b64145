import jwt from '@fastify/jwt'
import t from 'tap'
import { connectAs } from '../support/client.js'
import { createApp, listen, SECRET, tokenOf } from '../support/server.js'

t.test('a token is verified once for an upgrade, and once for a renewal', async (t) => {
  const app = await createApp(t, { jwt: false })
  let verified = 0
  await app.register(jwt, { secret: SECRET, trusted: () => { verified++; return true } })
  app.socketScope({ isGranted: 'ROLE_USER' })
  app.socketRoute('/', { onMessage: async (connection, message) => { await connection.renew(message.text); return 'renewed' } }, (_user, request) => request.ip === '127.0.0.1')
  const token = tokenOf(app)
  const client = await connectAs(token, await listen(app))
  t.equal(verified, 1)
  client.send(token)
  t.equal(await client.next(), 'renewed')
  t.equal(verified, 2)
})
