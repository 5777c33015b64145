import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { createApp } from '../../examples/decorators/app.js'
import { connectAs, refusal } from '../support/client.js'
import { startExample } from '../support/example.js'
import { listen, SECRET } from '../support/server.js'

async function start (t: Test): Promise<{
  app: FastifyInstance
  url: string
  tokenFor: (name: string, roles?: string[]) => string
}> {
  const app = await createApp({ secret: SECRET })
  t.teardown(() => app.close())
  return {
    app,
    url: await listen(app),
    tokenFor: (name, roles = ['ROLE_USER']) => app.jwt.sign({ name, roles })
  }
}

t.test('who is in a room hears what the others there write', async (t) => {
  const { url, tokenFor } = await start(t)
  const alice = await connectAs(tokenFor('alice'), `${url}/chat/lobby`)
  t.same(await alice.json(), { welcome: 'alice', room: 'lobby' })
  const bob = await connectAs(tokenFor('bob'), `${url}/chat/lobby`)
  t.same(await bob.json(), { welcome: 'bob', room: 'lobby' })
  t.same(await alice.json(), { came: 'bob' })
  const carol = await connectAs(tokenFor('carol'), `${url}/chat/garden`)
  t.same(await carol.json(), { welcome: 'carol', room: 'garden' })

  alice.send('hi')
  bob.send('hello')
  t.same(await bob.json(), { from: 'alice', text: 'hi' })
  t.same(await alice.json(), { from: 'bob', text: 'hello' })
  await Promise.all([alice.close(), carol.close()])
  t.same(await bob.json(), { left: 'alice' })
  await bob.close()
  t.same(alice.unread, [], 'the sender does not get its own message')
  t.same(carol.unread, [], 'messages of other rooms do not arrive')
})

t.test('the class has the Fastify instance, and adds a REST route to it', async (t) => {
  const { app, url, tokenFor } = await start(t)
  const clients = [
    await connectAs(tokenFor('alice'), `${url}/chat/lobby`),
    await connectAs(tokenFor('bob'), `${url}/chat/lobby`)
  ]
  for (const client of clients) await client.next()
  t.same((await app.inject('/rooms')).json(), { lobby: 2 })

  await clients[1]!.close()
  t.same([await clients[0]!.json(), await clients[0]!.json()], [{ came: 'bob' }, { left: 'bob' }])
  const carol = await connectAs(tokenFor('carol'), `${url}/chat/garden`)
  await carol.next()
  t.same((await app.inject('/rooms')).json(), { lobby: 1, garden: 1 })
  await clients[0]!.close()
  await carol.close()
})

t.test('the handle knows the data of the connections', async (t) => {
  const { app, url, tokenFor } = await start(t)
  t.same((await app.inject('/busiest')).json(), { name: null, written: 0 })
  const alice = await connectAs(tokenFor('alice'), `${url}/chat/lobby`)
  const bob = await connectAs(tokenFor('bob'), `${url}/chat/lobby`)
  t.same(await bob.json(), { welcome: 'bob', room: 'lobby' })
  bob.send('one')
  bob.send('two')
  await alice.take(4)
  t.same((await app.inject('/busiest')).json(), { name: 'bob', written: 2 })
  await alice.close()
  await bob.close()
})

t.test('the decorator names the route and says who may come in', async (t) => {
  const { app, url, tokenFor } = await start(t)
  t.equal(app.socketRoutes.get('chat')?.url({ room: 'the lobby' }), '/chat/the%20lobby')
  t.match(await refusal(`${url}/chat/lobby`), { status: 401 })
  t.match(await refusal(`${url}/chat/lobby`, ['bearer', tokenFor('mallory', ['ROLE_GUEST'])]), {
    status: 403
  })
})

t.test('goodbye is said when the server stops', async (t) => {
  const { app, url, tokenFor } = await start(t)
  const alice = await connectAs(tokenFor('alice'), `${url}/chat/lobby`)
  t.same(await alice.json(), { welcome: 'alice', room: 'lobby' })
  const [{ code }] = await Promise.all([alice.closed, app.close()])
  t.same(alice.unread.map((message) => JSON.parse(String(message))), [{
    goodbye: 'alice',
    written: 0
  }])
  t.equal(code, 1012)
})

t.test('it runs', async (t) => {
  const { tokenFor } = await start(t)
  const url = (await startExample(t, 'decorators', { JWT_SECRET: SECRET })).url.replace(
    'http',
    'ws'
  )
  const alice = await connectAs(tokenFor('alice'), `${url}/chat/lobby`)
  t.same(await alice.json(), { welcome: 'alice', room: 'lobby' })
  await alice.close()
})
