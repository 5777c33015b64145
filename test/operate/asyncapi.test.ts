// The document of an app: what it says of routes, messages, guards and limits, and that others take
// it for AsyncAPI.
import { Type } from 'typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import t, { type Test } from 'tap'
import socketRoutes, { closeCodes, errors } from '../../src/index.js'
import asyncapi, {
  type AsyncapiDocument,
  type AsyncapiMessage,
  type AsyncapiOptions
} from '../../src/operate/asyncapi/index.js'
import { connect } from '../support/client.js'
import { parse, parserTest } from '../support/asyncapi-parser.js'
import { createApp, listen, SECRET, tokenOf } from '../support/server.js'
import { tls } from '../support/tls.js'
import { witnessed } from '../support/witness.js'

const info = { title: 'Chat', version: '1.2.3', description: 'Talks' }

const contract = {
  schema: {
    in: {
      say: {
        data: Type.Object({ text: Type.String() }),
        summary: 'Says it',
        description: 'To **all**'
      },
      join: {
        data: Type.String(),
        reply: Type.Object({ members: Type.Number() }),
        isGranted: ['ROLE_USER', 'ROLE_GUEST']
      },
      ticks: { stream: Type.Integer(), isGranted: () => true },
      leave: { isGranted: 'ROLE_USER' }
    },
    out: {
      message: Type.Object({ text: Type.String() }),
      ask: { data: Type.String(), reply: Type.Boolean(), summary: 'Asks' },
      bye: null
    }
  },
  on: {
    say () {},
    join: () => ({ members: 1 }),
    async * ticks () { yield 1 },
    leave () {}
  }
} as const

/** An app with a route of each kind, not ready yet. */
async function createRich (
  t: Test,
  options: Partial<AsyncapiOptions> = {}
): Promise<FastifyInstance> {
  const app = Fastify({ logger: witnessed(true) })
  t.teardown(() => app.close())
  await app.register(cookie)
  await app.register(jwt, { secret: SECRET, cookie: { cookieName: 'session', signed: false } })
  await app.register(socketRoutes)
  await app.register(asyncapi, { info, ...options })
  app.socketRoute('/chat/:room', contract, {
    name: 'chat',
    isGranted: ['ROLE_USER', 'ROLE_GUEST'],
    schema: {
      params: Type.Object({
        room: Type.Union([Type.Literal('lobby'), Type.Literal('bar')], {
          enum: ['lobby', 'bar'],
          default: 'lobby',
          examples: ['bar'],
          description: 'Where to'
        })
      }),
      querystring: Type.Object({ since: Type.Optional(Type.Integer()) }),
      headers: Type.Object({ 'x-device': Type.Optional(Type.String()) })
    },
    config: { asyncapi: { summary: 'A chat', description: 'Of *rooms*', tags: ['talk'] } }
  })
  app.socketRoute('/feed/:topic/:page?', { onOpen: () => 'welcome' })
  await app.register(async (scope) => {
    scope.socketScope({
      isGranted: 'ROLE_STAFF',
      tokenFrom: ['query', 'ticket', 'message'],
      connections: { perUser: { max: 2, on: 'close-oldest' }, perRoute: 10 }
    })
    scope.socketRoute('/files/*', { onOpen: () => 'welcome' }, {
      isGranted: () => true,
      protocols: ['v1', 'v2'],
      rate: { messages: 5 }
    })
  }, { prefix: '/v1' })
  app.socketRoute('/', { schema: { out: { news: Type.String() } }, on: {} })
  app.socketRoute('/secret', { onOpen: () => 'welcome' }, { config: { asyncapi: { hide: true } } })
  return app
}

async function describe (
  t: Test,
  options: Partial<AsyncapiOptions> = {}
): Promise<AsyncapiDocument> {
  const app = await createRich(t, options)
  await app.ready()
  return app.asyncapi()
}

