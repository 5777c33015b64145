// A value that is no object must not pass for empty options: a route would be open, or a message
// sent to an excluded connection.
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import Fastify from 'fastify'
import socketRoutes, { SocketRoute, type WsConnection } from '../../src/index.js'
import { connect } from '../support/client.js'
import { createApp, listen } from '../support/server.js'

const echo = { onMessage: () => {} }
class Guard { canActivate (): boolean { return false } }

const noOptions: Record<string, unknown> = {
  'a Set of roles': new Set(['ROLE_ADMIN']),
  'a Set of another realm': runInNewContext("new Set(['ROLE_ADMIN'])"),
  'a Map': new Map([['isGranted', 'ROLE_ADMIN']]),
  'a promise': Promise.resolve({ isGranted: 'ROLE_ADMIN' }),
  'a pattern': /ROLE_ADMIN/,
  'an iterator': ['ROLE_ADMIN'].values(),
  'an error': new Error('ROLE_ADMIN'),
  'a guard of another library': new Guard(),
  'a signal': new AbortController().signal
}

for (const [what, given] of Object.entries(noOptions)) {
  t.test(`${what} as options is rejected everywhere`, async (t) => {
    const app = await createApp(t)
    const invalid = { code: 'FSR_ERR_OPTION_INVALID' }
    t.throws(() => app.socketRoute('/x', echo, given as never), invalid)
    for (const name of [
      'connections', 'constraints', 'heartbeat', 'outbox', 'rate', 'refusals', 'schema'
    ]) {
      t.throws(
        () => app.socketRoute('/x', echo, { [name]: given } as never),
        { ...invalid, message: new RegExp(name) }
      )
    }
    for (const options of [
      given,
      { websocket: given },
      { websocket: { options: given } },
      { tickets: given },
      { drain: given }
    ]) {
      await t.rejects(
        async () => { await Fastify().register(socketRoutes, options as never) },
        invalid
      )
    }
    t.throws(
      () => app.socketRoute('/x', { schema: { in: { say: given } }, on: { say () {} } } as never),
      { code: 'FSR_ERR_CONTRACT_INVALID' }
    )
    t.throws(
      () => app.socketRoute('/x', { schema: { in: given }, on: {} } as never),
      { code: 'FSR_ERR_CONTRACT_INVALID' }
    )
    t.throws(
      () => app.socketRoute('/x', { schema: given, on: {} } as never),
      { code: 'FSR_ERR_CONTRACT_INVALID' }
    )
    t.equal(app.socketRoutes.size, 0)
    const other = await createApp(t)
    t.throws(() => other.socketScope(given as never), invalid)
  })
}

t.test('options that have not come yet are told as such', async (t) => {
  const app = await createApp(t)
  t.throws(
    () => app.socketRoute('/x', echo, Promise.resolve({}) as never),
    { message: /promise: await/ }
  )
})

async function isRefused (t: Test, options: object, path: string): Promise<void> {
  const app = await createApp(t)
  app.socketRoute(path, echo, options)
  await app.ready()
  await t.rejects(app.injectWS(path), { message: /401/ })
}

t.test('options may be of another realm or of a class, with inherited members', async (t) => {
  class Options { get isGranted (): string { return 'ROLE_ADMIN' } }
  const guarded = { isGranted: 'ROLE_ADMIN' }
  await isRefused(t, Object.assign(Object.create(null) as object, guarded), '/none')
  await isRefused(t, runInNewContext("({ isGranted: 'ROLE_ADMIN' })") as object, '/realm')
  await isRefused(t, new Options(), '/class')
  await isRefused(t, Object.create(guarded) as object, '/inherited')
  await isRefused(t, Object.defineProperty({}, 'isGranted', { value: 'ROLE_ADMIN' }), '/hidden')
})

t.test('@SocketRoute takes a plain object, and copies it', async (t) => {
  class Options { path = '/x'; get isGranted (): string { return 'ROLE_ADMIN' } }
  const invalid = { code: 'FSR_ERR_DECORATOR_INVALID', message: /plain object/ }
  t.throws(() => SocketRoute(new Options()), invalid)
  t.throws(
    () => SocketRoute(Object.assign(Object.create({ isGranted: 'ROLE_ADMIN' }) as object, {
      path: '/x'
    })),
    invalid
  )
  t.throws(
    () => SocketRoute(Object.defineProperty({ path: '/x' }, 'isGranted', { value: 'ROLE_ADMIN' })),
    invalid
  )

  class Admin { onMessage (): void {} }
  const route: { path: string, isGranted?: string } = { path: '/admin', isGranted: 'ROLE_ADMIN' }
  SocketRoute(route)(Admin)
  delete route.isGranted
  const app = await createApp(t)
  app.socketController(Admin)
  await app.ready()
  await t.rejects(app.injectWS('/admin'), { message: /401/ })
})

t.test('invalid options of calls throw: no excluded client gets a message', async (t) => {
  const app = await createApp(t)
  const schema = { in: {}, out: { ask: { data: { type: 'object' }, reply: { type: 'object' } } } }
  const opened = new Promise<WsConnection>((resolve) => {
    app.socketRoute('/ask', { schema, on: {}, onOpen: resolve as never })
  })
  const room = app.socketRoutes.get('/ask')!.to('room').local
  const chat = app.socketRoute('/chat', { onOpen (connection) { connection.join('room') } })
  const url = await listen(app)
  const [asked, client] = [await connect(`${url}/ask`), await connect(`${url}/chat`)]
  const connection = await opened as unknown as { request (...given: unknown[]): Promise<unknown> }
  const invalid = { code: 'FSR_ERR_OPTION_INVALID' }
  for (const [what, given] of [
    ...Object.entries(noOptions),
    ['connections', new Set(chat.clients)],
    ['a class', new Guard()]
  ] as Array<[string, never]>) {
    t.throws(() => { chat.broadcast('x', given) }, invalid, what)
    t.throws(() => chat.to('room', given), invalid, what)
    t.throws(() => { chat.to('room').send('x', given) }, invalid, what)
    await t.rejects(connection.request('ask', {}, given), invalid, what)
    await t.rejects((room as unknown as typeof connection).request('ask', {}, given), invalid, what)
  }
  chat.broadcast('last')
  t.equal(await client.next(), 'last', 'nothing else was sent')
  for (const each of [asked, client]) each.socket.terminate()
})
