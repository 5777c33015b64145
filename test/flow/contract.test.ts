// A route with a contract, over real sockets: what comes in is validated and answered, and what
// goes out is what the contract says.
import { Type } from 'typebox'
import t, { type Test } from 'tap'
import { ReplyError, type SocketRouteOptions, type WsConnection } from '../../src/index.js'
import { connect, connectAs, type Client } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { createApp, listen, tokenOf } from '../support/server.js'
import { turns, until } from '../support/until.js'

const Text = Type.Object({ text: Type.String({ maxLength: 10 }) }, { additionalProperties: false })

const schema = {
  in: {
    say: { data: Text },
    count: { data: Type.Array(Type.Number()), reply: Type.Object({ sum: Type.Number() }) },
    fail: {},
    refuse: { reply: Type.Null() },
    leave: {}
  },
  out: {
    message: Type.Object({ text: Type.String() }),
    bye: null
  }
} as const

async function chat (
  t: Test,
  options: SocketRouteOptions = {},
  onError?: (error: Error) => void
): Promise<{
  client: Client
  url: string
  errors: Error[]
}> {
  const app = await createApp(t)
  const errors: Error[] = []
  app.socketRoute('/chat', {
    schema,
    on: {
      say (connection, data) { connection.send('message', data as { text: string }) },
      count: async (_connection, data) => ({
        sum: (data as number[]).reduce((sum, number) => sum + number, 0),
        secret: 'not in the contract'
      }),
      fail () { throw new Error('a secret of the server') },
      refuse () { throw new ReplyError('ROOM_FULL', 'The room is full', { path: '/room' }) },
      leave (connection) { connection.send('bye') }
    },
    onError (_connection, error) {
      errors.push(error)
      onError?.(error)
    }
  }, options)
  const url = `${await listen(app)}/chat`
  return { client: await connect(url), url, errors }
}

const ask = async (client: Client, message: unknown): Promise<unknown> => {
  client.send(typeof message === 'string' ? message : JSON.stringify(message))
  return await client.json()
}

t.test('a message goes to the handler of its type', async (t) => {
  const { client } = await chat(t)
  t.same(await ask(client, { type: 'say', data: { text: 'hello' } }), {
    type: 'message',
    data: { text: 'hello' }
  })
})

t.test('a message without data has none', async (t) => {
  const { client } = await chat(t)
  client.send(JSON.stringify({ type: 'leave', data: 'whatever' }))
  t.equal(await client.next(), '{"type":"bye"}')
})

t.test('a message with an id is answered with the members that the contract has', async (t) => {
  const { client } = await chat(t)
  client.send(JSON.stringify({ type: 'count', data: [1, 2], id: 7 }))
  t.equal(await client.next(), '{"type":"reply","id":7,"data":{"sum":3}}')
  client.send(JSON.stringify({ type: 'count', data: [1], id: 'a "name"' }))
  t.equal(await client.next(), '{"type":"reply","id":"a \\"name\\"","data":{"sum":1}}')
})

