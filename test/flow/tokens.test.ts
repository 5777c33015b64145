import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto'
import t, { type Test } from 'tap'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import type { TokenSource } from '../../src/index.js'
import { connect, handshake, readAll, refusal, tcp } from '../support/client.js'
import { createApp, listen, SECRET, tokenOf } from '../support/server.js'
import { until } from '../support/until.js'

// P22: every kind of broken token is a 401, never a 500, and nothing of it is in a log, an answer
// or the echoed sub-protocol.

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const hmac = (data: string, secret: string, hash = 'sha256') =>
  createHmac(hash, secret).update(data).digest('base64url')
const make = (header: unknown, payload: unknown, secret = SECRET, hash = 'sha256') => {
  const data = `${encode(header)}.${encode(payload)}`
  return `${data}.${hmac(data, secret, hash)}`
}
const header = { alg: 'HS256', typ: 'JWT' }
const now = Math.floor(Date.now() / 1000)
const payload = { sub: 'alice', roles: ['ROLE_USER'], iat: now }
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const good = make(header, payload)
const [head, body, signature] = good.split('.') as [string, string, string]

const broken: Record<string, string> = {
  'no token at all': 'x',
  'dots only': '..',
  'two parts': `${head}.${body}`,
  'four parts': `${good}.x`,
  'no signature': `${head}.${body}.`,
  'a signature cut short': good.slice(0, -4),
  'another signature': `${head}.${body}.${hmac('something else', SECRET)}`,
  'another payload': `${head}.${encode({ ...payload, roles: ['ROLE_ADMIN'] })}.${signature}`,
  'another header': `${encode({ ...header, kid: 'x' })}.${body}.${signature}`,
  'the wrong key': make(header, payload, 'another secret of thirty-two bytes or more'),
  'an empty key': make(header, payload, ''),
  'alg none': `${encode({ alg: 'none' })}.${body}.`,
  'alg None with a signature': make({ alg: 'None' }, payload),
  'alg HS512 named, HS256 used': make({ alg: 'HS512' }, payload),
  'alg RS256 named, HMAC used': make({ alg: 'RS256' }, payload),
  'alg RS256, really signed': (() => {
    const data = `${encode({ alg: 'RS256' })}.${body}`
    return `${data}.${signWith('sha256', Buffer.from(data), privateKey).toString('base64url')}`
  })(),
  'HMAC with a public key': make(
    header,
    payload,
    publicKey.export({ type: 'spki', format: 'pem' }).toString()
  ),
  'no alg': make({ typ: 'JWT' }, payload),
  'alg null': make({ alg: null }, payload),
  'alg as a list': make({ alg: ['HS256'] }, payload),
  'a header that is a string': make('"HS256"', payload),
  'a header that is null': make('null', payload),
  'a header that is a list': make([], payload),
  'a header that is not JSON': make('{', payload),
  'an unknown crit': make({ ...header, crit: ['exp2'], exp2: 1 }, payload),
  'a crit that is no list': make({ ...header, crit: 'x' }, payload),
  expired: make(header, { ...payload, exp: now - 10 }),
  'expired long ago': make(header, { ...payload, exp: 1 }),
  'not valid yet': make(header, { ...payload, nbf: now + 1000 }),
  'exp as a string': make(header, { ...payload, exp: 'tomorrow' }),
  'exp as null': make(header, { ...payload, exp: null }),
  'exp as an object': make(header, { ...payload, exp: {} }),
  'nbf as a string': make(header, { ...payload, nbf: 'today' }),
  'a payload that is a string': make(header, '"alice"'),
  'a payload that is null': make(header, 'null'),
  'a payload that is a number': make(header, '5'),
  'a payload that is not JSON': make(header, '{"sub":'),
  'an empty payload': make(header, ''),
  'a payload that is not UTF-8': `${head}.${Buffer.from([0x7b, 0xff, 0xfe]).toString('base64url')}.${signature}`,
  'a huge payload': make(header, { ...payload, exp: 1, x: 'x'.repeat(7000) }),
  'standard base64': good.replaceAll('-', '+').replaceAll('_', '/') + '+/',
  'an encrypted token': 'eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d',
  'the word undefined': 'undefined',
  'JSON instead of a token': '{}',
  'alg HS256 in lower case': make({ alg: 'hs256' }, payload),
  'alg HS384 named, HS512 used': make({ alg: 'HS384' }, payload, SECRET, 'sha512'),
  'alg ES256 named, HMAC used': make({ alg: 'ES256' }, payload),
  'alg PS256 named, HMAC used': make({ alg: 'PS256' }, payload),
  'alg nOnE without a signature': `${encode({ alg: 'nOnE' })}.${body}.`,
  'alg twice, the last one none': `${encode('{"alg":"HS256","alg":"none"}')}.${body}.`,
  'a key of its own in the header': make(
    { ...header, jwk: { kty: 'oct', k: encode('own') } },
    payload,
    'own'
  ),
  'a key to be fetched': make({ ...header, jku: 'https://evil.example/keys' }, payload, 'own'),
  'a kid that is a path': make({ ...header, kid: '../../../../dev/null' }, payload, ''),
  'a kid that is SQL': make({ ...header, kid: "x' UNION SELECT 'own" }, payload, 'own'),
  'an empty crit': make({ ...header, crit: [] }, { ...payload, exp: 1 }),
  'exp as a boolean': make(header, { ...payload, exp: true }),
  'exp as a list': make(header, { ...payload, exp: [now + 1000] }),
  'exp of zero': make(header, { ...payload, exp: 0 }),
  'exp below zero': make(header, { ...payload, exp: -1 }),
  'exp and nbf that never meet': make(header, { ...payload, exp: now - 1, nbf: now + 1000 }),
  'nbf as an object': make(header, { ...payload, nbf: {} }),
  'iat as a string': make(header, { ...payload, iat: 'now' }),
  'iat as a list': make(header, { ...payload, iat: [now] }),
  'sub as an object': make(header, { ...payload, sub: { $ne: null } }),
  'sub as null': make(header, { ...payload, sub: null }),
  'a payload that is a list': make(header, [payload], 'own'),
  'a payload that is true': make(header, 'true'),
  'the parts in another order': `${body}.${head}.${signature}`,
  'a signature of zeroes': `${head}.${body}.${Buffer.alloc(32).toString('base64url')}`,
  'an empty header': `.${body}.${signature}`,
  'only a header': `${head}..`,
  'a space within': `${head}. ${body}.${signature}`,
  'a signature that is huge': `${good}${'A'.repeat(6000)}`
}

