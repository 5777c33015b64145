// A place for tokens needs its plugin: without it every client would look like one without a token.
import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { SocketRouteOptions } from '../../src/index.js'
import ui from '../../src/operate/ui/ui.js'
import { connect, refusal } from '../support/client.js'
import { createApp, listen, SECRET, tokenOf } from '../support/server.js'

interface Line {
  readonly level: number
  readonly msg: string
  readonly route?: string
  readonly missing?: readonly string[]
}

interface Places {
  readonly jwt?: object
  readonly tokenFrom?: SocketRouteOptions['tokenFrom']
  /** The options of `@fastify/cookie`, if it is registered. */
  readonly cookie?: object
}

const WARN = 40
const session = { cookie: { cookieName: 'session', signed: false } }
const signed = { cookie: { cookieName: 'session', signed: true } }

async function createPlaces (
  t: Test,
  places: Places,
  lines: Line[] = []
): Promise<FastifyInstance> {
  const app = await createApp(t, {
    jwt: false,
    fastify: {
      logger: { level: 'warn', stream: { write: (line) => { lines.push(JSON.parse(line)) } } }
    }
  })
  app.socketRoute('/chat', { onOpen: () => 'in' }, {
    isGranted: 'ROLE_USER',
    ...(places.tokenFrom && { tokenFrom: places.tokenFrom })
  })
  await app.register(jwt, { secret: SECRET, ...places.jwt } as never)
  if (places.cookie !== undefined) await app.register(cookie, places.cookie)
  return app
}

const refused: Record<string, [places: Places, told: RegExp]> = {
  'a cookie without @fastify/cookie': [
    { jwt: session, tokenFrom: ['cookie'] },
    /'\/chat' can be: 'cookie' needs @fastify\/cookie/
  ],
  'a cookie without a name': [
    { cookie: {}, tokenFrom: ['cookie'] },
    /'cookie' needs the option cookie of @fastify\/jwt/
  ],
  'a signed cookie without a secret': [
    { jwt: signed, cookie: {}, tokenFrom: ['cookie'] },
    /needs a secret of @fastify\/cookie/
  ],
  'a header that @fastify/jwt does not look at': [
    { jwt: { ...session, verify: { onlyCookie: true } }, cookie: {}, tokenFrom: ['header'] },
    /'header' is not read by.*onlyCookie/
  ],
  'two places': [
    { jwt: { verify: { onlyCookie: true } }, tokenFrom: ['header', 'cookie'] },
    /onlyCookie; 'cookie' needs the option cookie/
  ]
}
for (const [what, [places, message]] of Object.entries(refused)) {
  t.test(`an app whose route takes tokens only from ${what} does not get ready`, async (t) => {
    const app = await createPlaces(t, places)
    await t.rejects(async () => { await app.ready() }, { code: 'FSR_ERR_OPTION_INVALID', message })
  })
}

const warned: Record<string, [places: Places, missing: RegExp]> = {
  'one of several places that are named': [
    { tokenFrom: ['header', 'cookie'] },
    /option cookie of @fastify\/jwt/
  ],
  'the cookie that @fastify/jwt is configured for, by default': [
    { jwt: session },
    /'cookie' needs @fastify\/cookie/
  ],
  'the only place, where extractToken may find one': [
    { jwt: { ...session, verify: { extractToken: () => undefined } }, tokenFrom: ['cookie'] },
    /'cookie' needs @fastify\/cookie/
  ]
}
for (const [what, [places, missing]] of Object.entries(warned)) {
  t.test(`the log warns of ${what} that lacks its plugin`, async (t) => {
    const lines: Line[] = []
    const app = await createPlaces(t, places, lines)
    await app.ready()
    t.match(lines, [{
      level: WARN,
      route: '/chat',
      missing: [missing],
      msg: 'tokenFrom names a place where no token can be'
    }])
  })
}

t.test('nothing is logged if all plugins are there, or the place was not asked for', async (t) => {
  const lines: Line[] = []
  const right: Places[] = [
    {},
    { tokenFrom: ['header', 'protocol'] },
    { jwt: session, cookie: {} },
    { jwt: session, cookie: {}, tokenFrom: ['cookie'] },
    { jwt: signed, cookie: { secret: 'a secret for cookies' }, tokenFrom: ['cookie'] },
    { jwt: { ...session, verify: { onlyCookie: true } }, cookie: {} }
  ]
  for (const places of right) {
    const app = await createPlaces(t, places, lines)
    await app.ready()
  }
  t.strictSame(lines, [])
})

t.test('@fastify/cookie counts if registered after the route, and in its scope only', async (t) => {
  const app = await createPlaces(t, { jwt: session, tokenFrom: ['cookie'], cookie: {} })
  const url = await listen(app)
  t.equal(
    await (await connect(`${url}/chat`, [], {
      headers: { cookie: `session=${tokenOf(app)}` }
    })).next(),
    'in'
  )

  const other = await createApp(t, { jwt: false })
  await other.register(jwt, { secret: SECRET, ...session })
  await other.register(async (scope) => { await scope.register(cookie) })
  other.socketRoute('/chat', { onOpen: () => 'in' }, {
    isGranted: 'ROLE_USER',
    tokenFrom: ['cookie']
  })
  await t.rejects(
    async () => { await other.ready() },
    { code: 'FSR_ERR_OPTION_INVALID', message: /@fastify\/cookie/ }
  )
})

for (const hook of ['preHandler', false] as const) {
  t.test(`a token is found in a cookie parsed later or not at all: hook: ${hook}`, async (t) => {
    const app = await createPlaces(t, { jwt: session, tokenFrom: ['cookie'], cookie: { hook } })
    const url = await listen(app)
    t.equal(
      await (await connect(`${url}/chat`, [], {
        headers: { cookie: `session=${tokenOf(app)}` }
      })).next(),
      'in'
    )
    t.match(await refusal(`${url}/chat`), { status: 401, body: { code: 'FSR_ERR_TOKEN_MISSING' } })
  })
}

t.test('cookies that the app parses itself count, if requests are decorated', async (t) => {
  const app = await createPlaces(t, { jwt: session, tokenFrom: ['cookie'] })
  app.decorateRequest('cookies', null as never)
  app.addHook('onRequest', async (request) => {
    request.cookies = { session: /session=([^;]+)/.exec(request.headers.cookie!)![1]! }
  })
  const url = await listen(app)
  t.equal(
    await (await connect(`${url}/chat`, [], {
      headers: { cookie: `session=${tokenOf(app)}` }
    })).next(),
    'in'
  )
})

t.test('the console without the plugin for its document tells which one', async (t) => {
  const app = await createApp(t)
  await app.register(ui)
  await t.rejects(
    async () => { await app.ready() },
    { code: 'FSR_ERR_OPTION_INVALID', message: /register fastify-socket-route\/asyncapi/ }
  )
})