const messageOf = (document: AsyncapiDocument, channel: string, key: string): AsyncapiMessage =>
  document.channels[channel]!.messages[key] as AsyncapiMessage

t.test('the parser of AsyncAPI takes the document', parserTest, async (t) => {
  const document = await describe(t)
  const { diagnostics, document: parsed } = await parse(document)
  t.strictSame(
    diagnostics.map(({ code }) => code),
    ['asyncapi-latest-version'],
    'nothing but that there is a newer version, which more tools do not read yet'
  )
  t.equal(parsed?.channels().length, 4)
  t.strictSame(parsed?.operations().all().map((operation) => operation.id()).filter(
    (id) => id?.startsWith('chat')
  ), [
    'chat.in.say', 'chat.in.join', 'chat.in.ticks', 'chat.in.leave', 'chat.out.message',
    'chat.out.ask', 'chat.out.bye', 'chat.out.error', 'chat.out.reply', 'chat.in.cancel',
    'chat.out.cancel', 'chat.in.alive', 'chat.in.renew'
  ])
})

t.test('it is JSON, and what the app says of itself is in it', async (t) => {
  const document = await describe(t, {
    servers: {
      production: 'wss://example.com/base',
      test: { host: 'test.example.com:8080', protocol: 'ws', description: 'For tests' },
      root: 'wss://example.com'
    }
  })
  t.strictSame(JSON.parse(JSON.stringify(document)), document)
  t.match(document, { asyncapi: '3.0.0', info, defaultContentType: 'application/json' })
  t.strictSame(document.servers, {
    production: { host: 'example.com', protocol: 'wss', pathname: '/base' },
    test: { host: 'test.example.com:8080', protocol: 'ws', description: 'For tests' },
    root: { host: 'example.com', protocol: 'wss' }
  })
})

t.test('each route is a channel, unless it is hidden', async (t) => {
  const { channels, operations } = await describe(t)
  t.strictSame(Object.keys(channels), ['chat', 'feed_topic_page', 'v1_files', 'root'])
  t.match(channels['chat'], {
    address: '/chat/{room}',
    title: 'chat',
    summary: 'A chat',
    description: 'Of *rooms*',
    tags: [{ name: 'talk' }]
  })
  t.match(channels['root'], { address: '/', title: '/' })
  t.notOk(Object.keys(operations).some((key) => key.startsWith('secret')))
})

t.test('a misspelt hide fails when the app is ready, as the route would be public', async (t) => {
  for (const [given, message] of [
    [{ hidden: true }, "has 'hidden', which is unknown: did you mean hide\\?"],
    [{ hide: 'yes' }, 'has a hide that is no boolean'],
    [false, 'is not \\{ hide, summary'],
    [null, 'is not \\{ hide, summary']
  ] as const) {
    const app = await createApp(t)
    await app.register(asyncapi, { info })
    app.socketRoute('/internal', { onOpen: () => {} }, { config: { asyncapi: given as never } })
    await t.rejects(
      async () => { await app.ready() },
      {
        code: 'FSR_ERR_OPTION_INVALID',
        message: new RegExp(`^Option config.asyncapi of '/internal' ${message}`)
      }
    )
  }
  const app = await createApp(t)
  await app.register(asyncapi, { info })
  app.socketRoute('/', { onOpen: () => {} }, { config: { asyncapi: undefined } })
  await t.resolves(async () => { await app.ready() })
})

t.test('parameters, query and headers are those of the route', async (t) => {
  const { channels } = await describe(t)
  const { chat, feed_topic_page: feed, v1_files: files } = channels
  t.strictSame(chat!.parameters, {
    room: { description: 'Where to', enum: ['lobby', 'bar'], default: 'lobby', examples: ['bar'] }
  })
  t.match(chat!['x-params'], { type: 'object', properties: { room: { default: 'lobby' } } })
  t.strictSame(chat!.bindings.ws, {
    method: 'GET',
    query: { type: 'object', properties: { since: { type: 'integer' } } },
    headers: { type: 'object', properties: { 'x-device': { type: 'string' } } },
    bindingVersion: '0.1.0'
  })
  t.equal(feed!.address, '/feed/{topic}/{page}')
  t.strictSame(feed!.parameters, { topic: {}, page: { 'x-optional': true } })
  t.equal(files!.address, '/v1/files/{wildcard}')
  t.strictSame(files!.parameters, { wildcard: { description: 'The rest of the path.' } })
  t.strictSame(feed!.bindings.ws, { method: 'GET', bindingVersion: '0.1.0' })
})