t.test('an id is a text of up to 64 characters, or an integer', async (t) => {
  const { client } = await chat(t)
  for (const id of ['x', 'x'.repeat(64), 0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    t.same(await ask(client, { type: 'count', data: [1], id }), {
      type: 'reply',
      id,
      data: { sum: 1 }
    })
  }
})

t.test('a message without a reply in the contract is answered as handled', async (t) => {
  const { client } = await chat(t)
  client.send(JSON.stringify({ type: 'say', data: { text: 'a' }, id: 1 }))
  t.same(await client.take(2), [
    '{"type":"message","data":{"text":"a"}}',
    '{"type":"reply","id":1}'
  ])
})

t.test('a reply for which the contract has no place is told where it belongs', async (t) => {
  const app = await createApp(t)
  const messages: string[] = []
  app.socketRoute('/', {
    schema: { in: { say: {} } },
    on: { say: () => 'a reply' as never },
    onError (_connection, { message }) { messages.push(message) }
  })
  const client = await connect(await listen(app))
  t.match(await ask(client, { type: 'say', id: 1 }), {
    type: 'error',
    code: 'FSR_ERR_HANDLER_FAILED'
  })
  t.strictSame(messages, [
    "The reply to 'say' cannot be serialized as the contract says: " +
      'schema.in has no reply for it: give it one, or return nothing'
  ])
})

t.test('a reply or data that is missing is named by the error', async (t) => {
  const app = await createApp(t)
  const messages: string[] = []
  const feed = app.socketRoute('/', {
    schema: {
      in: { count: { reply: Type.Object({ n: Type.Number() }) } },
      out: { said: Type.Object({ n: Type.Number() }), bye: null }
    },
    on: { count: (() => {}) as never },
    onError (_connection, { message }) { messages.push(message) }
  })
  app.socketRoute('/silent', { schema: {}, on: {} })
  const client = await connect(await listen(app))
  await ask(client, { type: 'count', id: 1 })
  t.match(messages[0], /^The reply to 'count' .* as the contract says: the handler returned nothing/)
  const send = feed.broadcast as (...message: unknown[]) => void
  t.throws(
    () => { send.call(feed, 'said') },
    { message: /^The data of 'said' .* as the contract says: no data was given/ }
  )
  t.throws(
    () => { send.call(feed, 'bye', {}) },
    { message: /^The data of 'bye' .* as the contract says: schema.out has no data for it/ }
  )
  const silent = app.socketRoutes.get('/silent')! as { broadcast (...message: unknown[]): void }
  t.throws(() => { silent.broadcast('said') }, { message: /contract; it has no message$/ })
})

t.test('a message without an id is not answered', async (t) => {
  const { client } = await chat(t)
  client.send(JSON.stringify({ type: 'count', data: [1] }))
  t.same(await ask(client, { type: 'say', data: { text: 'next' } }), {
    type: 'message',
    data: { text: 'next' }
  })
})

const refused: Array<[what: string, message: unknown, code: string, more?: object]> = [
  ['a type that there is not', { type: 'shout', id: 1 }, 'FSR_ERR_TYPE_UNKNOWN', { id: 1 }],
  ['a type that every object has', { type: 'toString' }, 'FSR_ERR_TYPE_UNKNOWN'],
  ['a type that prototypes have', { type: '__proto__' }, 'FSR_ERR_TYPE_UNKNOWN'],
  ['a type that is no text', { type: 1, id: 2 }, 'FSR_ERR_MESSAGE_INVALID', { id: 2 }],
  ['no type', {}, 'FSR_ERR_MESSAGE_INVALID'],
  ['a list', [], 'FSR_ERR_MESSAGE_INVALID'],
  ['null', 'null', 'FSR_ERR_MESSAGE_INVALID'],
  ['text that is not JSON', '{"type":', 'FSR_ERR_MESSAGE_NOT_JSON'],
  ['nothing', '', 'FSR_ERR_MESSAGE_NOT_JSON'],
  [
    'an id that is an object',
    { type: 'say', data: { text: 'a' }, id: {} },
    'FSR_ERR_MESSAGE_INVALID'
  ],
  ['an id that is null', { type: 'say', data: { text: 'a' }, id: null }, 'FSR_ERR_MESSAGE_INVALID'],
  ['an id that is empty', { type: 'leave', id: '' }, 'FSR_ERR_MESSAGE_INVALID'],
  [
    'an id that is too long',
    { type: 'say', data: { text: 'a' }, id: 'x'.repeat(65) },
    'FSR_ERR_MESSAGE_INVALID'
  ],
  ['an id that is not exact', '{"type":"leave","id":9007199254740993}', 'FSR_ERR_MESSAGE_INVALID'],
  ['an id that is a fraction', { type: 'leave', id: 1.5 }, 'FSR_ERR_MESSAGE_INVALID'],
  [
    'data that is too long',
    { type: 'say', data: { text: 'longer than ten' }, id: 3 },
    'FSR_ERR_DATA_INVALID',
    { id: 3, path: '/text', message: 'data must NOT have more than 10 characters' }
  ],
  ['no data', { type: 'say', id: 4 }, 'FSR_ERR_DATA_INVALID', { id: 4 }],
  [
    'data that lacks something',
    { type: 'say', data: {} },
    'FSR_ERR_DATA_INVALID',
    { message: "data must have required property 'text'" }
  ],
  [
    'a prototype',
    '{"type":"say","data":{"text":"a","__proto__":{"isAdmin":true}}}',
    'FSR_ERR_MESSAGE_FORBIDDEN'
  ],
  [
    'a prototype, spelt otherwise',
    '{"type":"say","data":{"text":"a","\\u005f_proto__":{"isAdmin":true}}}',
    'FSR_ERR_MESSAGE_FORBIDDEN'
  ],
  [
    'the prototype of a constructor',
    '{"type":"say","data":{"text":"a","constructor":{"prototype":{"isAdmin":true}}}}',
    'FSR_ERR_MESSAGE_FORBIDDEN'
  ],
  ['what is nested as deep as it can be', '['.repeat(60_000), 'FSR_ERR_MESSAGE_NOT_JSON'],
  [
    'a list that is nested as deep as it can be',
    `{"type":"say","data":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
    'FSR_ERR_DATA_INVALID'
  ]
]
for (const [what, message, code, more = {}] of refused) {
  t.test(`${what} is answered with an error, and the connection goes on`, async (t) => {
    const { client, errors } = await chat(t)
    t.match(await ask(client, message), { type: 'error', code, ...more })
    t.match(errors, [{ code }], 'and onError hears of it')
    t.same(await ask(client, { type: 'say', data: { text: 'still' } }), {
      type: 'message',
      data: { text: 'still' }
    })
  })
}

t.test('a binary message is answered with an error', async (t) => {
  const { client, errors } = await chat(t)
  client.send(Buffer.from('{"type":"leave"}'))
  t.match(await client.json(), { type: 'error', code: 'FSR_ERR_MESSAGE_BINARY' })
  t.equal(errors.length, 1)
})

t.test('a route can close instead', async (t) => {
  const messages: Array<[string | Buffer, number, string]> = [
    ['{', 1007, 'invalid payload'],
    ['{"type":"shout"}', 1007, 'invalid payload'],
    ['{"type":"say","data":1}', 1007, 'invalid payload'],
    [Buffer.from('{}'), 1003, 'unsupported data']
  ]
  for (const [message, code, reason] of messages) {
    const { client, errors } = await chat(t, { invalidMessages: 'close' })
    client.send(message)
    t.same(await client.closed, { code, reason })
    t.equal(errors.length, 1)
  }
})

t.test('failing handlers and ReplyErrors do not close where wrong messages do', async (t) => {
  const { client } = await chat(t, { invalidMessages: 'close' })
  t.match(await ask(client, { type: 'fail', id: 1 }), {
    type: 'error',
    id: 1,
    code: 'FSR_ERR_HANDLER_FAILED'
  })
  t.match(await ask(client, { type: 'refuse', id: 2 }), { type: 'error', id: 2, code: 'ROOM_FULL' })
  t.match(await ask(client, { type: 'count', data: [1], id: 3 }), { type: 'reply', id: 3 })
})

t.test('an error of a handler goes to onError, and is not sent to the client', async (t) => {
  const { client, errors } = await chat(t)
  t.same(await ask(client, { type: 'fail', id: 1 }), {
    type: 'error',
    id: 1,
    code: 'FSR_ERR_HANDLER_FAILED',
    message: 'The message could not be handled'
  })
  t.same(await ask(client, { type: 'fail' }), {
    type: 'error',
    code: 'FSR_ERR_HANDLER_FAILED',
    message: 'The message could not be handled'
  })
  t.match(errors, [{ message: 'a secret of the server' }, { message: 'a secret of the server' }])
})

t.test('a ReplyError is sent to the client as it is, and is no failure', async (t) => {
  const { client, errors } = await chat(t)
  t.same(await ask(client, { type: 'refuse', id: 1 }), {
    type: 'error',
    id: 1,
    code: 'ROOM_FULL',
    message: 'The room is full',
    path: '/room'
  })
  t.same(errors, [])
})

t.test('an onError that throws ends the connection', async (t) => {
  const { client } = await chat(t, {}, () => { throw new Error('again') })
  t.match(await ask(client, { type: 'fail', id: 1 }), { type: 'error', id: 1 })
  t.match(await client.closed, { code: 1011 })
})

t.test('without onError a failure is logged, and the connection goes on', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/chat', {
    schema: { in: { fail: {}, ok: {} } },
    on: { fail: async () => { throw new Error('oh') }, ok () {} }
  })
  const client = await connect(`${await listen(app)}/chat`)
  t.match(await ask(client, { type: 'fail', id: 1 }), {
    type: 'error',
    id: 1,
    code: 'FSR_ERR_HANDLER_FAILED'
  })
  t.same(
    await ask(client, { type: 'ok', id: 1 }),
    { type: 'reply', id: 1 },
    'an id can be used again'
  )
})

t.test('a failed onOpen closes the connection if there is no onError', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: {
      logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } }
    }
  })
  const handled: string[] = []
  const ok = { schema: { in: { ok: {} } }, on: { ok () { handled.push('ok') } } }
  app.socketRoute('/sync', { ...ok, onOpen () { throw new Error('oh') } })
  app.socketRoute('/async', { ...ok, onOpen: async () => { throw new Error('oh') } })
  app.socketRoute('/fine', { ...ok, onClose () { throw new Error('oh') } }, { maxPayload: 100 })
  const url = await listen(app)
  for (const path of ['/sync', '/async']) {
    const client = await connect(url + path)
    client.send('{"type":"ok","id":1}')
    t.same(await client.closed, { code: 1011, reason: 'internal error' })
  }
  t.same(handled, [])
  const client = await connect(`${url}/fine`)
  client.send(JSON.stringify({ type: 'ok', data: 'x'.repeat(200) }))
  t.match(await client.closed, { code: 1009 })
  await until(() => lines.filter((line) => line.includes('"message":"oh"')).length === 3)
  t.equal(
    lines.filter((line) => line.includes('"level":50')).length,
    3,
    'what a client does is not an error of the server'
  )
})

t.test('a client that does not read what it is answered is not read from', async (t) => {
  const app = await createApp(t)
  // In the text of each answer.
  const name = 'x'.repeat(30_000)
  let refused = 0
  app.socketRoute('/chat', {
    schema: { in: { say: { data: Type.Object({ [name]: Type.String() }) } } },
    on: { say () {} },
    onError: async () => { refused++ }
  }, { refusals: false })
  const client = await connect(`${await listen(app)}/chat`)
  client.socket.pause()
  const count = 2_000
  for (let sent = 0; sent < count; sent++) client.send('{"type":"say","data":{}}')
  await until(() => refused > 0)
  let before = -1
  while (before !== refused) {
    before = refused
    await turns(200)
  }
  t.ok(refused < count, `after ${refused} of ${count}`)
  client.socket.resume()
  for (let taken = 0; taken < count; taken++) await client.next()
  t.equal(refused, count, 'all are answered when it reads')
})

t.test('faults of the app are logged, faults of the client are not', async (t) => {
  const lines: Array<{ level: number, err?: { message: string } }> = []
  const app = await createApp(t, {
    fastify: {
      logger: {
        level: 'debug',
        stream: { write: (line: string) => { lines.push(JSON.parse(line)) } }
      }
    }
  })
  app.socketRoute('/chat', {
    schema: { in: { fail: {} } },
    on: { fail () { throw new Error('oh') } }
  })
  const client = await connect(`${await listen(app)}/chat`)
  await ask(client, { type: 'none' })
  await ask(client, { type: 'fail' })
  t.same(
    lines.filter(({ err }) => err !== undefined).map(({ level, err }) => [level, err!.message]),
    [[20, 'There is no message of this type'], [50, 'oh']]
  )
})

t.test('a callback that returns a value has failed: only the contract is sent', async (t) => {
  const app = await createApp(t)
  const errors: Error[] = []
  const closed = new Promise<void>((resolve) => {
    app.socketRoute('/chat', {
      schema: {},
      on: {},
      onOpen: (() => 'hello') as never,
      onClose: (async () => { resolve(); return 'bye' }) as never,
      onError (_connection, error) { errors.push(error) }
    })
  })
  const client = await connect(`${await listen(app)}/chat`)
  await until(() => errors.length === 1)
  t.same(client.unread, [])
  client.socket.close()
  await closed
  await until(() => errors.length === 2)
  t.match(errors, [
    { code: 'FSR_ERR_RETURN_INVALID', message: /^onOpen / },
    { code: 'FSR_ERR_RETURN_INVALID', message: /^onClose / }
  ])
})

t.test('a second message with the id of an unanswered one is rejected', async (t) => {
  const app = await createApp(t)
  let go = (): void => {}
  app.socketRoute(
    '/chat',
    {
      schema: { in: { wait: { reply: Type.Number() } } },
      on: { wait: () => new Promise<number>((resolve) => { go = () => { resolve(1) } }) }
    },
    { concurrency: 2 }
  )
  const client = await connect(`${await listen(app)}/chat`)
  client.send('{"type":"wait","id":1}')
  t.match(await ask(client, { type: 'wait', id: 1 }), {
    type: 'error',
    id: 1,
    code: 'FSR_ERR_ID_DUPLICATE'
  })
  go()
  t.same(await client.json(), { type: 'reply', id: 1, data: 1 })
})

t.test('a message may need a role of a user that a hook sets, without a guard', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    fastify: { logger: { level: 'debug', stream: { write: (line) => { lines.push(line) } } } }
  })
  app.socketRoute('/', {
    schema: { in: { kick: { isGranted: 'ROLE_ADMIN' }, odd: { isGranted: () => false } } },
    on: { kick () {}, odd () {} }
  }, {
    tokenFrom: [],
    preValidation: async (request) => {
      const { role } = request.query as { role?: string }
      if (role !== undefined) Object.assign(request, { user: { roles: [role] } })
    }
  })
  const url = await listen(app)
  const logged = (): object[] => lines
    .filter((line) => line.includes('isGranted refused a message'))
    .map((line) => JSON.parse(line))
  const admin = await connect(`${url}/?role=ROLE_ADMIN`)
  t.match(await ask(admin, { type: 'kick', id: 1 }), { type: 'reply', id: 1 })
  t.strictSame(logged(), [])
  const refusal = { type: 'error', code: 'FSR_ERR_MESSAGE_NOT_GRANTED' }
  for (const query of ['?role=ROLE_USER', '']) {
    t.match(await ask(await connect(`${url}/${query}`), { type: 'kick', id: 1 }), refusal)
  }
  t.match(await ask(admin, { type: 'odd', id: 1 }), refusal)
  const wanted = { wanted: 'ROLE_ADMIN', claim: 'roles' }
  t.match(logged(), [
    { ...wanted, isClaimThere: true, hasUser: true },
    { ...wanted, isClaimThere: false, hasUser: false },
    { wanted: 'isGranted', hasUser: true }
  ])
})

t.test('the grant of a message is checked against the current user', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/chat', {
    schema: {
      in: {
        kick: { isGranted: 'ROLE_ADMIN' },
        only: { isGranted: (user: unknown) => (user as { sub: string }).sub === 'alice' },
        later: { isGranted: async () => false },
        truthy: { isGranted: () => 'yes' as never },
        truthyLater: { isGranted: async () => 1 as never }
      }
    },
    on: { kick () {}, only () {}, later () {}, truthy () {}, truthyLater () {} }
  }, { isGranted: 'ROLE_USER', roleHierarchy: { ROLE_ROOT: ['ROLE_ADMIN', 'ROLE_USER'] } })
  const url = `${await listen(app)}/chat`
  const user = await connectAs(tokenOf(app), url)
  t.match(await ask(user, { type: 'kick', id: 1 }), {
    type: 'error',
    id: 1,
    code: 'FSR_ERR_MESSAGE_NOT_GRANTED'
  })
  t.match(await ask(user, { type: 'only', id: 1 }), { type: 'reply', id: 1 })
  for (const type of ['later', 'truthy', 'truthyLater']) {
    t.match(
      await ask(user, { type, id: 1 }),
      { type: 'error', code: 'FSR_ERR_MESSAGE_NOT_GRANTED' },
      'only true lets in'
    )
  }
  t.match(await ask(await connectAs(tokenOf(app, ['ROLE_ROOT']), url), { type: 'kick', id: 1 }), {
    type: 'reply',
    id: 1
  })

  t.same(await ask(user, { type: 'renew', id: 2, data: { token: tokenOf(app, ['ROLE_ROOT']) } }), {
    type: 'reply',
    id: 2
  })
  t.match(
    await ask(user, { type: 'kick', id: 3 }),
    { type: 'reply', id: 3 },
    'after the renewal that is another'
  )
  t.match(await ask(user, { type: 'renew', id: 4, data: { token: 'none' } }), {
    type: 'error',
    id: 4,
    code: 'FSR_ERR_TOKEN_INVALID'
  })
  user.send(JSON.stringify({ type: 'renew', data: { token: tokenOf(app, ['ROLE_ROOT']) } }))
  t.match(
    await ask(user, { type: 'renew', id: 5 }),
    { type: 'error', id: 5, code: 'FSR_ERR_TOKEN_INVALID' },
    'without an id there is no answer'
  )
})

t.test('sending before the app is ready reaches no client and is harmless', async (t) => {
  const app = await createApp(t)
  const chat = app.socketRoute('/chat', {
    schema: {
      out: {
        message: Type.Object({ text: Type.String() }),
        bye: null,
        ask: { reply: Type.Boolean() }
      }
    },
    on: {}
  })
  chat.to('room').send('message', { text: 'a' })
  chat.broadcast('bye')
  t.same(await chat.to('room').local.request('ask'), [])
  t.throws(() => { chat.broadcast('massage' as 'bye') }, { code: 'FSR_ERR_EVENT_UNKNOWN' })
})

t.test('a renewal that fails for another reason than its token is a server failure', async (t) => {
  let isBroken = false
  const fail = (): void => { if (isBroken) throw new Error('a secret of the server') }
  const app = await createApp(t, {
    plugin: { revocations: { revoke () {}, revokedBefore: () => { fail(); return undefined } } }
  })
  const errors: unknown[] = []
  const controller = {
    schema: { in: { ok: {} } },
    on: { ok () {} },
    onError (_connection: unknown, error: unknown) { errors.push(error) }
  }
  app.socketRoute('/store', controller, 'ROLE_USER')
  app.socketRoute('/predicate', controller, { isGranted: () => { fail(); return true } })
  const nothing = undefined as unknown as Error
  app.socketRoute('/nothing', controller, {
    isGranted: () => isBroken ? Promise.reject(nothing) : true
  })
  const url = await listen(app)
  const clients = await Promise.all(['/predicate', '/nothing', '/store'].map(
    async (path) => await connectAs(tokenOf(app, undefined, { sub: path }), url + path)
  ))
  isBroken = true
  for (const client of clients) {
    const { pathname } = new URL(client.socket.url)
    t.same(
      await ask(client, {
        type: 'renew',
        id: 1,
        data: { token: tokenOf(app, undefined, { sub: pathname }) }
      }),
      {
        type: 'error',
        id: 1,
        code: 'FSR_ERR_HANDLER_FAILED',
        message: 'The message could not be handled'
      }
    )
    t.match(await ask(client, { type: 'ok', id: 1 }), { type: 'reply', id: 1 })
  }
  t.equal(errors.length, 3)
})

t.test('no token is taken where the upgrade takes none, nor of a user without sub', async (t) => {
  const app = await createApp(t)
  const controller = {
    schema: { in: { who: { reply: Type.Any() } } },
    on: { who: (connection: WsConnection) => connection.user }
  }
  const known = async (request: unknown): Promise<void> => {
    (request as { user: unknown }).user = { sub: 'alice', roles: ['ROLE_USER'] }
  }
  app.socketRoute('/hook', controller, {
    isGranted: 'ROLE_USER',
    tokenFrom: [],
    preValidation: known
  })
  app.socketRoute('/ticket', controller, {
    isGranted: 'ROLE_USER',
    tokenFrom: ['ticket'],
    preValidation: known
  })
  app.socketRoute('/open', controller, { preValidation: known })
  app.socketRoute('/nobody', controller)
  app.socketRoute('/unnamed', controller, 'ROLE_USER')
  const url = await listen(app)
  const unnamed = (id: number): string => tokenOf(app, ['ROLE_USER'], { sub: undefined, id })
  for (const [path, token, other] of [
    ['/hook'],
    ['/ticket'],
    ['/open'],
    ['/nobody'],
    ['/unnamed', unnamed(1), unnamed(2)]
  ] as const) {
    const client = token === undefined
      ? await connect(url + path)
      : await connectAs(token, url + path)
    const before = await ask(client, { type: 'who', id: 1 })
    t.match(
      await ask(client, {
        type: 'renew',
        id: 2,
        data: { token: other ?? tokenOf(app, ['ROLE_USER', 'ROLE_ADMIN']) }
      }),
      { type: 'error', id: 2, code: 'FSR_ERR_TOKEN_INVALID' },
      path
    )
    t.same(await ask(client, { type: 'who', id: 1 }), before)
  }
})

t.test('invalid answers of a client are no fault of the app', async (t) => {
  const levels: number[] = []
  const clock = new TestClock()
  const stream = {
    write (line: string) {
      if (line.includes('a message was refused')) {
        levels.push((JSON.parse(line) as { level: number }).level)
      }
    }
  }
  const app = await createApp(t, { clock, fastify: { logger: { level: 'debug', stream } } })
  app.socketRoute('/chat', {
    schema: {
      in: { start: {}, join: { data: Type.String() }, fail: {} },
      out: { ask: { reply: Type.Record(Type.String(), Type.Integer()) } }
    },
    on: {
      async start (connection) { await connection.request('ask') },
      async join (connection, room) { await connection.join(room as string) },
      fail () { throw new Error('a fault') }
    }
  })
  const client = await connect(`${await listen(app)}/chat`)
  for (const answer of [
    { type: 'error', code: 'NO' },
    { type: 'reply', data: { secret: 'x' } },
    undefined
  ]) {
    client.send('{"type":"start"}')
    const { id } = await client.json() as { id: number }
    if (answer === undefined) t.match(await clock.during(client.json()), { type: 'cancel' })
    else client.send(JSON.stringify({ ...answer, id }))
    t.match(await client.json(), { type: 'error', code: 'FSR_ERR_HANDLER_FAILED' })
  }
  await ask(client, { type: 'join', data: '' })
  await ask(client, { type: 'fail' })
  t.same(levels, [30, 30, 30, 30, 50])
})

t.test('renewals that are refused are logged at debug only, wherever they come', async (t) => {
  for (const jwt of [true, false]) {
    const lines: string[] = []
    const app = await createApp(t, {
      jwt,
      fastify: {
        logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } }
      }
    })
    app.socketRoute('/chat', { schema: { in: { ok: {} } }, on: { ok () {} } })
    const client = await connect(`${await listen(app)}/chat`)
    const before = lines.length
    t.match(await ask(client, { type: 'renew', id: 1, data: { token: 'a token that is none' } }), {
      type: 'error',
      code: 'FSR_ERR_TOKEN_INVALID'
    })
    t.same(lines.slice(before), [])
  }
})

t.test('rooms and broadcasts send what the contract has', async (t) => {
  const app = await createApp(t)
  const chat = app.socketRoute('/chat', {
    schema: { in: { join: {} }, out: { message: Type.Object({ text: Type.String() }), bye: null } },
    on: { join: async (connection) => { await connection.join('room') } }
  })
  const url = `${await listen(app)}/chat`
  const [one, other] = [await connect(url), await connect(url)]
  await ask(one, { type: 'join', id: 1 })
  await ask(other, { type: 'join', id: 1 })
  chat.to('room').send('message', { text: 'a' })
  chat.broadcast('message', { text: 'b' }, { except: [...chat.clients][0]! })
  chat.broadcast('bye')
  t.same(await one.take(2), ['{"type":"message","data":{"text":"a"}}', '{"type":"bye"}'])
  t.same(await other.take(3), [
    '{"type":"message","data":{"text":"a"}}',
    '{"type":"message","data":{"text":"b"}}',
    '{"type":"bye"}'
  ])
  t.throws(
    () => { chat.broadcast('massage' as 'bye') },
    { code: 'FSR_ERR_EVENT_UNKNOWN', message: /^This type is not .*: did you mean message\? It has message, bye$/ }
  )
  const sent = 'x'.repeat(65)
  t.throws(
    () => { chat.broadcast(sent as 'bye') },
    { code: 'FSR_ERR_EVENT_UNKNOWN', message: /^This type is not .* contract; it has message, bye$/ }
  )
  t.throws(() => { chat.broadcast('message', {} as never) }, { code: 'FSR_ERR_EVENT_INVALID' })
  t.throws(
    () => { chat.broadcast({ type: 'bye' } as unknown as 'bye') },
    {
      code: 'FSR_ERR_EVENT_UNKNOWN',
      message: /^The first argument, the type, is of type object, which is not .* message, bye/
    }
  )
})
