import jwt from '@fastify/jwt'
import t from 'tap'
import { connect, connectAs } from '../support/client.js'
import { createApp, listen, SECRET, tokenOf } from '../support/server.js'

t.test('a token is verified once for an upgrade, and once for a renewal', async (t) => {
  const app = await createApp(t, { jwt: false })
  let verified = 0
  await app.register(jwt, { secret: SECRET, trusted: () => { verified++; return true } })
  app.socketScope({ isGranted: 'ROLE_USER' })
  app.socketRoute(
    '/',
    {
      onMessage: async (connection, message) => {
        await connection.renew(message.text)
        return 'renewed'
      }
    },
    (_user, request) => request.ip === '127.0.0.1'
  )
  const token = tokenOf(app)
  const client = await connectAs(token, await listen(app))
  t.equal(verified, 1)
  client.send(token)
  t.equal(await client.next(), 'renewed')
  t.equal(verified, 2)
})

t.test('a token verified by a hook is verified once more only with formatUser', async (t) => {
  for (const [formatUser, times] of [
    [undefined, 1],
    [(user: object) => ({ ...user, own: true }), 2]
  ] as const) {
    const app = await createApp(t, { jwt: false })
    let verified = 0
    await app.register(jwt, {
      secret: SECRET,
      trusted: () => { verified++; return true },
      ...(formatUser === undefined ? {} : { formatUser: formatUser as never })
    })
    app.addHook('onRequest', async (request) => { await request.jwtVerify() })
    app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
    app.socketRoute('/open', { onOpen: () => 'in' })
    const url = await listen(app)
    for (const path of ['/', '/open']) {
      verified = 0
      const token = tokenOf(app)
      t.equal(
        await (await connect(url + path, ['bearer', token], {
          headers: { authorization: `Bearer ${token}` }
        })).next(),
        'in'
      )
      t.equal(verified, times, path)
    }
  }
})