t.test('a message is its whole envelope', async (t) => {
  const document = await describe(t)
  t.strictSame(messageOf(document, 'chat', 'in.say'), {
    name: 'say',
    title: 'say',
    summary: 'Says it',
    description: 'To **all**',
    correlationId: { $ref: '#/components/correlationIds/id' },
    payload: {
      type: 'object',
      required: ['type', 'data'],
      properties: {
        type: { type: 'string', const: 'say' },
        id: { $ref: '#/components/schemas/protocol.id' },
        data: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }
      }
    },
    'x-data': { $ref: '#/channels/chat/messages/in.say/payload/properties/data' }
  })
  t.match(
    messageOf(document, 'chat', 'in.ticks'),
    { payload: { required: ['type', 'id'] } },
    'a stream needs an id'
  )
  t.match(messageOf(document, 'chat', 'in.ticks.item'), {
    name: 'reply',
    payload: { required: ['type', 'id', 'data', 'more'], properties: { data: { type: 'integer' } } }
  })
  t.match(messageOf(document, 'chat', 'in.join.reply'), {
    name: 'reply',
    title: 'reply to join',
    payload: { required: ['type', 'id', 'data'] }
  })
  t.match(messageOf(document, 'chat', 'out.ask.reply'), {
    name: 'reply',
    payload: { properties: { data: { type: 'boolean' } } }
  })
  t.strictSame(messageOf(document, 'chat', 'out.bye'), {
    name: 'bye',
    title: 'bye',
    payload: {
      type: 'object',
      required: ['type'],
      properties: { type: { type: 'string', const: 'bye' } }
    }
  })
  t.strictSame(document.channels['chat']!.messages['error'], {
    $ref: '#/components/messages/error'
  })
})

t.test('operations say what is answered', async (t) => {
  const { operations } = await describe(t)
  const messages = (...keys: string[]) => keys.map((key) => ({
    $ref: `#/channels/chat/messages/${key}`
  }))
  const channel = { $ref: '#/channels/chat' }
  t.match(operations['chat.in.join'], {
    action: 'receive',
    channel,
    messages: messages('in.join'),
    reply: { channel, messages: messages('in.join.reply', 'error') }
  })
  t.strictSame(
    operations['chat.in.ticks']!.reply?.messages,
    messages('in.ticks.item', 'reply', 'error')
  )
  t.match(operations['chat.out.ask'], {
    action: 'send',
    summary: 'Asks',
    reply: { messages: messages('out.ask.reply', 'error') }
  })
  t.match(operations['chat.in.say'], {
    summary: 'Says it',
    description: 'To **all**',
    reply: undefined
  })
  t.match(operations['chat.in.renew'], {
    action: 'receive',
    reply: { messages: messages('reply', 'error') }
  })
  t.match(operations['chat.in.cancel'], { action: 'receive', messages: messages('cancel') })
  t.match(operations['chat.out.cancel'], { action: 'send', messages: messages('cancel') })
})

t.test('an impossible message of a route is not an operation', async (t) => {
  const app = await createApp(t)
  await app.register(asyncapi, { info })
  app.socketRoute('/told', { schema: { out: { news: Type.String() } }, on: {} })
  app.socketRoute('/asked', {
    schema: { in: { ping: { reply: Type.String() } } },
    on: { ping: () => 'pong' }
  })
  await app.ready()
  t.strictSame(Object.keys(app.asyncapi().operations), [
    'told.out.news',
    'told.out.error',
    'told.in.alive',
    'asked.in.ping',
    'asked.out.error',
    'asked.in.cancel',
    'asked.in.alive'
  ])
})