t.test('the token that the broken ones are made from is right', async (t) => {
  const app = await createApp(t)
  t.match(app.jwt.verify(good), payload)
})

t.test('there are enough of them', async (t) => {
  t.ok(Object.keys(broken).length >= 60, String(Object.keys(broken).length))
})

// The status line and the headers of a response, with characters that no client accepts.
async function answerTo (
  url: string,
  path: string,
  headers: Record<string, string>
): Promise<string> {
  const socket = await tcp(url)
  socket.write(handshake(path, headers), 'latin1')
  return await readAll(socket)
}

const ways: Record<string, (url: string, token: string) => Promise<string>> = {
  header: (url, token) => answerTo(url, '/header', { Authorization: `Bearer ${token}` }),
  protocol: (url, token) => answerTo(url, '/protocol', {
    'Sec-WebSocket-Protocol': `bearer, ${token}`
  }),
  cookie: (url, token) => answerTo(url, '/cookie', {
    Cookie: `token=${encodeURIComponent(token)}`
  }),
  query: (url, token) => answerTo(url, `/query?access_token=${encodeURIComponent(token)}`, {}),
  ticket: (url, token) => answerTo(url, `/ticket?ticket=${encodeURIComponent(token)}`, {})
}

async function createTokenApp (t: Test) {
  const lines: string[] = []
  const app = await createApp(t, {
    jwt: false,
    fastify: { logger: { level: 'trace', stream: { write: (line) => { lines.push(line) } } } }
  })
  await app.register(cookie)
  await app.register(jwt, { secret: SECRET, cookie: { cookieName: 'token', signed: false } })
  const opened: string[] = []
  for (const way of [...Object.keys(ways), 'message'] as TokenSource[]) {
    app.socketRoute(`/${way}`, { onOpen: () => { opened.push(way) } }, {
      isGranted: 'ROLE_USER',
      tokenFrom: [way]
    })
  }
  const url = await listen(app)
  const isLogged = (token: string) => token.length > 10 &&
    lines.some((line) => line.includes(token) || line.includes(encodeURIComponent(token)))
  return { url, opened, isLogged }
}

