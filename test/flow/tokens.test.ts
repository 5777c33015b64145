import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto'
import t from 'tap'
import { handshake, readAll, refusal, tcp } from '../support/client.js'
import { createApp, listen, SECRET } from '../support/server.js'

// P22: every kind of broken token is a 401, never a 500, and nothing of it is in a log, an answer or the echoed sub-protocol.

const encode = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const hmac = (data: string, secret: string, hash = 'sha256') => createHmac(hash, secret).update(data).digest('base64url')
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
  'alg RS256, really signed': (() => { const data = `${encode({ alg: 'RS256' })}.${body}`; return `${data}.${signWith('sha256', Buffer.from(data), privateKey).toString('base64url')}` })(),
  'HMAC with a public key': make(header, payload, publicKey.export({ type: 'spki', format: 'pem' }).toString()),
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
  'JSON instead of a token': '{}'
}

t.test('the token that the broken ones are made from is right', async (t) => {
  const app = await createApp(t)
  t.match(app.jwt.verify(good), payload)
})

for (const [what, token] of Object.entries(broken)) {
  t.test(`${what}: 401, from header and sub-protocol`, async (t) => {
    const lines: string[] = []
    const app = await createApp(t, { fastify: { logger: { level: 'trace', stream: { write: (line) => { lines.push(line) } } } } })
    let opened = 0
    app.socketRoute('/', { onOpen: () => { opened++ } }, 'ROLE_USER')
    const url = await listen(app)
    const answers = [await refusal(url, [], { headers: { authorization: `Bearer ${token}` } })]
    if (/^[\w.+-]+$/.test(token)) answers.push(await refusal(url, ['bearer', token]))
    for (const { status, headers, body } of answers) {
      t.equal(status, 401)
      t.match(body.code, /^FSR_ERR_TOKEN_(INVALID|EXPIRED)$/)
      t.equal(headers['www-authenticate'], 'Bearer error="invalid_token"')
      if (token.length > 10) t.notMatch(JSON.stringify([headers, body]), token)
    }
    t.equal(opened, 0)
    if (token.length > 10) t.notOk(lines.some((line) => line.includes(token)), 'the token is in no log line')
  })
}

t.test('an expired token is told from one that was never valid', async (t) => {
  const app = await createApp(t)
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  t.equal((await refusal(await listen(app), ['bearer', broken.expired!])).body.code, 'FSR_ERR_TOKEN_EXPIRED')
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

t.test('a token that cannot be verified for another reason is a 401 too, and the log tells the reason without the token', async (t) => {
  const lines: string[] = []
  const app = await createApp(t, { jwt: false, fastify: { logger: { level: 'warn', stream: { write: (line) => { lines.push(line) } } } } })
  const { default: jwt } = await import('@fastify/jwt')
  await app.register(jwt, { secret: async (_request: unknown, token: unknown): Promise<string> => { throw (token as { sub?: string }).sub === 'alice' ? new TypeError(`no key for ${good}`) : null } })
  app.socketRoute('/', { onOpen: () => 'in' }, 'ROLE_USER')
  const url = await listen(app)
  t.equal((await refusal(url, ['bearer', good])).status, 401)
  t.equal((await refusal(url, ['bearer', make(header, { ...payload, sub: 'bob' })])).status, 401)
  const line = lines.find((line) => line.includes('could not be verified'))
  t.match(line, /"type":"TypeError"/)
  t.notMatch(line, good)
})