t.test('a route without a contract has messages that nothing is known of', async (t) => {
  const document = await describe(t)
  t.strictSame(document.channels['feed_topic_page']!.messages, {
    'in.message': {
      title: 'Message',
      description: 'Text or bytes, as the controller accepts them.',
      contentType: 'application/octet-stream',
      payload: {}
    },
    'out.message': {
      title: 'Message',
      description: 'Text or bytes, as the controller sends them.',
      contentType: 'application/octet-stream',
      payload: {}
    }
  })
  t.equal(document.operations['feed_topic_page.in.message']!.action, 'receive')
  t.equal(document.operations['feed_topic_page.out.message']!.action, 'send')
  t.equal(document.channels['feed_topic_page']!['x-socket-route'].isRaw, true)
})

t.test('guards are security schemes, any of which is enough', async (t) => {
  const { components, operations, channels } = await describe(t)
  const keys = (operation: string) => operations[operation]!.security?.map(
    ({ $ref }) => $ref.split('/').at(-1)
  )
  t.strictSame(keys('chat.in.say'), ['header', 'protocol', 'cookie'])
  t.strictSame(keys('chat.out.message'), ['header', 'protocol', 'cookie'])
  t.strictSame(keys('v1_files.in.message'), ['query', 'ticket', 'message'])
  t.equal(keys('feed_topic_page.in.message'), undefined)
  t.match(components.securitySchemes, {
    header: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
    protocol: { type: 'httpApiKey', name: 'Sec-WebSocket-Protocol', in: 'header' },
    cookie: { type: 'httpApiKey', name: 'session', in: 'cookie' },
    query: { type: 'httpApiKey', name: 'access_token', in: 'query' },
    ticket: { type: 'httpApiKey', name: 'ticket', in: 'query' },
    message: { type: 'apiKey', in: 'password' }
  })
  t.match(channels['v1_files']!.messages['token'], {
    contentType: 'text/plain',
    payload: { type: 'string' }
  })
  t.equal(operations['v1_files.in.token']!.action, 'receive')
})

t.test('where a guard does not look there is no scheme', async (t) => {
  const app = await createApp(t, { jwt: false })
  await app.register(asyncapi, { info })
  app.socketRoute('/own', { onOpen: () => 'welcome' }, { isGranted: 'ROLE_USER', tokenFrom: [] })
  app.socketRoute('/open', { onOpen: () => 'welcome' }, { origins: '*' })
  const contract = { schema: { in: { a: {} } }, on: { a () {} } }
  app.socketRoute('/ticket', contract, { isGranted: 'ROLE_USER', tokenFrom: ['ticket'] })
  for (const [prefix, cookie, verify] of [
    ['/jwt', undefined, {}],
    ['/only', { cookieName: 'a', signed: false }, { onlyCookie: true }],
    ['/other', { cookieName: 'b', signed: false }, {}]
  ] as const) {
    await app.register(async (scope) => {
      await scope.register(jwt, { secret: SECRET, verify, ...(cookie && { cookie }) })
      scope.socketRoute('/', contract, { isGranted: 'ROLE_USER' })
    }, { prefix })
  }
  await app.ready()
  const { channels, operations, components: { securitySchemes } } = app.asyncapi()
  const sources = Object.fromEntries(Object.entries(channels).map(([key, channel]) => [
    key,
    channel['x-socket-route'].tokenFrom
  ]))
  t.strictSame(sources, {
    own: [],
    open: [],
    ticket: ['ticket'],
    jwt: ['header', 'protocol'],
    only: ['protocol', 'cookie'],
    other: ['header', 'protocol', 'cookie']
  })
  t.equal(operations['own.in.message']!.security, undefined)
  t.strictSame(
    [securitySchemes!['cookie'], securitySchemes!['cookie_2']].map((scheme) => scheme!['name']),
    ['a', 'b'],
    'two cookies are two schemes'
  )
  t.notOk('ticket.in.renew' in operations, 'without tokens none is renewed')
  t.notOk('own.in.renew' in operations)
  t.ok('jwt.in.renew' in operations)
  const refusals = (key: string) => channels[key]!['x-socket-route'].refusals.map(
    ({ code }) => code
  )
  t.notOk(refusals('open').includes('FSR_ERR_ORIGIN_REFUSED'))
  t.ok(refusals('own').includes('FSR_ERR_ORIGIN_REFUSED'))
  t.notOk(
    refusals('own').includes('FSR_ERR_TOKEN_EXPIRED'),
    'where no token is read none has expired'
  )
  for (const key of ['jwt', 'ticket']) t.ok(refusals(key).includes('FSR_ERR_TOKEN_EXPIRED'))
})