for (const [way, ask] of Object.entries(ways)) {
  t.test(`every broken token sent as ${way} gets 401, and is not logged`, async (t) => {
    const { url, opened, isLogged } = await createTokenApp(t)
    for (const [what, token] of Object.entries(broken)) {
      const answer = await ask(url, token)
      t.match(answer, /^HTTP\/1\.1 401 /, what)
      t.match(answer, /^www-authenticate: Bearer error="invalid_token"\r$/m, what)
      t.match(
        answer,
        way === 'ticket' ? /FSR_ERR_TICKET_INVALID/ : /FSR_ERR_TOKEN_(INVALID|EXPIRED)/,
        what
      )
      if (token.length > 10) t.notOk(answer.includes(token), what)
      t.notOk(isLogged(token), what)
    }
    t.strictSame(opened, [])
    // Shows that the token is rejected, and nothing else.
    if (way !== 'ticket') {
      const { port } = new URL(url)
      const socket = connectTcp(Number(port), '127.0.0.1')
      socket.write(handshake(
        { header: '/header', protocol: '/protocol', cookie: '/cookie' }[way] ??
          `/query?access_token=${good}`,
        {
          Authorization: `Bearer ${good}`,
          'Sec-WebSocket-Protocol': `bearer, ${good}`,
          Cookie: `token=${good}`
        }
      ))
      const [chunk] = await once(socket, 'data') as [Buffer]
      t.match(String(chunk), /^HTTP\/1\.1 101 /)
      t.strictSame(opened, [way])
      socket.destroy()
    }
    t.notOk(isLogged(good))
  })
}

t.test('every broken token as the first message closes with 4401, and is not logged', async (t) => {
  const { url, opened, isLogged } = await createTokenApp(t)
  for (const [what, token] of Object.entries(broken)) {
    const client = await connect(`${url}/message`)
    client.send(token)
    const { code, reason } = await client.closed
    t.equal(code, 4401, what)
    t.match(reason, /^token (not valid|expired)$/, what)
    t.strictSame(client.unread, [], what)
    t.notOk(isLogged(token), what)
  }
  t.strictSame(opened, [])
  const client = await connect(`${url}/message`)
  client.send(good)
  await until(() => opened.length === 1)
  t.equal(client.socket.readyState, 1)
  t.notOk(isLogged(good))
})

t.test('an expired token is told from one that was never valid', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  t.equal(
    (await refusal(await listen(app), ['bearer', broken.expired!])).body.code,
    'FSR_ERR_TOKEN_EXPIRED'
  )
})

const authorizations: Record<string, string> = {
  'no token': 'Bearer',
  'no token but a space': 'Bearer ',
  'two tokens': `Bearer ${good} ${good}`,
  'a comma': `Bearer ${good},`,
  'no space': `Bearer${good}`,
  'another scheme': `Token ${good}`,
  'bytes that are not ASCII': 'Bearer \xff\xfe'
}
for (const [what, authorization] of Object.entries(authorizations)) {
  t.test(`an Authorization header with ${what}: 401`, async (t) => {
    const app = await createApp(t)
    app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
    const socket = await tcp(await listen(app))
    socket.write(handshake('/', { Authorization: authorization }), 'latin1')
    t.match(await readAll(socket), /^HTTP\/1\.1 401 /)
  })
}