t.test('the document says that refusals have no limit', async (t) => {
  const app = await createApp(t)
  await app.register(asyncapi, { info })
  app.socketRoute(
    '/',
    { schema: { in: { a: {} } }, on: { a () {} } },
    { refusals: false, name: 'unlimited' }
  )
  await app.ready()
  const [channel] = Object.values(app.asyncapi().channels)
  t.equal(channel!['x-socket-route'].name, 'unlimited')
  t.equal(channel!['x-socket-route'].limits.refusals, false)
})

t.test('roles, limits and ends of a route are told', async (t) => {
  const { channels, operations } = await describe(t)
  const chat = channels['chat']!['x-socket-route']
  t.match(chat, {
    name: 'chat',
    path: '/chat/:room',
    isRaw: false,
    roles: [['ROLE_USER', 'ROLE_GUEST']],
    hasPredicate: false,
    protocols: []
  })
  t.strictSame(chat.limits, {
    maxPayload: 65_536,
    concurrency: 1,
    refusals: { max: 100, per: 10_000 },
    connections: {},
    roomsPerConnection: 1_000,
    streamsPerConnection: 16
  })
  const files = channels['v1_files']!['x-socket-route']
  t.match(files, {
    roles: [['ROLE_STAFF']],
    hasPredicate: true,
    tokenFrom: ['query', 'ticket', 'message'],
    protocols: ['v1', 'v2']
  })
  t.strictSame(files.limits, {
    maxPayload: 65_536,
    concurrency: 1,
    rate: {
      messages: 5,
      per: 1_000,
      tolerance: 10
    },
    connections: {
      perUser: { max: 2, on: 'close-oldest' },
      perRoute: 10
    },
    roomsPerConnection: 1_000
  })
  t.strictSame(operations['chat.in.join']!['x-granted'], ['ROLE_USER', 'ROLE_GUEST'])
  t.strictSame(operations['chat.in.leave']!['x-granted'], ['ROLE_USER'])
  t.match(operations['chat.in.ticks'], { 'x-granted': [], 'x-has-predicate': true })
  t.notOk('x-granted' in operations['chat.in.say']!)

  const closes = (key: string) => channels[key]!['x-socket-route'].closeCodes.map(
    ({ reason }) => reason
  )
  const always = [
    '',
    'protocol error',
    'invalid payload',
    'policy violation',
    'message too big',
    'internal error',
    'service restart',
    'too slow'
  ]
  t.strictSame(closes('feed_topic_page'), always)
  t.strictSame(closes('chat'), [
    ...always.slice(0, 2),
    'unsupported data',
    ...always.slice(2),
    'token expired',
    'token not valid',
    'too many refused messages',
    'access revoked'
  ])
  t.strictSame(closes('v1_files').filter((reason) => !always.includes(reason)), [
    'replaced by a newer connection', 'token expired', 'token missing', 'token not valid',
    'not granted', 'too many connections', 'too many messages', 'access revoked'
  ])
  t.strictSame(chat.closeCodes[0], closeCodes.normal)

  const refusals = (key: string) => channels[key]!['x-socket-route'].refusals.map(
    ({ status, code }) => `${status} ${code.replace('FSR_ERR_', '')}`
  )
  const open = [
    '400 HANDSHAKE_INVALID',
    '426 VERSION_UNSUPPORTED',
    '426 UPGRADE_REQUIRED',
    '426 UPGRADE_DROPPED',
    '403 ORIGIN_REFUSED',
    '503 CLOSING'
  ]
  t.strictSame(refusals('feed_topic_page'), open)
  t.strictSame(refusals('chat').filter((each) => !open.includes(each)), [
    '401 TOKEN_MISSING',
    '401 TOKEN_INVALID',
    '401 TOKEN_EXPIRED',
    '403 NOT_GRANTED',
    '503 STORE_FAILED',
    '400 FST_ERR_VALIDATION'
  ])
  t.strictSame(refusals('v1_files').filter((each) => !open.includes(each)), [
    '400 PROTOCOL_UNSUPPORTED', '401 TOKEN_INVALID', '401 TOKEN_EXPIRED', '401 TICKET_INVALID',
    '403 NOT_GRANTED', '429 CONNECTIONS_TOO_MANY', '503 ROUTE_FULL', '503 STORE_FAILED'
  ])
})

t.test('the codes of errors are told where a client reads them', async (t) => {
  const { components } = await describe(t)
  const { properties } = components.schemas!['protocol.error'] as {
    properties: { code: { examples: string[] } }
  }
  for (const { code } of [
    new errors.TypeUnknown(),
    new errors.DataInvalid(),
    new errors.HandlerFailed()
  ]) {
    t.ok(properties.code.examples.includes(code), code)
  }
  t.notOk(
    properties.code.examples.includes(new errors.RoomInvalid().code),
    'what only the app hears of is not'
  )
})

t.test('names that are no keys become keys, each its own', async (t) => {
  const app = await createApp(t)
  await app.register(asyncapi, { info })
  const data = Type.String()
  app.socketRoute('/a/b', {
    schema: {
      in: {
        'x y': { data },
        'x/y': { data },
        'x~y': { reply: Type.Number() },
        'x~y.reply': { data }
      }
    },
    on: { 'x y' () {}, 'x/y' () {}, 'x~y': () => 1, 'x~y.reply' () {} }
  })
  app.socketRoute('/a_b', { onOpen: () => {} })
  app.socketRoute('/a', { schema: { in: { 'in.b': { data } } }, on: { 'in.b' () {} } })
  app.socketRoute('/a.in', { schema: { in: { b: { data } } }, on: { b () {} } })
  await app.ready()
  const document = app.asyncapi()
  t.strictSame(Object.keys(document.channels), ['a_b', 'a_b_2', 'a', 'a.in'])
  const { messages } = document.channels['a_b']!
  t.strictSame(Object.entries(messages).map(([key, message]) => [
    key,
    (message as AsyncapiMessage).name
  ]).filter(([, name]) => name !== undefined), [
    ['in.x_y', 'x y'], ['in.x_y_2', 'x/y'], ['in.x_y_3', 'x~y'], ['in.x_y.reply', 'reply'], [
      'in.x_y.reply_2',
      'x~y.reply'
    ]
  ])
  t.ok(document.operations['a.in.in.b'] && document.operations['a.in.in.b_2'])
  if (parserTest.skip === undefined) {
    t.strictSame((await parse(document)).diagnostics.filter(({ severity }) => severity < 2), [])
  }
})