t.test('other failures of verification are 401; the log has the reason only', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    jwt: false,
    fastify: { logger: { level: 'warn', stream: { write: (line) => { lines.push(line) } } } }
  })
  await app.register(jwt, {
    secret: async (_request: unknown, token: unknown): Promise<string> => {
      throw (token as { sub?: string }).sub === 'alice' ? new TypeError(`no key for ${good}`) : null
    }
  })
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  const url = await listen(app)
  t.equal((await refusal(url, ['bearer', good])).status, 401)
  t.equal((await refusal(url, ['bearer', make(header, { ...payload, sub: 'bob' })])).status, 401)
  const line = lines.find((line) => line.includes('could not be verified'))
  t.match(line, /"type":"TypeError"/)
  t.notMatch(line, good)
})

t.test('the log at debug has the forms in which a missing token was looked for', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, {
    jwt: false,
    fastify: { logger: { level: 'debug', stream: { write: (line) => { lines.push(line) } } } }
  })
  await app.register(cookie)
  await app.register(async (scope) => {
    await scope.register(jwt, { secret: SECRET, verify: { extractToken: () => undefined } })
    scope.socketRoute('/extracted', { onOpen: () => 'in' }, 'ROLE_USER')
  })
  await app.register(async (scope) => {
    await scope.register(jwt, { secret: SECRET, cookie: { cookieName: 'session', signed: false } })
    scope.socketRoute('/usual', { onOpen: () => 'in' }, 'ROLE_USER')
    scope.socketRoute('/address', { onOpen: () => 'in' }, {
      isGranted: 'ROLE_USER',
      tokenFrom: ['query', 'ticket']
    })
    scope.socketRoute('/hook', { onOpen: () => 'in' }, { isGranted: 'ROLE_USER', tokenFrom: [] })
  })
  const url = await listen(app)
  const header = 'the header Authorization: Bearer <token>'
  const protocol = "the sub-protocols ['bearer', <token>]"
  const cases: Array<[string, string[], Record<string, string>, string[]]> = [
    ['/usual', [good], { authorization: good }, [header, protocol, 'the cookie session']],
    [
      '/usual',
      ['Bearer', good],
      { cookie: `token=${good}` },
      [header, protocol, 'the cookie session']
    ],
    // Under a name that is not known, it is in the line of the request, as Fastify logs it.
    [
      '/address?token=a.b.c',
      [],
      {},
      ['the query ?access_token=<token>', 'the query ?ticket=<ticket>']
    ],
    ['/hook', ['bearer', good], {}, []],
    [
      '/extracted',
      [],
      { 'x-token': good },
      [header, protocol, 'the result of extractToken of @fastify/jwt']
    ]
  ]
  for (const [path, protocols, headers, lookedFor] of cases) {
    lines.length = 0
    t.equal(
      (await refusal(url + path, protocols, { headers })).body.code,
      'FSR_ERR_TOKEN_MISSING',
      path
    )
    const line = lines.find((line) => line.includes(
      'no token was found, and no hook has set a user'
    ))!
    t.match(JSON.parse(line), { level: 20, lookedFor }, path)
    t.notMatch(line, good)
  }
})

t.test('the sub-protocol bearer is selected also if a gateway has moved the token', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: ({ protocol }) => protocol }, 'ROLE_USER')
  app.socketRoute(
    '/header',
    { onOpen: ({ protocol }) => `'${protocol}'` },
    { isGranted: 'ROLE_USER', tokenFrom: ['header'] }
  )
  const url = await listen(app)
  const headers = { authorization: `Bearer ${tokenOf(app)}` }
  t.equal(await (await connect(url, ['bearer'], { headers })).next(), 'bearer')
  t.equal((await refusal(url, ['bearer'])).body.code, 'FSR_ERR_TOKEN_MISSING')
  const socket = await tcp(url)
  socket.write(handshake('/header', {
    Authorization: headers.authorization,
    'Sec-WebSocket-Protocol': 'bearer'
  }))
  let text = ''
  for await (const chunk of socket) {
    text += String(chunk)
    if (text.endsWith("''")) break
  }
  t.notMatch(text, /bearer/i)
})