t.test('messages on the wire match the document', async (t) => {
  const app = await createApp(t)
  await app.register(asyncapi, { info })
  app.socketRoute('/chat', {
    ...contract,
    on: {
      ...contract.on,
      say (connection, data) {
        (connection.send as (type: string, data: unknown) => void)('message', data)
      },
      leave () { throw new Error('no') }
    }
  }, { isGranted: 'ROLE_USER' })
  const client = await connect(`${await listen(app)}/chat`, ['bearer', tokenOf(app)])
  const valid = await createChecker(t, app.asyncapi())
  const ask = async (key: string, message: object, ...replies: string[]): Promise<void> => {
    t.ok(await valid(key, message), key)
    t.notOk(await valid(key, { ...message, type: 'other' }), `${key} is of one type`)
    client.send(JSON.stringify(message))
    for (const key of replies) t.ok(await valid(key, await client.json()), key)
  }
  await ask('in.say', { type: 'say', data: { text: 'a' } }, 'out.message')
  await ask('in.say', { type: 'say', data: { text: 'a' }, id: 1 }, 'out.message', 'reply')
  await ask('in.join', { type: 'join', data: 'a', id: 'b' }, 'in.join.reply')
  await ask('in.ticks', { type: 'ticks', id: 3 }, 'in.ticks.item', 'reply')
  await ask('in.leave', { type: 'leave', id: 4 }, 'error')
  await ask(
    'renew',
    { type: 'renew', id: 5, data: { token: tokenOf(app, ['ROLE_USER'], { jti: '2' }) } },
    'reply'
  )
  await ask('cancel', { type: 'cancel', id: 6 })
  await ask('alive', { type: 'alive', id: 7 }, 'reply')
  t.notOk(await valid('in.say', { type: 'say', data: {} }))
  t.notOk(await valid('in.say', { type: 'say', data: { text: 'a' }, id: '' }))
  t.notOk(
    await valid('reply', { type: 'reply', id: 3, data: 1, more: true }),
    'an item is not also the end'
  )
})

/** Says whether something is a message of the channel `chat`. */
async function createChecker (
  t: Test,
  document: AsyncapiDocument
): Promise<(key: string, message: unknown) => Promise<boolean>> {
  const checker = Fastify({
    ajv: { customOptions: { strict: false, coerceTypes: false, removeAdditional: false } }
  })
  t.teardown(() => checker.close())
  checker.addSchema({ $id: 'document', ...document })
  checker.post<{ Body: { key: string, message: unknown } }>('/', async (request) => {
    const { key, message } = request.body
    const {
      $ref = `#/channels/chat/messages/${key}`
    } = document.channels['chat']!.messages[key] as { $ref?: string }
    return request.validateInput(message, { $ref: `document${$ref}/payload` })
  })
  return async (key, message) => {
    const response = await checker.inject({ method: 'POST', url: '/', payload: { key, message } })
    if (response.statusCode !== 200) throw new Error(response.body)
    return response.json() === true
  }
}

t.test('an app that listens is its own server, unless it names others', async (t) => {
  const app = await createRich(t)
  await app.ready()
  t.equal(app.asyncapi().servers, undefined)
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.strictSame(app.asyncapi().servers, {
    server: { host: app.listeningOrigin.replace('http://', ''), protocol: 'ws' }
  })

  const secure = Fastify({ https: tls })
  t.teardown(() => secure.close())
  await secure.register(socketRoutes)
  await secure.register(asyncapi, { info })
  await secure.listen({ port: 0, host: '0.0.0.0' })
  t.strictSame(secure.asyncapi().servers, {
    server: {
      host: secure.listeningOrigin.replace('https://0.0.0.0', 'localhost'),
      protocol: 'wss'
    }
  })

  const named = await createRich(t, { servers: { production: 'wss://example.com' } })
  await listen(named)
  t.strictSame(Object.keys(named.asyncapi().servers!), ['production'])
})

t.test('the changes of an app to the document are final', async (t) => {
  const document = await describe(t, {
    transformObject: (document) => ({ ...document, info: { ...document.info, title: 'Other' } })
  })
  t.equal(document.info.title, 'Other')
  t.strictSame(Object.keys(document.channels).length, 4)
})
